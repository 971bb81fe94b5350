//! The way to the mail server, taken in two steps: everything up to the point where the server waits for the mail itself, and
//! the mail. Whatever goes wrong in the first, the mail was not sent for certain.

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::{Address, Message};
use url::{Host, Url};

use super::render::Written;

/// How long the server may take for each of the two steps.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whom mails are handed to.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The server and the sender; none: mails are kept.
    pub server: Option<(Server, Sender)>,
    /// Whether links that let their bearer in are kept and shown: for the demo alone.
    pub reveals_secrets: bool,
}

/// Which server to hand mails to.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    /// From the first byte: `smtps://`.
    Tls,
    /// By STARTTLS, and nothing without it: `smtp://`.
    StartTls,
    /// None: `smtp://…?tls=none`, or the machine itself.
    None,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({:?})", self.host, self.port, self.security)
    }
}

/// Why an address names no mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAServer {
    /// It is no such address.
    #[error(
        "must be smtp://HOST or smtps://HOST, with USER:PASSWORD@ before the host where the server asks for it"
    )]
    Form,
    /// A password would travel in the clear.
    #[error("a password is only sent encrypted: leave out tls=none, or use smtps://")]
    Clear,
}

impl FromStr for Server {
    type Err = NotAServer;

    fn from_str(text: &str) -> Result<Self, NotAServer> {
        let url: Url = text.trim().parse().map_err(|_| NotAServer::Form)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NotAServer::Form)?.to_owned();
        let is_near = match Host::parse(&host) {
            Ok(Host::Domain(name)) => name == "localhost",
            Ok(Host::Ipv4(address)) => address.is_loopback(),
            Ok(Host::Ipv6(address)) => address.is_loopback(),
            Err(_) => return Err(NotAServer::Form),
        };
        let tls = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        let (security, port) = match (url.scheme(), tls.as_deref()) {
            ("smtps", None) => (Security::Tls, 465),
            ("smtp", Some("none")) => (Security::None, 25),
            ("smtp", None) if is_near => (Security::None, 25),
            ("smtp", None | Some("required")) => (Security::StartTls, 587),
            _ => return Err(NotAServer::Form),
        };
        let decoded = |text: &str| {
            let pairs = format!("v={}", text.replace('+', "%2B"));
            form_urlencoded::parse(pairs.as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => decoded(user).zip(decoded(password.unwrap_or_default())),
        };
        if credentials.is_some() && security == Security::None && !is_near {
            return Err(NotAServer::Clear);
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port: url.port().unwrap_or(port), security, credentials })
    }
}

/// Who mails are from, such as `Billing <billing@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl FromStr for Sender {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim()
            .parse()
            .map(Self)
            .map_err(|_| "must be an address such as billing@example.com, or a name and <address>")
    }
}

/// Why a mail did not go out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was not sent, and a later try may succeed.
    #[error("{0}")]
    Passing(String),
    /// It was not sent, and will not be.
    #[error("{0}")]
    Final(String),
    /// The server had the mail and did not say what became of it.
    #[error("the server took the mail and did not confirm it: {0}")]
    Uncertain(String),
}

/// Why the server took nothing, before it came to the mail itself: whatever it says of the sender, of us or of the hour, it is the
/// operator's to put right, and the mail waits for it.
fn passing(error: &lettre::transport::smtp::Error) -> Failure {
    Failure::Passing(words(error))
}

/// Why the server refuses this recipient or this mail: its word is final where it says so.
fn refused(error: &lettre::transport::smtp::Error) -> Failure {
    if error.is_permanent() { Failure::Final(words(error)) } else { passing(error) }
}

fn words(error: &lettre::transport::smtp::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// A mail ready to go: its envelope and its bytes.
#[derive(Clone, Debug)]
pub struct Parcel {
    from: Address,
    to: Address,
    bytes: Vec<u8>,
}

impl Parcel {
    /// Packs what was written. `id` names the mail for ever: a server or reader that meets it twice can tell.
    ///
    /// # Errors
    /// An address cannot be one, in words.
    pub fn pack(
        from: &Sender,
        to: &str,
        id: &str,
        written: &Written,
        at: Timestamp,
    ) -> Result<Self, Failure> {
        let to: Address =
            to.parse().map_err(|error| Failure::Final(format!("the address {to:?}: {error}")))?;
        let parts = MultiPart::alternative_plain_html(written.text.clone(), written.html.clone());
        let mut message = Message::builder()
            .from(from.0.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(written.subject.clone())
            .date(at.into())
            .message_id(Some(format!("<{id}@{}>", from.0.email.domain())))
            .multipart(parts)
            .map_err(|error| Failure::Final(error.to_string()))?;
        // Nobody's holiday answer should come back.
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(Self { from: from.0.email.clone(), to, bytes: message.formatted() })
    }
}

/// A server that waits for the mail itself.
pub struct Offered {
    connection: AsyncSmtpConnection,
}

impl Server {
    /// Whether the server can be reached and takes the password: connects, says hello and goodbye.
    ///
    /// # Errors
    /// In words.
    pub async fn greet(&self) -> Result<(), Failure> {
        in_time(async {
            let mut connection = self.connect().await?;
            connection.quit().await.map_err(|error| passing(&error))?;
            Ok(())
        })
        .await
        .unwrap_or_else(|| Err(Failure::Passing("the server took too long".to_owned())))
    }

    /// Connects, says whom the mail is for, and stops where the server waits for it.
    ///
    /// # Errors
    /// Always such that the mail was not sent.
    pub async fn offer(&self, parcel: &Parcel) -> Result<Offered, Failure> {
        in_time(async {
            let mut connection = self.connect().await?;
            let mut parameters = Vec::new();
            if !parcel.to.to_string().is_ascii() || !parcel.from.to_string().is_ascii() {
                if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                    return Err(Failure::Final("the server does not take addresses beyond ASCII".to_owned()));
                }
                parameters.push(MailParameter::SmtpUtfEight);
            }
            let from = Mail::new(Some(parcel.from.clone()), parameters);
            connection.command(from).await.map_err(|error| passing(&error))?;
            let to = Rcpt::new(parcel.to.clone(), Vec::new());
            connection.command(to).await.map_err(|error| refused(&error))?;
            connection.command(Data).await.map_err(|error| passing(&error))?;
            Ok(Offered { connection })
        })
        .await
        .unwrap_or_else(|| Err(Failure::Passing("the server took too long".to_owned())))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let hello = ClientId::default();
        let tls = || TlsParameters::new(self.host.clone()).map_err(|error| passing(&error));
        let wrapped = if self.security == Security::Tls { Some(tls()?) } else { None };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(PATIENCE), &hello, wrapped, None)
                .await
                .map_err(|error| passing(&error))?;
        if self.security == Security::StartTls {
            connection.starttls(tls()?, &hello).await.map_err(|error| passing(&error))?;
        }
        if let Some((user, password)) = &self.credentials {
            let credentials = Credentials::new(user.clone(), password.clone());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(|error| passing(&error))?;
        }
        Ok(connection)
    }
}

impl Offered {
    /// Hands the mail over.
    ///
    /// # Errors
    /// The server refused it, and then it was not sent; or nobody knows.
    pub async fn hand_over(mut self, parcel: &Parcel) -> Result<(), Failure> {
        let done = in_time(self.connection.message(&parcel.bytes)).await;
        match done {
            Some(Ok(_)) => {
                // The mail is the server's now, whatever becomes of the goodbye.
                let _ = in_time(self.connection.quit()).await;
                Ok(())
            }
            Some(Err(error)) if error.status().is_some() => Err(refused(&error)),
            Some(Err(error)) => Err(Failure::Uncertain(error.to_string())),
            None => Err(Failure::Uncertain("it took too long".to_owned())),
        }
    }

    /// Leaves without handing anything over.
    pub async fn leave(mut self) {
        self.connection.abort().await;
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, work).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_address_and_never_printed_with_its_password() {
        let server: Server = "smtps://me%40x:p%3Aw+d@mail.example".parse().expect("a server");
        assert_eq!((server.port, server.security), (465, Security::Tls));
        assert_eq!(server.credentials, Some(("me@x".to_owned(), "p:w+d".to_owned())));
        assert_eq!(format!("{server:?}"), "mail.example:465 (Tls)");
        let near: Server = "smtp://127.0.0.1:2525".parse().expect("a server");
        assert_eq!((near.port, near.security), (2525, Security::None));
        let far: Server = "smtp://mail.example".parse().expect("a server");
        assert_eq!((far.port, far.security), (587, Security::StartTls));
        for bad in ["", "mail.example", "http://mail.example", "smtp://", "smtps://mail.example?tls=none"] {
            assert_eq!(bad.parse::<Server>(), Err(NotAServer::Form), "{bad}");
        }
        assert_eq!("smtp://me:pw@mail.example?tls=none".parse::<Server>(), Err(NotAServer::Clear));
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        assert!("Billing <billing@example.com>".parse::<Sender>().is_ok());
        assert!("billing@example.com".parse::<Sender>().is_ok());
        assert!("billing".parse::<Sender>().is_err());
    }
}
