//! A page that says one thing and leads on.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::answer::{self, Frame};

#[derive(Template)]
#[template(path = "sandbox/notice.html")]
pub(super) struct NoticePage {
    frame: Frame,
    message: String,
    /// Address of the way on; empty where there is none.
    onward: String,
    onward_label: String,
}

impl NoticePage {
    pub(super) fn answer(
        status: StatusCode,
        frame: Frame,
        message: String,
        onward: String,
        onward_label: String,
    ) -> Response {
        let page = Self { frame, message, onward, onward_label };
        answer::page(status, &page.frame, &page)
    }
}
