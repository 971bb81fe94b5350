//! What the sandbox answers, read by the typed structs that are generated for this version of Stripe's API.

use bytes::Bytes;
use stripe_billing::subscription::{
    CreateSubscription, CreateSubscriptionItems, ListSubscription, RetrieveSubscription,
};
use stripe_client_core::{
    CustomizedStripeRequest, StripeClient, StripeClientErr, StripeMethod, StripeRequest as _,
};
use stripe_core::customer::{CreateCustomer, RetrieveCustomer, RetrieveCustomerReturned};
use stripe_core::event::ListEvent;

use super::client::{Account, DAY, text};

/// Sends async-stripe's requests to the sandbox.
struct Typed<'a>(&'a Account);

/// Why a request failed, for the panic's message.
struct Failed(String);

impl std::fmt::Debug for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl StripeClientErr for Failed {
    fn deserialize_err(message: impl std::fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl StripeClient for Typed<'_> {
    type Err = Failed;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, Failed> {
        let (request, _) = request.into_pieces();
        let method = match request.method {
            StripeMethod::Get => "GET",
            StripeMethod::Post => "POST",
            StripeMethod::Delete => "DELETE",
        };
        let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("/v1{}{query}", request.path);
        let answer = self.0.ask(method, &path, &request.body.unwrap_or_default()).await;
        if answer.status == 200 {
            Ok(Bytes::from(answer.body.to_string()))
        } else {
            Err(Failed(answer.body.to_string()))
        }
    }
}

#[tokio::test]
async fn customers_subscriptions_and_invoices_are_read_with_everything_expanded() {
    let account = Account::open().await;
    let client = Typed(&account);
    let made =
        CreateCustomer::new().name("Acme").email("a@example.com").customize().send(&client).await.unwrap();
    account.card(made.id.as_str(), "pm_card_visa").await;
    let price = account.price("Plan", 2900, "month").await;
    let item =
        CreateSubscriptionItems { price: Some(price), quantity: Some(2), ..CreateSubscriptionItems::new() };
    let request = CreateSubscription::new()
        .customer(made.id.as_str())
        .items(vec![item])
        .expand(vec!["latest_invoice.payments".to_owned(), "customer".to_owned()]);
    let subscription = request.customize().send(&client).await.unwrap();
    assert_eq!(subscription.status, stripe_shared::SubscriptionStatus::Active);
    let invoice = subscription.latest_invoice.as_ref().and_then(|invoice| invoice.as_object()).unwrap();
    assert_eq!((invoice.total, invoice.amount_paid), (5800, 5800));
    assert_eq!(invoice.payments.as_ref().unwrap().data.len(), 1);

    let request = RetrieveSubscription::new(subscription.id.clone())
        .expand(vec!["items.data.price.product".to_owned(), "default_payment_method".to_owned()]);
    let again = request.customize().send(&client).await.unwrap();
    assert_eq!(again.items.data[0].quantity, Some(2));
    let listed = ListSubscription::new().customer(made.id.as_str()).customize().send(&client).await.unwrap();
    assert_eq!(listed.data.len(), 1);

    let shown = RetrieveCustomer::new(made.id.clone()).customize().send(&client).await.unwrap();
    assert!(
        matches!(shown, RetrieveCustomerReturned::Customer(customer) if customer.name.as_deref() == Some("Acme"))
    );
    account.delete(&format!("/v1/customers/{}", made.id)).await;
    let gone = RetrieveCustomer::new(made.id).customize().send(&client).await.unwrap();
    assert!(matches!(gone, RetrieveCustomerReturned::DeletedCustomer(_)));
}

#[tokio::test]
async fn every_object_and_every_event_of_a_long_life_is_readable() {
    let account = Account::open().await;
    let client = Typed(&account);
    let (small, large) =
        (account.price("Small", 1000, "month").await, account.price("Large", 5000, "month").await);
    account.post("/v1/coupons", "id=HALF&percent_off=50&duration=once").await;
    account.post("/v1/promotion_codes", "promotion[type]=coupon&promotion[coupon]=HALF&code=HALF").await;
    let customer = account.customer("pm_card_createDispute").await;
    account.post(&format!("/v1/customers/{customer}/tax_ids"), "type=eu_vat&value=DE123456789").await;
    let sub = account.subscribe(&customer, &small, "&discounts[0][coupon]=HALF&trial_period_days=5").await;
    account.pass(40 * DAY).await;
    let change = format!("items[0][id]={}&items[0][price]={large}", text(&sub, "/items/data/0/id"));
    account.post(&format!("/v1/subscriptions/{}", text(&sub, "/id")), &change).await;
    let charge = text(&account.get("/v1/charges").await, "/data/0/id");
    account.post("/v1/refunds", &format!("charge={charge}")).await;
    let schedule = format!("from_subscription={}", text(&sub, "/id"));
    account.post("/v1/subscription_schedules", &schedule).await;
    let form = format!(
        "mode=subscription&customer={customer}&line_items[0][price]={small}&line_items[0][quantity]=1&success_url=http://x"
    );
    account.post("/v1/checkout/sessions", &form).await;
    account.post("/v1/billing_portal/sessions", &format!("customer={customer}")).await;

    let events = ListEvent::new().limit(100).customize().send(&client).await.unwrap();
    assert!(events.data.len() > 30);
    stripe_billing::invoice::ListInvoice::new().customize().send(&client).await.unwrap();
    stripe_billing::invoice_payment::ListInvoicePayment::new().customize().send(&client).await.unwrap();
    stripe_billing::subscription_schedule::ListSubscriptionSchedule::new()
        .customize()
        .send(&client)
        .await
        .unwrap();
    stripe_billing::billing_portal_configuration::ListBillingPortalConfiguration::new()
        .customize()
        .send(&client)
        .await
        .unwrap();
    stripe_checkout::checkout_session::ListCheckoutSession::new().customize().send(&client).await.unwrap();
    stripe_core::charge::ListCharge::new().customize().send(&client).await.unwrap();
    stripe_core::refund::ListRefund::new().customize().send(&client).await.unwrap();
    stripe_core::dispute::ListDispute::new().customize().send(&client).await.unwrap();
    stripe_product::product::ListProduct::new().customize().send(&client).await.unwrap();
    stripe_product::price::ListPrice::new().customize().send(&client).await.unwrap();
    stripe_product::coupon::ListCoupon::new().customize().send(&client).await.unwrap();
    stripe_product::promotion_code::ListPromotionCode::new().customize().send(&client).await.unwrap();
    let form = format!("subscription={}", text(&sub, "/id"));
    let preview = account.post("/v1/invoices/create_preview", &form).await;
    assert!(text(&preview, "/id").starts_with("upcoming_in_"));
}
