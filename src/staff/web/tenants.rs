//! The list of tenants: search, filters, pages by key.

use askama::Template;
use axum::extract::{Query, State};
use http::StatusCode;
use serde::Deserialize;

use super::words::{self, STATUSES};
use crate::app::App;
use crate::auth::Staff;
use crate::catalog;
use crate::clock::from_seconds;
use crate::error::{FieldError, Result};
use crate::staff::store::{self, Found, Search};
use crate::web::{Html, Narrowing, Page, narrowed, narrows};

/// Tenants on a page.
const PAGE: usize = 50;
/// The longest text that is searched for.
const LONGEST: usize = 200;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    q: String,
    status: String,
    plan: String,
    after: String,
}

impl Asked {
    fn search(&self, page: &Page) -> Result<Search, Vec<FieldError>> {
        let mut read = Narrowing::of(page);
        let status = read.choice(("status", "staff-status"), &self.status, |text| {
            STATUSES.iter().find(|(status, _, _)| *status == text).map(|(status, _, _)| (*status).to_owned())
        });
        read.filter(Search {
            text: self.q.trim().chars().take(LONGEST).filter(|c| *c != '\0').collect(),
            status: status.unwrap_or_default(),
            product: self.plan.clone(),
            after: self.after.clone(),
        })
    }

    fn fields(&self) -> [(&'static str, &str); 3] {
        [("q", self.q.trim()), ("status", &self.status), ("plan", &self.plan)]
    }

    fn is_set(&self) -> bool {
        narrows(&self.fields())
    }

    fn query(&self, after: Option<&str>) -> String {
        narrowed(&self.fields(), after)
    }
}

#[derive(Template)]
#[template(path = "staff/tenants.html")]
pub(super) struct ListPage {
    page: Page,
    asked: Asked,
    found: Vec<Found>,
    /// Products and the names of their plans.
    plans: Vec<(String, String)>,
    more: Option<String>,
    first: Option<String>,
}

impl ListPage {
    fn status(&self, found: &Found) -> (&'static str, String) {
        match &found.status {
            Some(status) => (words::tone(status), words::status(&self.page, status)),
            None => ("plain", self.page.t("staff-status-none")),
        }
    }

    fn is_status(&self, status: &str) -> bool {
        self.asked.status == status
    }

    fn since(&self, found: &Found) -> String {
        self.page.date(from_seconds(found.created_at))
    }
}

pub(super) async fn list(
    page: Page,
    State(app): State<App>,
    _: Staff,
    Query(asked): Query<Asked>,
) -> Result<(StatusCode, Html<ListPage>)> {
    let mut tx = app.db.read().await?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let search = asked.search(&page);
    let (page, search) = page.narrowed(search);
    let mut found = match search {
        Some(search) => store::search(&mut tx, &search, limit).await?,
        None => Vec::new(),
    };
    let offer = catalog::store::offer(&mut tx).await?;
    drop(tx);

    let has_more = found.len() > PAGE;
    found.truncate(PAGE);
    let last = found.last().filter(|_| has_more);
    let plans =
        offer.plans.iter().map(|plan| (plan.product_id.clone(), plan.name(page.language()).to_owned()));
    let list = ListPage {
        plans: plans.collect(),
        more: last.map(|last| asked.query(Some(&last.id))),
        first: (!asked.after.is_empty()).then(|| asked.query(None)),
        found,
        asked,
        page,
    };
    Ok((list.page.status(), Html(list)))
}
