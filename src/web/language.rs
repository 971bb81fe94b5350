//! The language switch in the footer.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;

use super::{Form, Page, local_path, redirect};
use crate::error::{Error, Result};
use crate::i18n::Language;

/// In the extensions of an answer: the language to remember in the visitor's cookie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen(pub(super) Language);

pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/language", post(choose))
}

#[derive(Deserialize)]
struct Choice {
    language: String,
    next: String,
}

async fn choose(page: Page, Form(choice): Form<Choice>) -> Result<Response> {
    let language = Language::from_tag(&choice.language)
        .ok_or_else(|| Error::field("language", "web-language-unknown"))?;
    let next = local_path(&choice.next, page.site()).unwrap_or_else(|| "/".to_owned());
    let mut response = redirect(next).into_response();
    response.extensions_mut().insert(Chosen(language));
    Ok(response)
}
