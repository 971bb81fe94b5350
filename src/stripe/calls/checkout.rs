//! Sessions of Stripe Checkout.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAutomaticTax, CreateCheckoutSessionCustomerUpdate,
    CreateCheckoutSessionCustomerUpdateAddress, CreateCheckoutSessionCustomerUpdateName,
    CreateCheckoutSessionDiscounts, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionPaymentMethodCollection, CreateCheckoutSessionSubscriptionData,
    CreateCheckoutSessionSubscriptionDataTrialSettings,
    CreateCheckoutSessionSubscriptionDataTrialSettingsEndBehavior,
    CreateCheckoutSessionSubscriptionDataTrialSettingsEndBehaviorMissingPaymentMethod as MissingPaymentMethod,
    CreateCheckoutSessionTaxIdCollection, ExpireCheckoutSession, ListCheckoutSession,
    RetrieveCheckoutSession,
};
use stripe_shared::{
    CheckoutSessionBillingAddressCollection, CheckoutSessionLocale, CheckoutSessionMode,
    CheckoutSessionStatus,
};

use super::{all, get, page, post};
use crate::money::Currency;
use crate::stripe::snapshot::CheckoutSession;
use crate::stripe::{
    Budget, CheckoutSessionId, CouponId, CustomerId, Fetched, Key, PriceId, PromotionCodeId, Result, Stripe,
};

/// The key of a subscription's metadata under which the row's id stands that started its session.
pub const REFERENCE: &str = "checkout";

/// All that is asked of Stripe Checkout. Stored before the first try, so that a retry asks the same under the same key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCheckout {
    /// Who pays.
    pub customer: CustomerId,
    /// Goes into the metadata of session and subscription.
    pub tenant_id: String,
    /// Ours: the id of the row that started it.
    pub reference: String,
    /// What is bought.
    pub lines: Vec<CheckoutLine>,
    /// Which of a price's currencies; none: the main one.
    pub currency: Option<Currency>,
    /// Days of trial; none: pays now.
    pub trial_days: Option<u32>,
    /// What is taken off.
    pub discount: CheckoutDiscount,
    /// Whether Stripe reckons the taxes.
    pub automatic_tax: bool,
    /// The language of the page, such as `es`.
    pub locale: String,
    /// Where the browser goes when it is done; Stripe puts the session's id for `{CHECKOUT_SESSION_ID}`.
    pub success_url: String,
    /// Where it goes when the customer turns back.
    pub cancel_url: String,
    /// Unix seconds, between 30 minutes and 24 hours ahead.
    pub expires_at: i64,
}

/// Something that is bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutLine {
    /// What it costs.
    pub price: PriceId,
    /// How many; none where use is metered.
    pub quantity: Option<u64>,
}

/// What is taken off. Stripe takes one discount or a field for codes, not both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckoutDiscount {
    /// The customer may type a code on Stripe's page.
    #[default]
    AskForCode,
    /// A coupon.
    Coupon(CouponId),
    /// A promotion code.
    PromotionCode(PromotionCodeId),
}

/// Makes a session.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn create(
    stripe: &Stripe,
    new: &NewCheckout,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<CheckoutSession>> {
    post(stripe, request(new), key, budget).await
}

fn request(new: &NewCheckout) -> CreateCheckoutSession {
    let tenant = HashMap::from([("tenant_id".to_owned(), new.tenant_id.clone())]);
    let mut update = CreateCheckoutSessionCustomerUpdate::new();
    update.address = Some(CreateCheckoutSessionCustomerUpdateAddress::Auto);
    update.name = Some(CreateCheckoutSessionCustomerUpdateName::Auto);
    let request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Subscription)
        .customer(new.customer.as_str())
        .client_reference_id(new.reference.as_str())
        .line_items(new.lines.iter().map(line).collect::<Vec<_>>())
        .subscription_data(subscription(new, tenant.clone()))
        .metadata(tenant)
        .billing_address_collection(CheckoutSessionBillingAddressCollection::Required)
        .customer_update(update)
        .tax_id_collection(CreateCheckoutSessionTaxIdCollection::new(true))
        .automatic_tax(CreateCheckoutSessionAutomaticTax::new(new.automatic_tax))
        .payment_method_collection(CreateCheckoutSessionPaymentMethodCollection::Always)
        .locale(match new.locale.parse::<CheckoutSessionLocale>() {
            Ok(locale) => locale,
            Err(never) => match never {},
        })
        .success_url(new.success_url.as_str())
        .cancel_url(new.cancel_url.as_str())
        .expires_at(new.expires_at);
    let request = match new.currency.map(|currency| currency.code().parse::<stripe_types::Currency>()) {
        Some(Ok(currency)) => request.currency(currency),
        Some(Err(never)) => match never {},
        None => request,
    };
    let mut discount = CreateCheckoutSessionDiscounts::new();
    match &new.discount {
        CheckoutDiscount::AskForCode => return request.allow_promotion_codes(true),
        CheckoutDiscount::Coupon(id) => discount.coupon = Some(id.to_string()),
        CheckoutDiscount::PromotionCode(id) => discount.promotion_code = Some(id.to_string()),
    }
    request.discounts(vec![discount])
}

fn line(line: &CheckoutLine) -> CreateCheckoutSessionLineItems {
    let mut item = CreateCheckoutSessionLineItems::new();
    item.price = Some(line.price.to_string());
    item.quantity = line.quantity;
    item
}

fn subscription(
    new: &NewCheckout,
    mut metadata: HashMap<String, String>,
) -> CreateCheckoutSessionSubscriptionData {
    let mut data = CreateCheckoutSessionSubscriptionData::new();
    metadata.insert(REFERENCE.to_owned(), new.reference.clone());
    data.metadata = Some(metadata);
    if let Some(days) = new.trial_days.filter(|days| *days > 0) {
        let end =
            CreateCheckoutSessionSubscriptionDataTrialSettingsEndBehavior::new(MissingPaymentMethod::Cancel);
        data.trial_period_days = Some(days);
        data.trial_settings = Some(CreateCheckoutSessionSubscriptionDataTrialSettings::new(end));
    }
    data
}

/// One session, with its subscription whole.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn get_one(
    stripe: &Stripe,
    id: &CheckoutSessionId,
    budget: Budget,
) -> Result<Fetched<CheckoutSession>> {
    let expand = vec!["line_items".to_owned(), "subscription".to_owned()];
    get(stripe, RetrieveCheckoutSession::new(id.as_str()).expand(expand), budget).await
}

/// Ends a session, so that nobody can pay in it any more.
///
/// # Errors
/// See [`crate::stripe::Error`]; one that is complete is refused.
pub async fn expire(
    stripe: &Stripe,
    id: &CheckoutSessionId,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<CheckoutSession>> {
    post(stripe, ExpireCheckoutSession::new(id.as_str()), key, budget).await
}

/// The sessions of a customer in which somebody could still pay.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn open_of(
    stripe: &Stripe,
    customer: &CustomerId,
    budget: Budget,
) -> Result<Fetched<Vec<CheckoutSession>>> {
    let request =
        || ListCheckoutSession::new().customer(customer.as_str()).status(CheckoutSessionStatus::Open);
    all(stripe, budget, |session: &CheckoutSession| session.id.as_str(), |after| page!(request(), after))
        .await
}
