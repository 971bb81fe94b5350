//! A mail server on the loopback that speaks SMTP and keeps what it is given.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How the server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes every mail.
    Willing,
    /// Hangs up before a word.
    Absent,
    /// Has no time for the recipient now.
    Busy,
    /// Does not know the recipient.
    Strict,
    /// Serves nobody, and says so for good in its greeting.
    Closed,
    /// Understands no greeting.
    Deaf,
    /// Takes nothing from this sender.
    Locked,
    /// Takes the recipient, and then no mail.
    Full,
    /// Reads the mail and refuses it.
    Picky,
    /// Reads the mail, keeps it and hangs up without a word.
    Silent,
}

#[derive(Debug)]
struct Inner {
    mood: Mutex<Mood>,
    mails: Mutex<Vec<String>>,
}

/// The server.
#[derive(Clone, Debug)]
pub(crate) struct MailServer {
    inner: Arc<Inner>,
    port: u16,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner { mood: Mutex::new(Mood::Willing), mails: Mutex::default() });
        let serving = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&serving);
                // A client that goes away is none of the server's business.
                tokio::spawn(async move { drop(talk(stream, &inner).await) });
            }
        });
        Self { inner, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.inner.mood.lock().unwrap() = mood;
    }

    /// The mails it has taken, heads and all.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.inner.mails.lock().unwrap().clone()
    }
}

async fn talk(stream: TcpStream, inner: &Inner) -> std::io::Result<()> {
    let mood = *inner.mood.lock().unwrap();
    if mood == Mood::Absent {
        return Ok(());
    }
    let mut stream = BufReader::new(stream);
    let greeting: &[u8] = if mood == Mood::Closed { b"554 not here\r\n" } else { b"220 mail.test\r\n" };
    stream.write_all(greeting).await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.split([' ', ':', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match (verb.as_str(), mood) {
            ("EHLO" | "HELO", Mood::Deaf) => b"550 whoever you are\r\n",
            ("EHLO", _) => b"250-mail.test\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
            // "me" and "pw", as PLAIN writes them.
            ("AUTH", Mood::Willing) if line.trim_end().ends_with(" AG1lAHB3") => b"235 welcome\r\n",
            ("AUTH", _) => b"535 who are you\r\n",
            ("MAIL", Mood::Locked) => b"550 relaying denied\r\n",
            ("DATA", Mood::Full) => b"552 no room\r\n",
            ("RCPT", Mood::Busy) => b"450 later\r\n",
            ("RCPT", Mood::Strict) => b"550 nobody of that name\r\n",
            ("MAIL" | "RCPT" | "NOOP" | "RSET", _) => b"250 ok\r\n",
            ("DATA", _) => b"354 go on\r\n",
            ("QUIT", _) => b"221 bye\r\n",
            _ => b"502 what\r\n",
        };
        stream.write_all(answer).await?;
        if verb == "QUIT" {
            return Ok(());
        }
        if verb == "DATA" && mood != Mood::Full {
            let mail = body(&mut stream).await?;
            if mood == Mood::Picky {
                stream.write_all(b"554 not this\r\n").await?;
                continue;
            }
            inner.mails.lock().unwrap().push(mail);
            if mood == Mood::Silent {
                return Ok(());
            }
            stream.write_all(b"250 taken\r\n").await?;
        }
    }
}

async fn body(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(mail);
        }
        mail.push_str(&line);
    }
}
