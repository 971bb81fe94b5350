//! Stripe's customer portal: visits, and what it allows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stripe_billing::billing_portal_configuration::{
    CreateBillingPortalConfiguration, CreateBillingPortalConfigurationBusinessProfile,
    CreateBillingPortalConfigurationFeatures, CreateBillingPortalConfigurationFeaturesCustomerUpdate,
    CreateBillingPortalConfigurationFeaturesCustomerUpdateAllowedUpdates as CustomerField,
    CreateBillingPortalConfigurationFeaturesSubscriptionCancel,
    CreateBillingPortalConfigurationFeaturesSubscriptionCancelCancellationReason as CancelReason,
    CreateBillingPortalConfigurationFeaturesSubscriptionCancelCancellationReasonOptions as CancelOption,
    CreateBillingPortalConfigurationFeaturesSubscriptionCancelMode as CancelMode,
    CreateBillingPortalConfigurationFeaturesSubscriptionUpdate,
    CreateBillingPortalConfigurationFeaturesSubscriptionUpdateDefaultAllowedUpdates as AllowedUpdate,
    CreateBillingPortalConfigurationFeaturesSubscriptionUpdateProrationBehavior as Proration,
    CreateBillingPortalConfigurationFeaturesSubscriptionUpdateScheduleAtPeriodEnd as AtPeriodEnd,
    CreateBillingPortalConfigurationFeaturesSubscriptionUpdateScheduleAtPeriodEndConditions as Condition,
    CreateBillingPortalConfigurationFeaturesSubscriptionUpdateScheduleAtPeriodEndConditionsType as ConditionType,
    InvoiceListParam, ListBillingPortalConfiguration, PaymentMethodUpdateParam,
    SubscriptionUpdateProductParam,
};
use stripe_billing::billing_portal_session::{
    CreateBillingPortalSession, CreateBillingPortalSessionFlowData,
    CreateBillingPortalSessionFlowDataAfterCompletion,
    CreateBillingPortalSessionFlowDataAfterCompletionRedirect,
    CreateBillingPortalSessionFlowDataAfterCompletionType,
    CreateBillingPortalSessionFlowDataSubscriptionCancel,
    CreateBillingPortalSessionFlowDataSubscriptionUpdate, CreateBillingPortalSessionFlowDataType,
};
use stripe_client_core::{RequestBuilder, StripeRequest as _};

use super::{all, page, post};
use crate::stripe::snapshot::{PortalConfiguration, PortalSession};
use crate::stripe::{
    Budget, CustomerId, Fetched, Key, PortalConfigurationId, PriceId, ProductId, Result, Stripe,
    SubscriptionId,
};

/// Where in Stripe's customer portal a visit begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// At its front page.
    Home,
    /// At the payment method.
    PaymentMethod,
    /// At ending a subscription.
    Cancel(SubscriptionId),
    /// At changing a subscription.
    Update(SubscriptionId),
}

/// A visit to Stripe's customer portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Whose.
    pub customer: CustomerId,
    /// Where it begins.
    pub flow: Flow,
    /// Where it comes back to.
    pub return_url: String,
    /// The language, such as `es`.
    pub locale: String,
    /// What it allows; none: the account's default.
    pub configuration: Option<PortalConfigurationId>,
}

/// Opens Stripe's customer portal. Each visit is a new one.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn visit(stripe: &Stripe, visit: &Visit, budget: Budget) -> Result<Fetched<PortalSession>> {
    let mut request = CreateBillingPortalSession::new()
        .customer(visit.customer.as_str())
        .return_url(visit.return_url.as_str());
    request = match visit.locale.parse::<stripe_billing::BillingPortalSessionLocale>() {
        Ok(locale) => request.locale(locale),
        Err(never) => match never {},
    };
    if let Some(configuration) = &visit.configuration {
        request = request.configuration(configuration.as_str());
    }
    if let Some(flow) = flow(visit) {
        request = request.flow_data(flow);
    }
    post(stripe, request, &Key::random(), budget).await
}

fn flow(visit: &Visit) -> Option<CreateBillingPortalSessionFlowData> {
    use CreateBillingPortalSessionFlowDataType as Type;
    let mut data = match &visit.flow {
        Flow::Home => return None,
        Flow::PaymentMethod => CreateBillingPortalSessionFlowData::new(Type::PaymentMethodUpdate),
        Flow::Cancel(id) => {
            let mut data = CreateBillingPortalSessionFlowData::new(Type::SubscriptionCancel);
            data.subscription_cancel =
                Some(CreateBillingPortalSessionFlowDataSubscriptionCancel::new(id.as_str()));
            data
        }
        Flow::Update(id) => {
            let mut data = CreateBillingPortalSessionFlowData::new(Type::SubscriptionUpdate);
            data.subscription_update =
                Some(CreateBillingPortalSessionFlowDataSubscriptionUpdate::new(id.as_str()));
            data
        }
    };
    let mut after = CreateBillingPortalSessionFlowDataAfterCompletion::new(
        CreateBillingPortalSessionFlowDataAfterCompletionType::Redirect,
    );
    after.redirect =
        Some(CreateBillingPortalSessionFlowDataAfterCompletionRedirect::new(visit.return_url.as_str()));
    data.after_completion = Some(after);
    Some(data)
}

/// What Stripe's customer portal is to allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConfiguration {
    /// Words at its top.
    pub headline: Option<String>,
    /// Where it comes back to, where a visit does not say; each of ours does.
    pub return_url: Option<String>,
    /// The products, with their prices, that a customer may change to, ten at most; none: changes are made in the portal of ours
    /// alone.
    pub products: Vec<(ProductId, Vec<PriceId>)>,
    /// By which `setup` finds it again.
    pub metadata: BTreeMap<String, String>,
}

/// What customers may change of their details.
const DETAILS: [&str; 4] = ["name", "email", "address", "tax_id"];

impl NewConfiguration {
    /// Whether a configuration allows just this. What Stripe did not tell is not held against it.
    pub fn is_like(&self, there: &PortalConfiguration) -> bool {
        let features = &there.features;
        let is_on = |feature: &str| features[feature]["enabled"] == true;
        let words = |value: &Value| -> BTreeSet<String> {
            value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|word| word.as_str().map(str::to_owned))
                .collect()
        };
        let update = &features["subscription_update"];
        let offered = update["products"].as_array().map(|products| {
            let one =
                |product: &Value| Some((product["product"].as_str()?.to_owned(), words(&product["prices"])));
            products.iter().filter_map(one).collect::<BTreeMap<_, _>>()
        });
        let wanted = self.products.iter().map(|(product, prices)| {
            (product.to_string(), prices.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
        });
        there.active
            && ["customer_update", "invoice_history", "payment_method_update", "subscription_cancel"]
                .iter()
                .all(|feature| is_on(feature))
            && words(&features["customer_update"]["allowed_updates"]) == DETAILS.map(str::to_owned).into()
            && features["subscription_cancel"]["mode"] == "at_period_end"
            && is_on("subscription_update") != self.products.is_empty()
            && offered.is_none_or(|offered| offered == wanted.collect())
    }
}

/// All configurations.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn configurations(stripe: &Stripe, budget: Budget) -> Result<Fetched<Vec<PortalConfiguration>>> {
    // What it offers to change to is left out unless asked for.
    let expand = || vec!["data.features.subscription_update.products".to_owned()];
    let page = |after: Option<&str>| page!(ListBillingPortalConfiguration::new().expand(expand()), after);
    all(stripe, budget, |configuration: &PortalConfiguration| configuration.id.as_str(), page).await
}

/// Makes a configuration.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn create_configuration(
    stripe: &Stripe,
    new: &NewConfiguration,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<PortalConfiguration>> {
    stripe.call(request(new), Some(key), budget).await
}

/// Makes a configuration what it is to be. An update takes the same parameters as the making.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn update_configuration(
    stripe: &Stripe,
    id: &PortalConfigurationId,
    new: &NewConfiguration,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<PortalConfiguration>> {
    let mut request = request(new);
    request.path = format!("{}/{id}", request.path);
    stripe.call(request, Some(key), budget).await
}

fn request(new: &NewConfiguration) -> RequestBuilder {
    let mut request =
        CreateBillingPortalConfiguration::new(features(new)).metadata(super::metadata(&new.metadata));
    if let Some(headline) = &new.headline {
        let mut profile = CreateBillingPortalConfigurationBusinessProfile::new();
        profile.headline = Some(headline.clone());
        request = request.business_profile(profile);
    }
    if let Some(url) = &new.return_url {
        request = request.default_return_url(url.as_str());
    }
    request.build()
}

fn features(new: &NewConfiguration) -> CreateBillingPortalConfigurationFeatures {
    let mut customer = CreateBillingPortalConfigurationFeaturesCustomerUpdate::new(true);
    customer.allowed_updates =
        Some(vec![CustomerField::Name, CustomerField::Email, CustomerField::Address, CustomerField::TaxId]);
    let options = [
        CancelOption::TooExpensive,
        CancelOption::MissingFeatures,
        CancelOption::SwitchedService,
        CancelOption::Unused,
        CancelOption::Other,
    ];
    let mut cancel = CreateBillingPortalConfigurationFeaturesSubscriptionCancel::new(true);
    cancel.mode = Some(CancelMode::AtPeriodEnd);
    cancel.cancellation_reason = Some(CancelReason::new(true, options.to_vec()));
    let mut features = CreateBillingPortalConfigurationFeatures::new();
    features.customer_update = Some(customer);
    features.invoice_history = Some(InvoiceListParam::new(true));
    features.payment_method_update = Some(PaymentMethodUpdateParam::new(true));
    features.subscription_cancel = Some(cancel);
    let mut update =
        CreateBillingPortalConfigurationFeaturesSubscriptionUpdate::new(!new.products.is_empty());
    if !new.products.is_empty() {
        let product = |(product, prices): &(ProductId, Vec<PriceId>)| {
            SubscriptionUpdateProductParam::new(
                prices.iter().map(ToString::to_string).collect::<Vec<_>>(),
                product.as_str(),
            )
        };
        update.default_allowed_updates = Some(vec![AllowedUpdate::Price, AllowedUpdate::Quantity]);
        // As in the portal of ours: more costs at once, less waits for the end of the period.
        update.proration_behavior = Some(Proration::AlwaysInvoice);
        let mut later = AtPeriodEnd::new();
        later.conditions = Some(vec![
            Condition::new(ConditionType::DecreasingItemAmount),
            Condition::new(ConditionType::ShorteningInterval),
        ]);
        update.schedule_at_period_end = Some(later);
        update.products = Some(new.products.iter().map(product).collect());
    }
    features.subscription_update = Some(update);
    features
}
