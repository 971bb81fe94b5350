//! From facts to words: one content for both forms of a mail, so that HTML and text cannot drift apart.

use askama::Template;
use jiff::tz::TimeZone;

use super::Letter;
use super::words::Words;
use crate::catalog::policy::Catalog;
use crate::i18n::Language;
use crate::web::Site;

/// Who reads it, and how.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Their name; a billing address has none.
    pub name: Option<String>,
    /// The tenant's name.
    pub tenant: Option<String>,
    /// The language.
    pub language: Language,
    /// The zone of the dates.
    pub time_zone: TimeZone,
}

/// What a mail says, in the reader's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The subject.
    pub subject: String,
    /// The words, paragraph by paragraph.
    pub paragraphs: Vec<String>,
    /// Names and values.
    pub facts: Vec<(String, String)>,
    /// The one thing to do: words, and a whole address.
    pub button: Option<(String, String)>,
    /// What to know beside it.
    pub notes: Vec<String>,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct HtmlLetter<'a> {
    content: &'a Content,
    greeting: String,
    footer: Vec<String>,
    language: &'a str,
    product: String,
    home: String,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct TextLetter<'a> {
    content: &'a Content,
    greeting: String,
    footer: Vec<String>,
}

/// A mail, written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The subject.
    pub subject: String,
    /// As HTML, a whole document.
    pub html: String,
    /// As plain text.
    pub text: String,
}

/// Writes a letter.
///
/// # Errors
/// A template failed.
pub fn write(
    letter: &Letter,
    reader: &Reader,
    site: &Site,
    catalog: &Catalog,
) -> Result<Written, askama::Error> {
    let words = Words { reader, site, catalog };
    let content = words.content(letter);
    let greeting = match &reader.name {
        Some(name) => words.text("mail-greeting", &[("name", name)]),
        None => words.word("mail-greeting-plain"),
    };
    let mut footer = Vec::new();
    if let Some(tenant) = &reader.tenant {
        footer.push(words.text("mail-about", &[("tenant", tenant)]));
    }
    if let Some(email) = &site.support_email {
        footer.push(words.text("mail-support", &[("email", email)]));
    }
    let html = HtmlLetter {
        content: &content,
        greeting: greeting.clone(),
        footer: footer.clone(),
        language: reader.language.code(),
        product: words.word("web-product"),
        home: site.link("/"),
    };
    let text = TextLetter { content: &content, greeting, footer };
    Ok(Written { html: html.render()?, text: text.render()?, subject: content.subject.clone() })
}
