//! The list of invoices, one invoice, the accountant's file, and the ways to Stripe's own pages.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use super::{Cursor, Detail, Filter, Invoice, Line, PAGE, StatusFilter, find, link_of, store};
use crate::app::App;
use crate::auth::{Administrator, Reader};
use crate::clock::from_seconds;
use crate::error::{Error, FieldError, Result};
use crate::money::{Money, totals};
use crate::stripe::{Budget, snapshot};
use crate::tenants::Tenant;
use crate::web::{Csv, Form, Html, Narrowing, Nothing, Page, Redirect, narrowed, narrows, redirect_out};

/// Rows of the accountant's file that are read at once.
const EXPORT_STEP: i64 = 1000;

/// Most rows of the accountant's file: who has more chooses a span of days.
const EXPORT_MOST: usize = 50_000;

/// The routes of the invoices.
pub fn router() -> Router<App> {
    Router::new()
        .route("/invoices", get(list))
        .route("/invoices.csv", get(export))
        .route("/invoices/{id}", get(detail))
        .route("/invoices/{id}/pdf", post(pdf))
        .route("/invoices/{id}/hosted", post(hosted))
        .route("/invoices/{id}/pay", post(pay))
}

/// What is asked of the list, as it stands in addresses and forms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    status: String,
    from: String,
    to: String,
    after: String,
}

impl Asked {
    fn filter(&self, page: &Page) -> Result<Filter, Vec<FieldError>> {
        let mut read = Narrowing::of(page);
        let status = read.choice(("status", "invoices-status"), &self.status, StatusFilter::read);
        let (from, until) =
            read.days((("from", "invoices-from"), &self.from), (("to", "invoices-to"), &self.to));
        let after = read.after(&self.after, |text| text.parse().ok());
        let span = (from.unwrap_or(i64::MIN), until.unwrap_or(i64::MAX));
        read.filter(Filter { status, span, after })
    }

    fn fields(&self) -> [(&'static str, &str); 3] {
        [("status", &self.status), ("from", &self.from), ("to", &self.to)]
    }

    /// The same question for a link, from after an invoice where there is one.
    fn query(&self, after: Option<&Cursor>) -> String {
        narrowed(&self.fields(), after.map(Cursor::text).as_deref())
    }
}

#[derive(Template)]
#[template(path = "invoices/list.html")]
struct List {
    page: Page,
    asked: Asked,
    statuses: [StatusFilter; 4],
    invoices: Vec<Invoice>,
    totals: Vec<(String, String, String)>,
    older: Option<String>,
    newest: Option<String>,
    export: String,
    is_narrowed: bool,
}

async fn list(
    page: Page,
    State(app): State<App>,
    reader: Reader,
    Query(asked): Query<Asked>,
) -> Result<(StatusCode, Html<List>)> {
    let filter = asked.filter(&page);
    let (page, filter) = page.narrowed(filter);
    let tenant = reader.tenant.id.as_str();
    let mut invoices = match filter {
        Some(filter) => store::list(&mut app.db.read().await?, tenant, &filter, PAGE + 1).await?,
        None => Vec::new(),
    };
    let has_more = invoices.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
    invoices.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let last = invoices.last().filter(|_| has_more).map(Invoice::cursor);
    let list = List {
        statuses: StatusFilter::ALL,
        totals: sums(&page, &invoices)?,
        older: last.map(|last| asked.query(Some(&last))),
        newest: (!asked.after.is_empty()).then(|| asked.query(None)),
        export: asked.query(None),
        is_narrowed: narrows(&asked.fields()),
        asked,
        invoices,
        page,
    };
    Ok((list.page.status(), Html(list)))
}

/// Total and what is still to be paid, for each currency that is listed.
fn sums(page: &Page, invoices: &[Invoice]) -> Result<Vec<(String, String, String)>> {
    let all = totals(invoices.iter().map(|invoice| invoice.money(invoice.total)))?;
    let open = totals(
        invoices
            .iter()
            .map(|invoice| invoice.money(if invoice.is_payable() { invoice.remaining } else { 0 })),
    )?;
    let code = |of: &Money| of.currency.code().to_ascii_uppercase();
    Ok(all.iter().zip(&open).map(|(all, open)| (code(all), page.money(all), page.money(open))).collect())
}

#[derive(Template)]
#[template(path = "invoices/detail.html")]
struct DetailPage {
    page: Page,
    detail: Detail,
    may_pay: bool,
}

impl DetailPage {
    fn period_of(&self, line: &Line) -> String {
        let day = |seconds: i64| self.page.date(from_seconds(seconds));
        line.period_start
            .zip(line.period_end)
            .map(|(from, to)| format!("{} – {}", day(from), day(to)))
            .unwrap_or_default()
    }
}

async fn detail(
    page: Page,
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
) -> Result<Html<DetailPage>> {
    let detail = find(&app, &reader.tenant, &id).await?;
    let may_pay = reader.role.manages_billing() && detail.invoice.is_payable();
    Ok(Html(DetailPage { detail, may_pay, page }))
}

async fn pdf(
    page: Page,
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    _: Form<Nothing>,
) -> Result<Redirect> {
    send_to(&page, &app, &reader.tenant, &id, |fresh| fresh.invoice_pdf).await
}

async fn hosted(
    page: Page,
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    _: Form<Nothing>,
) -> Result<Redirect> {
    send_to(&page, &app, &reader.tenant, &id, |fresh| fresh.hosted_invoice_url).await
}

async fn pay(
    page: Page,
    State(app): State<App>,
    manager: Administrator,
    Path(id): Path<String>,
    _: Form<Nothing>,
) -> Result<Redirect> {
    send_to(&page, &app, &manager.tenant, &id, |fresh| fresh.hosted_invoice_url).await
}

/// Asks Stripe for the link as it is now and sends the browser there.
async fn send_to(
    page: &Page,
    app: &App,
    tenant: &Tenant,
    id: &str,
    link: impl FnOnce(snapshot::Invoice) -> Option<String>,
) -> Result<Redirect> {
    let to = link_of(app, tenant, id, link, Budget::page()).await?;
    redirect_out(&to, page.site())
}

async fn export(
    page: Page,
    State(app): State<App>,
    reader: Reader,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let asked = Asked { after: String::new(), ..asked };
    let mut filter = asked.filter(&page).map_err(Error::Invalid)?;
    let mut csv = Csv::new(&COLUMNS);
    let mut tx = app.db.read().await?;
    for _ in 0..EXPORT_MOST.div_ceil(usize::try_from(EXPORT_STEP).unwrap_or(1)) {
        let invoices = store::list(&mut tx, reader.tenant.id.as_str(), &filter, EXPORT_STEP).await?;
        for invoice in &invoices {
            row(&mut csv, &page, invoice);
        }
        match invoices.last() {
            Some(last) => filter.after = Some(last.cursor()),
            None => break,
        }
    }
    Ok(csv.file("invoices"))
}

/// The columns of the accountant's file. Programs read them: they are the same in every language.
const COLUMNS: [&str; 18] = [
    "number",
    "id",
    "status",
    "created",
    "period_start",
    "period_end",
    "due",
    "paid_on",
    "currency",
    "subtotal",
    "discount",
    "tax",
    "total",
    "balance_applied",
    "amount_due",
    "amount_paid",
    "amount_remaining",
    "amount_refunded",
];

fn row(csv: &mut Csv, page: &Page, invoice: &Invoice) {
    let zone = page.time_zone();
    let day = |at: jiff::Timestamp| at.to_zoned(zone.clone()).date().to_string();
    csv.text(invoice.number.as_deref().unwrap_or_default())
        .text(invoice.id.as_str())
        .text(invoice.status.as_str());
    csv.text(&day(invoice.created_at)).text(&day(invoice.period.0)).text(&day(invoice.period.1));
    csv.text(&invoice.due_at.map(day).unwrap_or_default())
        .text(&invoice.paid_at.map(day).unwrap_or_default());
    csv.text(&invoice.currency.code().to_ascii_uppercase());
    let amounts = [
        invoice.subtotal,
        invoice.discount,
        invoice.tax,
        invoice.total,
        invoice.starting_balance,
        invoice.due,
        invoice.paid,
        invoice.remaining,
        invoice.refunded,
    ];
    for minor in amounts {
        csv.money(invoice.money(minor));
    }
    csv.end_row();
}
