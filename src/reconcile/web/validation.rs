//! The validation report as a page and as files.

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use crate::app::App;
use crate::auth::Staff;
use crate::clock::from_seconds;
use crate::error::{Error, Result};
use crate::money::{Currency, Money};
use crate::reconcile::checks::{Check, Checked, Part, Unit};
use crate::reconcile::store::checks::{self as store, Report};
use crate::reconcile::work::checks::report_json;
use crate::web::{Csv, Html, Page};

/// Reports that are listed.
const LISTED: i64 = 13;

#[derive(Template)]
#[template(path = "reconcile/validation.html")]
pub(super) struct ReportPage {
    page: Page,
    report: Option<Report>,
    others: Vec<Report>,
}

impl ReportPage {
    fn when(&self, seconds: &i64) -> String {
        self.page.date_time(from_seconds(*seconds))
    }

    fn day(&self, seconds: &i64) -> String {
        self.page.date(from_seconds(*seconds))
    }

    fn figure(&self, one: &Checked) -> String {
        one.figure.map_or_else(|| self.page.t("reconcile-no-figure"), |figure| self.amount(one.unit, figure))
    }

    fn threshold(&self, one: &Checked) -> String {
        let args = [("figure", self.amount(one.unit, one.threshold))];
        self.page.ta(one.check.asked(), args)
    }

    /// Shares in per cent with all their decimals, spans in hours and minutes.
    fn amount(&self, unit: Unit, figure: i64) -> String {
        match unit {
            Unit::Ppm => self.share(figure),
            Unit::Count => self.page.number(figure),
            Unit::Seconds => {
                let args = [("hours", figure / 3_600), ("minutes", figure % 3_600 / 60)];
                self.page.ta("reconcile-hours", args)
            }
        }
    }

    fn share(&self, ppm: i64) -> String {
        let (whole, part) = (ppm / 10_000, ppm % 10_000);
        let part = format!("{part:04}");
        let part = part.trim_end_matches('0');
        let args = [("whole", self.page.number(whole)), ("part", part.to_owned())];
        let key = if part.is_empty() { "reconcile-percent-whole" } else { "reconcile-percent" };
        self.page.ta(key, args)
    }

    /// What a figure was made of, in words.
    fn part(&self, one: &Checked, part: &Part) -> String {
        let money = part.name.parse::<Currency>().ok().filter(|_| one.check == Check::Revenue);
        let say = |minor: i64| match money {
            Some(currency) => self.page.money(Money::new(minor, currency)),
            None => self.page.number(minor),
        };
        let key = match (one.check, part.name.as_str()) {
            // Two charges, or the place of a number: that it is named is all there is to say.
            (Check::Duplicates, _) => return part.name.clone(),
            (Check::Cards, "log") => "reconcile-part-log",
            (Check::Cards, name) if name.starts_with("read") => "reconcile-part-read",
            (Check::Cards, name) if name != "texts" => return name.to_owned(),
            (Check::Revenue | Check::Subscriptions, _) => "reconcile-part-differs",
            _ => "reconcile-part",
        };
        let args = [("name", part.name.clone()), ("part", say(part.part)), ("of", say(part.of))];
        self.page.ta(key, args)
    }

    /// Where the evidence is.
    fn evidence(&self, one: &Checked) -> Option<String> {
        let run = || self.report.as_ref().and_then(|report| report.run.as_ref());
        match one.check {
            Check::Revenue | Check::Subscriptions => run().map(|run| format!("/staff/reconciliation/{run}")),
            Check::Audit | Check::Cards => Some("/staff/audit".to_owned()),
            Check::Payments => Some("/staff/dunning".to_owned()),
            Check::Duplicates | Check::Refunds => Some("/staff/audit?action=charge.".to_owned()),
            Check::Webhooks => Some("/staff/events?state=parked".to_owned()),
        }
    }
}

async fn page(page: Page, app: &App, id: Option<&str>) -> Result<Html<ReportPage>> {
    let mut tx = app.db.read().await?;
    let mut others = store::reports(&mut tx, LISTED).await?;
    let report = match id {
        Some(id) => Some(store::report(&mut tx, id).await?.ok_or(Error::NotFound)?),
        None => others.first().cloned(),
    };
    drop(tx);
    others.retain(|other| report.as_ref().is_none_or(|report| report.id != other.id));
    Ok(Html(ReportPage { page, report, others }))
}

pub(super) async fn latest(page: Page, Shared(app): Shared<App>, _: Staff) -> Result<Html<ReportPage>> {
    self::page(page, &app, None).await
}

pub(super) async fn one(
    page: Page,
    Shared(app): Shared<App>,
    _: Staff,
    Path(id): Path<String>,
) -> Result<Html<ReportPage>> {
    self::page(page, &app, Some(&id)).await
}

pub(super) async fn json(Shared(app): Shared<App>, _: Staff, Path(id): Path<String>) -> Result<Response> {
    let report = store::report(&mut app.db.read().await?, &id).await?.ok_or(Error::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"validation.json\"")),
    ];
    Ok((headers, format!("{:#}\n", report_json(&report))).into_response())
}

pub(super) async fn csv(Shared(app): Shared<App>, _: Staff, Path(id): Path<String>) -> Result<Response> {
    let report = store::report(&mut app.db.read().await?, &id).await?.ok_or(Error::NotFound)?;
    Ok(table(&report).file("validation"))
}

/// A report as a table: a row for each check, and one for each part of its figure.
pub(in crate::reconcile) fn table(report: &Report) -> Csv {
    let mut csv = Csv::new(&["check", "verdict", "figure", "unit", "threshold", "part", "counted", "of"]);
    for one in &report.checks {
        let mut row = |part: Option<&Part>| {
            csv.text(one.check.as_str()).text(one.verdict.as_str());
            match one.figure {
                Some(figure) => csv.number(figure),
                None => csv.text(""),
            };
            csv.text(one.unit.as_str()).number(one.threshold);
            match part {
                Some(part) => csv.text(&part.name).number(part.part).number(part.of),
                None => csv.text("").text("").text(""),
            };
            csv.end_row();
        };
        if one.parts.is_empty() {
            row(None);
        }
        one.parts.iter().for_each(|part| row(Some(part)));
    }
    csv
}
