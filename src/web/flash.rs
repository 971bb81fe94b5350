//! A message for the next page: left by a step that redirects, shown once.
//!
//! The cookie holds a key, never words: what a visitor puts into their own cookie cannot become text of the portal.

use crate::i18n::Language;

/// How a message is meant; also its look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It worked.
    Success,
    /// Good to know.
    Info,
    /// Something to look at.
    Warning,
    /// It did not work.
    Danger,
}

impl Tone {
    const ALL: [Self; 4] = [Self::Success, Self::Info, Self::Warning, Self::Danger];

    /// The word for it in class names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }

    /// Whether a screen reader should interrupt for it.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Warning | Self::Danger)
    }
}

/// A message for the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    tone: Tone,
    key: String,
    count: Option<u64>,
}

impl Flash {
    /// It worked. `key` names a text without variables.
    pub fn success(key: &'static str) -> Self {
        Self { tone: Tone::Success, key: key.to_owned(), count: None }
    }

    /// Good to know.
    pub fn info(key: &'static str) -> Self {
        Self { tone: Tone::Info, key: key.to_owned(), count: None }
    }

    /// Something to look at.
    pub fn warning(key: &'static str) -> Self {
        Self { tone: Tone::Warning, key: key.to_owned(), count: None }
    }

    /// It did not work.
    pub fn danger(key: &'static str) -> Self {
        Self { tone: Tone::Danger, key: key.to_owned(), count: None }
    }

    /// With a number: `key` names a text whose one variable is `count`.
    #[must_use]
    pub fn count(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// How it is meant.
    pub fn tone(&self) -> Tone {
        self.tone
    }

    /// The key of its text.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its text.
    pub fn words(&self, language: Language) -> String {
        match self.count {
            Some(count) => language.text(&self.key, &[("count", i64::try_from(count).unwrap_or(i64::MAX))]),
            None => language.word(&self.key),
        }
    }

    pub(super) fn to_cookie(&self) -> String {
        let count = self.count.map(|count| format!(".{count}")).unwrap_or_default();
        format!("{}.{}{count}", self.tone.name(), self.key)
    }

    /// Only known tones, known keys and numbers come back out of a cookie.
    pub(super) fn from_cookie(value: &str) -> Option<Self> {
        let (tone, rest) = value.split_once('.')?;
        let (key, count) = match rest.split_once('.') {
            Some((key, count)) => (key, Some(count.parse().ok()?)),
            None => (rest, None),
        };
        let tone = Tone::ALL.into_iter().find(|known| known.name() == tone)?;
        Language::En.has(key).then(|| Self { tone, key: key.to_owned(), count })
    }
}

/// In the extensions of an answer: the message to leave for the next page.
#[derive(Clone, Debug)]
pub(super) struct Leave(pub(super) Flash);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_messages_come_back_from_a_cookie() {
        let flash = Flash::success("i18n-today");
        assert_eq!(Flash::from_cookie(&flash.to_cookie()), Some(flash.clone()));
        let counted = flash.count(12);
        assert_eq!(Flash::from_cookie(&counted.to_cookie()), Some(counted));
        for bad in [
            "success.i18n-today.",
            "success.i18n-today.<b>",
            "",
            "success",
            "success.",
            "success.<b>you won</b>",
            "loud.i18n-today",
        ] {
            assert_eq!(Flash::from_cookie(bad), None, "{bad}");
        }
    }
}
