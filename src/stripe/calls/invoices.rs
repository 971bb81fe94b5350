//! Invoices, previews of them, and how they were paid.

use stripe_billing::invoice::{
    CreatePreviewInvoice, CreatePreviewInvoiceAutomaticTax, CreatePreviewInvoiceDiscounts,
    CreatePreviewInvoiceSubscriptionDetails, CreatePreviewInvoiceSubscriptionDetailsBillingCycleAnchor,
    CreatePreviewInvoiceSubscriptionDetailsBillingCycleAnchorType,
    CreatePreviewInvoiceSubscriptionDetailsItems,
    CreatePreviewInvoiceSubscriptionDetailsProrationBehavior as PreviewProration, ListInvoice,
    RetrieveInvoice,
};
use stripe_billing::invoice_payment::ListInvoicePayment;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest as _};

use super::subscriptions::{ItemChange, Proration, SubscriptionChange};
use super::{all, get, page, post};
use crate::stripe::snapshot::{Invoice, InvoicePayment, Line, List};
use crate::stripe::{
    Budget, CustomerId, Error, Fetched, InvoiceId, Key, PriceId, Result, Stripe, SubscriptionId,
};

/// All invoices of a customer with how they were paid, newest first.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn of_customer(
    stripe: &Stripe,
    customer: &CustomerId,
    budget: Budget,
) -> Result<Fetched<Vec<Invoice>>> {
    let request = || ListInvoice::new().customer(customer.as_str()).expand(vec!["data.payments".to_owned()]);
    all(
        stripe,
        budget,
        |invoice: &Invoice| invoice.id.as_ref().map_or("", InvoiceId::as_str),
        |after| page!(request(), after),
    )
    .await
}

/// A page of all invoices, newest first, beginning after `after`. Each carries its first ten lines.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn listed(stripe: &Stripe, after: Option<&str>, budget: Budget) -> Result<Fetched<List<Invoice>>> {
    stripe.call(page!(ListInvoice::new(), after), None, budget).await
}

/// One invoice with how it was paid. Its links are fresh.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn get_one(stripe: &Stripe, id: &InvoiceId, budget: Budget) -> Result<Fetched<Invoice>> {
    get(stripe, RetrieveInvoice::new(id.as_str()).expand(vec!["payments".to_owned()]), budget).await
}

/// All lines of an invoice. An invoice carries its first ten.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn lines(stripe: &Stripe, id: &InvoiceId, budget: Budget) -> Result<Fetched<Vec<Line>>> {
    let page = |after: Option<&str>| {
        let after = after.map(|after| format!("&starting_after={after}")).unwrap_or_default();
        let mut request = RequestBuilder::new(StripeMethod::Get, format!("/invoices/{id}/lines"));
        request.query = Some(format!("limit={}{after}", super::PAGE));
        request
    };
    all(stripe, budget, |line: &Line| line.id.as_str(), page).await
}

/// How an invoice was paid.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn payments(
    stripe: &Stripe,
    id: &InvoiceId,
    budget: Budget,
) -> Result<Fetched<Vec<InvoicePayment>>> {
    let request = || ListInvoicePayment::new().invoice(id.as_str());
    all(stripe, budget, |payment: &InvoicePayment| payment.id.as_str(), |after| page!(request(), after)).await
}

/// The next invoice of a subscription as it stands; none where there will be none.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn next(
    stripe: &Stripe,
    customer: &CustomerId,
    subscription: &SubscriptionId,
    budget: Budget,
) -> Result<Option<Fetched<Invoice>>> {
    let request = CreatePreviewInvoice::new().customer(customer.as_str()).subscription(subscription.as_str());
    if_one_follows(post(stripe, request, &Key::random(), budget).await)
}

/// A preview; none where Stripe says that no invoice will follow.
fn if_one_follows<T>(asked: Result<T>) -> Result<Option<T>> {
    match asked {
        Ok(invoice) => Ok(Some(invoice)),
        Err(Error::Refused(refusal)) if refusal.code.as_deref() == Some("invoice_upcoming_none") => Ok(None),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the first invoice of a new subscription to these prices would be: what a whole period costs, taxes and these discounts
/// of another subscription included.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn preview_new(
    stripe: &Stripe,
    customer: &CustomerId,
    prices: &[(PriceId, Option<u64>)],
    discounts: &[&str],
    automatic_tax: bool,
    budget: Budget,
) -> Result<Fetched<Invoice>> {
    let items = prices.iter().map(|(price, quantity)| {
        let mut item = CreatePreviewInvoiceSubscriptionDetailsItems::new();
        item.price = Some(price.to_string());
        item.quantity = *quantity;
        item
    });
    let mut details = CreatePreviewInvoiceSubscriptionDetails::new();
    details.items = Some(items.collect());
    let discounts = discounts.iter().map(|id| {
        let mut made = CreatePreviewInvoiceDiscounts::new();
        made.discount = Some((*id).to_owned());
        made
    });
    let discounts: Vec<_> = discounts.collect();
    let mut request = CreatePreviewInvoice::new()
        .customer(customer.as_str())
        .automatic_tax(CreatePreviewInvoiceAutomaticTax::new(automatic_tax))
        .subscription_details(details);
    if !discounts.is_empty() {
        request = request.discounts(discounts);
    }
    post(stripe, request, &Key::random(), budget).await
}

/// What a change would cost, as of its `proration_date`, or the renewal after it where it costs nothing at once; none where no
/// invoice follows.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn preview_change(
    stripe: &Stripe,
    customer: &CustomerId,
    subscription: &SubscriptionId,
    change: &SubscriptionChange,
    budget: Budget,
) -> Result<Option<Invoice>> {
    let request = change_request(customer, subscription, change);
    preview(stripe, request, budget).await
}

async fn preview(stripe: &Stripe, request: RequestBuilder, budget: Budget) -> Result<Option<Invoice>> {
    let asked = stripe.call::<Invoice>(request, Some(&Key::random()), budget).await;
    Ok(if_one_follows(asked)?.map(|invoice| invoice.value))
}

/// The same, supposing that the subscription had these discounts of its own alone: some are used up by an invoice before.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn preview_change_with(
    stripe: &Stripe,
    customer: &CustomerId,
    subscription: &SubscriptionId,
    change: &SubscriptionChange,
    discounts: &[&str],
    budget: Budget,
) -> Result<Option<Invoice>> {
    let mut request = change_request(customer, subscription, change);
    request.body = request.body.map(|form| form + &discount_fields(discounts));
    preview(stripe, request, budget).await
}

/// More of a form: the typed builders leave an empty list out, but to Stripe an empty text says "none", and nothing says "as they
/// are".
fn discount_fields(discounts: &[&str]) -> String {
    if discounts.is_empty() {
        return "&discounts=".to_owned();
    }
    discounts.iter().enumerate().map(|(place, id)| format!("&discounts[{place}][discount]={id}")).collect()
}

fn change_request(
    customer: &CustomerId,
    subscription: &SubscriptionId,
    change: &SubscriptionChange,
) -> RequestBuilder {
    let mut details = CreatePreviewInvoiceSubscriptionDetails::new();
    details.items = Some(change.items.iter().map(item).collect());
    details.proration_date = change.proration_date;
    details.proration_behavior = Some(match change.proration {
        Proration::AlwaysInvoice => PreviewProration::AlwaysInvoice,
        Proration::CreateProrations => PreviewProration::CreateProrations,
        Proration::None => PreviewProration::None,
    });
    if change.starts_period {
        let now = CreatePreviewInvoiceSubscriptionDetailsBillingCycleAnchorType::Now;
        details.billing_cycle_anchor =
            Some(CreatePreviewInvoiceSubscriptionDetailsBillingCycleAnchor::new(now));
    }
    let request = CreatePreviewInvoice::new()
        .customer(customer.as_str())
        .subscription(subscription.as_str())
        .subscription_details(details);
    request.build()
}

fn item(change: &ItemChange) -> CreatePreviewInvoiceSubscriptionDetailsItems {
    let mut item = CreatePreviewInvoiceSubscriptionDetailsItems::new();
    item.id = change.id.as_ref().map(ToString::to_string);
    item.price = change.price.as_ref().map(ToString::to_string);
    item.quantity = change.quantity;
    item.deleted = change.deleted.then_some(true);
    item
}
