//! `/invoices`: the list, one invoice, and its PDF.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    Cursor, Detail, Invoice as Row, Line as RowLine, Outcome, Payment as RowPayment, Word, act, span, store,
};
use crate::api::fields::{day, integer, one_of, parsed};
use crate::api::view::told;
use crate::api::{Fields, Input, Query, TenantReader};
use crate::app::App;
use crate::clock::from_seconds;
use crate::error::{Error, Result};
use crate::stripe::Budget;
use crate::web::Site;

/// Invoices of a page where no number is asked for.
const LIMIT: i64 = 20;
/// Most invoices of a page.
const MOST: i64 = 100;
/// The furthest place in the list that is reached by counting; beyond it, by cursor.
const FURTHEST: i64 = 1_000_000;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(one)).routes(routes!(download))
}

/// Which invoices.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the description of the query")]
struct InvoiceQuery {
    /// Invoices of the page.
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// Invoices to leave out first.
    #[param(required = false, minimum = 0, maximum = 1000000, default = 0)]
    offset: Option<i64>,
    /// Instead of `offset`: the `next_cursor` of the page before. Finds every invoice once, however many come meanwhile.
    #[param(required = false, example = "1795237200.in_1PqLk2eZvKYlo2C8")]
    cursor: Option<String>,
    /// Only these.
    #[param(required = false, inline)]
    status: Option<InvoiceStatus>,
    /// Made on this day or later, by the tenant's time zone.
    #[param(required = false, format = Date, example = "2026-11-01")]
    from_date: Option<String>,
    /// Made on this day or earlier.
    #[param(required = false, format = Date, example = "2026-11-30")]
    to_date: Option<String>,
}

/// Where an invoice stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum InvoiceStatus {
    /// To be paid.
    Pending,
    /// Paid.
    Paid,
    /// A payment failed, or it was given up.
    Failed,
    /// Paid, and all of it went back.
    Refunded,
    /// Taken back.
    Canceled,
}

impl From<Word> for InvoiceStatus {
    fn from(word: Word) -> Self {
        match word {
            Word::Pending => Self::Pending,
            Word::Paid => Self::Paid,
            Word::Failed => Self::Failed,
            Word::Refunded => Self::Refunded,
            Word::Canceled => Self::Canceled,
        }
    }
}

struct Asked {
    limit: i64,
    offset: i64,
    cursor: Option<Cursor>,
    status: Option<Word>,
    from: Option<Date>,
    to: Option<Date>,
}

impl Input for Asked {
    fn read(fields: &mut Fields) -> Option<Self> {
        let limit = fields.or("limit", LIMIT, integer(1, MOST));
        let offset = fields.optional("offset", integer(0, FURTHEST));
        let cursor = fields.optional("cursor", parsed::<Cursor>("api-field-cursor"));
        let status = fields.optional("status", one_of(&Word::ALL.map(|word| (word.as_str(), word))));
        let from = fields.optional("from_date", day);
        let to = fields.optional("to_date", day);
        if offset.flatten().is_some() && matches!(cursor, Some(Some(_))) {
            fields.refuse_with("cursor", "invoices-offset-or-cursor");
        }
        if from.flatten().zip(to.flatten()).is_some_and(|(from, to)| from > to) {
            fields.refuse_with("to_date", "api-field-span");
        }
        let (offset, cursor, from, to) = (offset?, cursor?, from?, to?);
        Some(Self { limit: limit?, offset: offset.unwrap_or(0), cursor, status: status?, from, to })
    }
}

/// A page of invoices, the newest first.
#[derive(Debug, Serialize, ToSchema)]
struct Invoices {
    data: Vec<Invoice>,
    pagination: Pagination,
}

/// Where the page is in the list.
#[derive(Debug, Serialize, ToSchema)]
struct Pagination {
    /// How many match in all; null for a page by cursor.
    #[schema(example = 45)]
    total: Option<i64>,
    #[schema(example = 20)]
    limit: i64,
    /// Null for a page by cursor.
    #[schema(example = 0)]
    offset: Option<i64>,
    /// Whether more follow.
    has_more: bool,
    /// The `cursor` of the next page; null on the last.
    next_cursor: Option<String>,
}

/// An invoice. Amounts are minor units of `currency`; drafts are not shown.
#[derive(Debug, Serialize, ToSchema)]
struct Invoice {
    /// Stripe's invoice.
    #[schema(example = "in_1PqLk2eZvKYlo2C8")]
    id: String,
    /// The number on paper.
    #[schema(example = "A1B2C3D4-0007")]
    number: Option<String>,
    status: InvoiceStatus,
    /// After discounts and taxes.
    #[schema(example = 11979)]
    amount_total: i64,
    /// What was to be paid, after the customer's balance.
    amount_due: i64,
    amount_paid: i64,
    /// What is still to be paid.
    amount_remaining: i64,
    /// What went back.
    amount_refunded: i64,
    #[schema(example = "eur")]
    currency: String,
    #[schema(value_type = String, format = DateTime)]
    period_start: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    period_end: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    due_date: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    paid_at: Option<Timestamp>,
    /// Where a person looks at it and pays it: the portal's page, which leads on to Stripe's. Stripe's own links run out.
    #[schema(example = "https://billing.example.com/invoices/in_1PqLk2eZvKYlo2C8")]
    hosted_invoice_url: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl Invoice {
    fn new(row: &Row, site: &Site) -> Self {
        Self {
            id: row.id.as_str().to_owned(),
            number: row.number.clone(),
            status: row.word().into(),
            amount_total: row.total,
            amount_due: row.due,
            amount_paid: row.paid,
            amount_remaining: row.remaining,
            amount_refunded: row.refunded,
            currency: row.currency.code().to_owned(),
            period_start: row.period.0,
            period_end: row.period.1,
            due_date: row.due_at,
            paid_at: row.paid_at,
            hosted_invoice_url: site.link(&format!("/invoices/{}", row.id.as_str())),
            created_at: row.created_at,
        }
    }
}

/// List the invoices, the newest first.
#[utoipa::path(
    get, path = "/invoices", tag = "invoices", operation_id = "list_invoices", params(InvoiceQuery),
    security(("key" = ["billing:read"]), ("token" = ["owner", "admin", "supervisor"])),
    responses((status = 200, description = "A page of them.", body = Invoices))
)]
async fn list(
    State(app): State<App>,
    reader: TenantReader,
    Query(asked): Query<Asked>,
) -> Result<axum::Json<Invoices>> {
    let tenant = reader.tenant.id.as_str();
    let span = span(asked.from, asked.to, &reader.tenant.time_zone);
    let wanted = store::Wanted { word: asked.status, span, after: asked.cursor.as_ref() };
    let mut tx = app.db.read().await?;
    let mut rows = store::page(&mut tx, tenant, &wanted, asked.limit + 1, asked.offset).await?;
    let by_count = asked.cursor.is_none();
    let total = if by_count { Some(store::count(&mut tx, tenant, &wanted).await?) } else { None };
    drop(tx);

    let most = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > most;
    rows.truncate(most);
    let next_cursor = rows.last().filter(|_| has_more).map(|last| last.cursor().text());
    let pagination = Pagination {
        total,
        limit: asked.limit,
        offset: by_count.then_some(asked.offset),
        has_more,
        next_cursor,
    };
    let data = rows.iter().map(|row| Invoice::new(row, &app.config.site)).collect();
    Ok(axum::Json(Invoices { data, pagination }))
}

/// An invoice with everything on it.
#[derive(Debug, Serialize, ToSchema)]
struct WholeInvoice {
    #[serde(flatten)]
    invoice: Invoice,
    /// Before discounts and taxes.
    subtotal: i64,
    /// What was taken off.
    discount: i64,
    /// All taxes together.
    tax: i64,
    taxes: Vec<Tax>,
    /// What the customer's balance changed of it: credit is negative.
    balance_applied: i64,
    lines: Vec<Line>,
    payments: Vec<Payment>,
    refunds: Vec<Refund>,
    /// How often a payment was tried.
    attempts: i64,
    /// When Stripe tries again by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
}

/// A line of an invoice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceLine)]
struct Line {
    #[schema(example = "1 × Professional (at €99.00 / month)")]
    description: Option<String>,
    #[schema(example = 9900)]
    amount: i64,
    quantity: Option<i64>,
    #[schema(value_type = Option<String>, format = DateTime)]
    period_start: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    period_end: Option<Timestamp>,
    /// Whether it settles a change within a period.
    proration: bool,
}

/// A tax on an invoice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceTax)]
struct Tax {
    #[schema(example = 2079)]
    amount: i64,
    /// Whether it is contained in the prices.
    inclusive: bool,
}

/// A payment, or the try of one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoicePayment)]
struct Payment {
    /// Stripe's charge.
    id: String,
    amount: i64,
    #[schema(example = "eur")]
    currency: String,
    /// `succeeded`, `disputed`, `pending` or `failed`.
    #[schema(example = "succeeded")]
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Money that went back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceRefund)]
struct Refund {
    /// The charge that it was taken from.
    payment_id: String,
    amount: i64,
    #[schema(example = "eur")]
    currency: String,
    /// When money of this payment first went back.
    #[schema(value_type = Option<String>, format = DateTime)]
    refunded_at: Option<Timestamp>,
}

impl From<&RowLine> for Line {
    fn from(line: &RowLine) -> Self {
        Self {
            description: line.description.clone(),
            amount: line.amount,
            quantity: line.quantity,
            period_start: line.period_start.map(from_seconds),
            period_end: line.period_end.map(from_seconds),
            proration: line.proration,
        }
    }
}

impl From<&RowPayment> for Payment {
    fn from(payment: &RowPayment) -> Self {
        Self {
            id: payment.id.clone(),
            amount: payment.amount.minor,
            currency: payment.amount.currency.code().to_owned(),
            status: match payment.outcome {
                Outcome::Succeeded => "succeeded",
                Outcome::Disputed => "disputed",
                Outcome::Pending => "pending",
                Outcome::Failed => "failed",
            },
            created_at: payment.at,
        }
    }
}

impl WholeInvoice {
    fn new(detail: &Detail, site: &Site) -> Self {
        let row = &detail.invoice;
        let refunded = detail.payments.iter().filter(|payment| !payment.refunded.is_zero());
        Self {
            invoice: Invoice::new(row, site),
            subtotal: row.subtotal,
            discount: row.discount,
            tax: row.tax,
            taxes: detail
                .taxes
                .iter()
                .map(|tax| Tax { amount: tax.amount, inclusive: tax.inclusive })
                .collect(),
            balance_applied: row.starting_balance,
            lines: detail.lines.iter().map(Line::from).collect(),
            payments: detail.payments.iter().map(Payment::from).collect(),
            refunds: refunded
                .map(|payment| Refund {
                    payment_id: payment.id.clone(),
                    amount: payment.refunded.minor,
                    currency: payment.refunded.currency.code().to_owned(),
                    refunded_at: payment.refunded_at,
                })
                .collect(),
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at,
        }
    }
}

/// Show an invoice with its lines, taxes, payments and refunds.
#[utoipa::path(
    get, path = "/invoices/{id}", tag = "invoices", operation_id = "get_invoice",
    params(("id" = String, Path, description = "Stripe's invoice.")),
    security(("key" = ["billing:read"]), ("token" = ["owner", "admin", "supervisor"])),
    responses((status = 200, description = "The invoice.", body = WholeInvoice))
)]
async fn one(
    State(app): State<App>,
    reader: TenantReader,
    Path(id): Path<String>,
) -> Result<axum::Json<WholeInvoice>> {
    let detail = act::find(&app, &reader.tenant, &id).await?;
    Ok(axum::Json(WholeInvoice::new(&detail, &app.config.site)))
}

/// A file to fetch.
#[derive(Debug, Serialize, ToSchema)]
struct Document {
    /// Stripe's link to the PDF, fresh: it runs out.
    #[schema(example = "https://pay.stripe.com/invoice/acct_1/test_YWNjdF8x/pdf")]
    url: String,
}

/// Fetch the PDF of an invoice.
///
/// Answers with the link itself where the call has `Accept: application/json`, and otherwise leads there. Stripe is asked for a
/// fresh link each time.
#[utoipa::path(
    post, path = "/invoices/{id}/download", tag = "invoices", operation_id = "download_invoice",
    params(("id" = String, Path, description = "Stripe's invoice.")),
    security(("key" = ["billing:read"]), ("token" = ["owner", "admin", "supervisor"])),
    responses(
        (status = 200, description = "With `Accept: application/json`: the link.", body = Document),
        (status = 303, description = "The PDF is there.", headers(("Location" = String, description = "Stripe's link to it."))),
    )
)]
async fn download(
    State(app): State<App>,
    reader: TenantReader,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let pdf = |fresh: crate::stripe::snapshot::Invoice| fresh.invoice_pdf;
    let url = act::link_of(&app, &reader.tenant, &id, pdf, Budget::page()).await.map_err(told)?;
    if wants_json(&headers) {
        return Ok(axum::Json(Document { url }).into_response());
    }
    let location = http::HeaderValue::from_str(&url).map_err(Error::internal)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

fn wants_json(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| {
        let mut kinds = value.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
        kinds.any(|kind| kind.eq_ignore_ascii_case("application/json"))
    })
}
