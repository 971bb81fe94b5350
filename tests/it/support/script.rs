//! An HTTP server on loopback that answers by a script, byte for byte, and keeps what it was asked.
//!
//! What the script's lines do not answer, in their order, is answered by path.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes, then it waits for the next request.
    Bytes(Vec<u8>),
    /// These bytes, then it hangs up.
    Cut(Vec<u8>),
    /// Nothing, and the connection stays open.
    Silence,
}

/// What the server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method, path and query.
    pub(crate) line: String,
    /// The head, in lower case but for values.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

impl Asked {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// The server; it ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
    lines: Arc<Mutex<Lines>>,
}

/// What it answers.
#[derive(Default)]
struct Lines {
    next: VecDeque<Answer>,
    by_path: HashMap<String, Answer>,
}

impl Lines {
    fn answer(&mut self, line: &str) -> Answer {
        let path = line.split(['?', ' ']).nth(1).unwrap_or_default();
        let answer = self.next.pop_front().or_else(|| self.by_path.get(path).cloned());
        answer.unwrap_or_else(|| answer_missing(line))
    }
}

fn answer_missing(line: &str) -> Answer {
    answer(500, &[("stripe-should-retry", "false")], &format!("no answer is written for {line}"))
}

/// An answer with Stripe's usual headers and some more.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {status} X\r\ndate: Tue, 14 Nov 2023 22:13:20 GMT\r\nrequest-id: req_1\r\ncontent-length: {}\r\n{more}\r\n",
        body.len()
    );
    Answer::Bytes(format!("{head}{body}").into_bytes())
}

impl Script {
    /// Starts it. After the script's end, it answers 500 where no path is set.
    pub(crate) async fn start(script: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let lines = Arc::new(Mutex::new(Lines { next: script.into(), by_path: HashMap::new() }));
        let (kept, script) = (Arc::clone(&asked), Arc::clone(&lines));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&kept)));
            }
        });
        Self { url, asked, lines }
    }

    /// Answers a path so from now on, with status 200 and JSON.
    pub(crate) fn set(&self, path: &str, json: &serde_json::Value) {
        self.set_answer(path, answer(200, &[], &json.to_string()));
    }

    /// Answers a path so from now on.
    pub(crate) fn set_answer(&self, path: &str, answer: Answer) {
        self.lines.lock().unwrap().by_path.insert(path.to_owned(), answer);
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Lines>>, asked: Arc<Mutex<Vec<Asked>>>) {
    while let Some(request) = read(&mut stream).await {
        let next = script.lock().unwrap().answer(&request.line);
        asked.lock().unwrap().push(request);
        match next {
            Answer::Bytes(bytes) => stream.write_all(&bytes).await.unwrap(),
            Answer::Cut(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                return;
            }
            Answer::Silence => tokio::time::sleep(Duration::from_secs(3600)).await,
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<(String, String)> =
        lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    let length = headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked { line, headers, body: String::from_utf8(body).unwrap() })
}
