//! Products and prices.

use std::collections::{BTreeMap, HashMap};

use stripe_product::price::{
    CreatePrice, CreatePriceCurrencyOptions, CreatePriceRecurring, CreatePriceRecurringInterval,
    CreatePriceRecurringUsageType, CreatePriceTiers, CreatePriceTiersUpTo, ListPrice, RetrievePrice,
    UpdatePrice,
};
use stripe_product::product::{CreateProduct, Features, ListProduct, RetrieveProduct, UpdateProduct};

use super::{all, get, page, post};
use crate::money::Currency;
use crate::stripe::snapshot::{Price, Product, Tier};
use crate::stripe::{Budget, Fetched, Key, MeterId, PriceId, ProductId, Result, Stripe};

/// A product as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProduct {
    /// Its id, chosen so that making it again finds it.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// Words for the pricing page.
    pub description: Option<String>,
    /// Words for Stripe's own pages.
    pub features: Vec<String>,
    /// What one of it is called on invoices.
    pub unit_label: Option<String>,
    /// What the portal keeps in it.
    pub metadata: BTreeMap<String, String>,
}

/// A price as it is to be. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPrice {
    /// Of what.
    pub product: ProductId,
    /// The name by which the catalogue finds it; taken over from the price that had it before.
    pub lookup_key: String,
    /// The main currency.
    pub currency: Currency,
    /// What each costs.
    pub amount: Amount,
    /// Amounts in other currencies.
    pub currency_options: BTreeMap<Currency, Amount>,
    /// `day`, `week`, `month`, `year`.
    pub interval: String,
    /// What counts the use; none: a quantity is paid ahead.
    pub meter: Option<MeterId>,
    /// `inclusive`, `exclusive` or `unspecified`.
    pub tax_behavior: Option<String>,
    /// What the portal keeps in it.
    pub metadata: BTreeMap<String, String>,
}

/// What one costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Whole minor units.
    Minor(i64),
    /// Minor units as a decimal number with up to 12 places.
    Decimal(String),
    /// By steps: each unit costs what its own step says (graduated).
    Graduated(Vec<Tier>),
}

/// All products, those that are no longer sold too.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn products(stripe: &Stripe, budget: Budget) -> Result<Fetched<Vec<Product>>> {
    all(stripe, budget, |product: &Product| product.id.as_str(), |after| page!(ListProduct::new(), after))
        .await
}

/// One product.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn product(stripe: &Stripe, id: &ProductId, budget: Budget) -> Result<Fetched<Product>> {
    get(stripe, RetrieveProduct::new(id.as_str()), budget).await
}

/// Makes a product.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn create_product(
    stripe: &Stripe,
    new: &NewProduct,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Product>> {
    let mut request =
        CreateProduct::new(new.name.as_str()).id(new.id.as_str()).metadata(super::metadata(&new.metadata));
    if !new.features.is_empty() {
        request = request.marketing_features(new.features.iter().map(Features::new).collect::<Vec<_>>());
    }
    if let Some(description) = &new.description {
        request = request.description(description.as_str());
    }
    if let Some(label) = &new.unit_label {
        request = request.unit_label(label.as_str());
    }
    post(stripe, request, key, budget).await
}

/// Makes a product what it is to be: name, words, features, metadata, and for sale or not.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn update_product(
    stripe: &Stripe,
    new: &NewProduct,
    active: bool,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Product>> {
    let request = UpdateProduct::new(new.id.as_str())
        .name(new.name.as_str())
        .description(new.description.as_deref().unwrap_or_default())
        .marketing_features(new.features.iter().map(Features::new).collect::<Vec<_>>())
        .metadata(super::metadata(&new.metadata))
        .unit_label(new.unit_label.as_deref().unwrap_or_default())
        .active(active);
    post(stripe, request, key, budget).await
}

/// Tiers and amounts in other currencies, which are left out unless asked for.
fn price_parts(prefix: &str) -> Vec<String> {
    ["tiers", "currency_options"].map(|part| format!("{prefix}{part}")).into()
}

/// All prices, those that are no longer sold too, with tiers and currency options.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn prices(stripe: &Stripe, budget: Budget) -> Result<Fetched<Vec<Price>>> {
    all(
        stripe,
        budget,
        |price: &Price| price.id.as_str(),
        |after| page!(ListPrice::new().expand(price_parts("data.")), after),
    )
    .await
}

/// All prices of one product.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn prices_of(stripe: &Stripe, product: &ProductId, budget: Budget) -> Result<Fetched<Vec<Price>>> {
    let request = || ListPrice::new().product(product.as_str()).expand(price_parts("data."));
    all(stripe, budget, |price: &Price| price.id.as_str(), |after| page!(request(), after)).await
}

/// The prices that carry these lookup keys, ten of them at most.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn prices_by_lookup_key(
    stripe: &Stripe,
    keys: &[String],
    budget: Budget,
) -> Result<Fetched<Vec<Price>>> {
    let request = || ListPrice::new().lookup_keys(keys.to_vec()).expand(price_parts("data."));
    all(stripe, budget, |price: &Price| price.id.as_str(), |after| page!(request(), after)).await
}

/// One price, with tiers and currency options.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn price(stripe: &Stripe, id: &PriceId, budget: Budget) -> Result<Fetched<Price>> {
    get(stripe, RetrievePrice::new(id.as_str()).expand(price_parts("")), budget).await
}

/// Makes a price. What a price costs can never change: another price takes its lookup key over.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn create_price(
    stripe: &Stripe,
    new: &NewPrice,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Price>> {
    let mut recurring = CreatePriceRecurring::new(known::<CreatePriceRecurringInterval>(&new.interval));
    if let Some(meter) = &new.meter {
        recurring.meter = Some(meter.to_string());
        recurring.usage_type = Some(CreatePriceRecurringUsageType::Metered);
    }
    let mut request = CreatePrice::new(known::<stripe_types::Currency>(new.currency.code()))
        .product(new.product.as_str())
        .lookup_key(new.lookup_key.as_str())
        .transfer_lookup_key(true)
        .recurring(recurring)
        .expand(price_parts(""));
    if !new.metadata.is_empty() {
        request = request.metadata(super::metadata(&new.metadata));
    }
    request = match &new.amount {
        Amount::Minor(minor) => request.unit_amount(*minor),
        Amount::Decimal(decimal) => request.unit_amount_decimal(decimal.as_str()),
        Amount::Graduated(tiers) => request
            .billing_scheme(stripe_shared::PriceBillingScheme::Tiered)
            .tiers_mode(stripe_shared::PriceTiersMode::Graduated)
            .tiers(tiers.iter().map(tier).collect::<Vec<_>>()),
    };
    if !new.currency_options.is_empty() {
        request = request.currency_options(currency_options(&new.currency_options));
    }
    if let Some(behavior) = &new.tax_behavior {
        request = request.tax_behavior(known::<stripe_shared::PriceTaxBehavior>(behavior));
    }
    post(stripe, request, key, budget).await
}

/// Takes a price from sale, or puts it back, and writes its metadata.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn update_price(
    stripe: &Stripe,
    id: &PriceId,
    active: bool,
    metadata: &BTreeMap<String, String>,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Price>> {
    let request = UpdatePrice::new(id.as_str())
        .active(active)
        .metadata(super::metadata(metadata))
        .expand(price_parts(""));
    post(stripe, request, key, budget).await
}

/// One of the builders' words. They keep one that they do not know, and Stripe then says what is wrong with it.
fn known<T: std::str::FromStr<Err = std::convert::Infallible>>(word: &str) -> T {
    match word.parse() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

fn tier(tier: &Tier) -> CreatePriceTiers {
    let mut made =
        CreatePriceTiers::new(tier.up_to.map_or(CreatePriceTiersUpTo::Inf, CreatePriceTiersUpTo::I64));
    made.unit_amount = tier.unit_amount.filter(|_| tier.unit_amount_decimal.is_none());
    made.unit_amount_decimal.clone_from(&tier.unit_amount_decimal);
    made.flat_amount = tier.flat_amount.filter(|_| tier.flat_amount_decimal.is_none());
    made.flat_amount_decimal.clone_from(&tier.flat_amount_decimal);
    made
}

fn currency_options(
    options: &BTreeMap<Currency, Amount>,
) -> HashMap<stripe_types::Currency, CreatePriceCurrencyOptions> {
    let option = |amount: &Amount| {
        let mut made = CreatePriceCurrencyOptions::new();
        match amount {
            Amount::Minor(minor) => made.unit_amount = Some(*minor),
            Amount::Decimal(decimal) => made.unit_amount_decimal = Some(decimal.clone()),
            Amount::Graduated(tiers) => made.tiers = Some(tiers.iter().map(option_tier).collect()),
        }
        made
    };
    options.iter().map(|(currency, amount)| (known(currency.code()), option(amount))).collect()
}

fn option_tier(tier: &Tier) -> stripe_product::price::CreatePriceCurrencyOptionsTiers {
    use stripe_product::price::{
        CreatePriceCurrencyOptionsTiers, CreatePriceCurrencyOptionsTiersUpTo as UpTo,
    };
    let mut made = CreatePriceCurrencyOptionsTiers::new(tier.up_to.map_or(UpTo::Inf, UpTo::I64));
    made.unit_amount = tier.unit_amount.filter(|_| tier.unit_amount_decimal.is_none());
    made.unit_amount_decimal.clone_from(&tier.unit_amount_decimal);
    made.flat_amount = tier.flat_amount.filter(|_| tier.flat_amount_decimal.is_none());
    made.flat_amount_decimal.clone_from(&tier.flat_amount_decimal);
    made
}
