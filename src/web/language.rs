//! The language switch in the footer. `auth` serves it, because a person's choice is kept with the person.

use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Page, local_path, redirect};
use crate::error::{Error, Result};
use crate::i18n::Language;

/// In the extensions of an answer: the language to remember in the visitor's cookie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen(pub(super) Language);

/// What the switch in the footer sends.
#[derive(Debug, Deserialize)]
pub struct LanguageChoice {
    language: String,
    next: String,
}

impl LanguageChoice {
    /// The language that was chosen.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn language(&self) -> Result<Language> {
        Language::from_tag(&self.language).ok_or_else(|| Error::field("language", "web-language-unknown"))
    }

    /// Back to the page, in the language that was chosen, which this browser will remember.
    ///
    /// # Errors
    /// The language is none of ours.
    pub fn answer(&self, page: &Page) -> Result<Response> {
        let next = local_path(&self.next, page.site()).unwrap_or_else(|| "/".to_owned());
        let mut response = redirect(next).into_response();
        response.extensions_mut().insert(Chosen(self.language()?));
        Ok(response)
    }
}
