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
}

impl Flash {
    /// It worked. `key` names a text without variables.
    pub fn success(key: &'static str) -> Self {
        Self { tone: Tone::Success, key: key.to_owned() }
    }

    /// Good to know.
    pub fn info(key: &'static str) -> Self {
        Self { tone: Tone::Info, key: key.to_owned() }
    }

    /// Something to look at.
    pub fn warning(key: &'static str) -> Self {
        Self { tone: Tone::Warning, key: key.to_owned() }
    }

    /// It did not work.
    pub fn danger(key: &'static str) -> Self {
        Self { tone: Tone::Danger, key: key.to_owned() }
    }

    /// How it is meant.
    pub fn tone(&self) -> Tone {
        self.tone
    }

    /// The key of its text.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn to_cookie(&self) -> String {
        format!("{}.{}", self.tone.name(), self.key)
    }

    /// Only known tones and known keys come back out of a cookie.
    pub(super) fn from_cookie(value: &str) -> Option<Self> {
        let (tone, key) = value.split_once('.')?;
        let tone = Tone::ALL.into_iter().find(|known| known.name() == tone)?;
        Language::En.has(key).then(|| Self { tone, key: key.to_owned() })
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
        assert_eq!(Flash::from_cookie(&flash.to_cookie()), Some(flash));
        for bad in ["", "success", "success.", "success.<b>you won</b>", "loud.i18n-today"] {
            assert_eq!(Flash::from_cookie(bad), None, "{bad}");
        }
    }
}
