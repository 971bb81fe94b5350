//! Provisions Stripe from the catalogue file.
//!
//! Products have ids of ours and prices lookup keys, so that a second run finds them and changes nothing. What somebody has
//! changed in Stripe's dashboard since is told, and only put back on demand: Stripe is the source.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Interval;
use super::policy::{Catalog, Coupon, CouponDuration, Metered, Plan, TaxBehavior};
use super::product::ProductFacts;
use crate::money::Currency;
use crate::stripe::calls::catalog::{self, Amount, NewPrice, NewProduct};
use crate::stripe::calls::{coupons, meters, portal};
use crate::stripe::snapshot::{Price, Product};
use crate::stripe::{Budget, Error, Key, MeterId, PortalConfigurationId, PriceId, ProductId, Result, Stripe};

/// What became of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there, as the catalogue has it.
    Unchanged,
    /// It was there, and was made what the catalogue says.
    Updated,
    /// It was there, and says something else than the catalogue; left as it is.
    Differs,
    /// It is not there, and the run was to change nothing.
    Missing,
}

/// One object in Stripe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its kind, such as `price`.
    pub object: &'static str,
    /// How the catalogue calls it.
    pub name: String,
    /// Stripe's id.
    pub id: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Each object, in the order in which it was looked at.
    pub items: Vec<Item>,
    /// The configuration of Stripe's customer portal that ours opens.
    #[serde(skip)]
    pub portal_configuration: Option<PortalConfigurationId>,
    /// What is left for a person to do, in words.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether everything was there already, as it is to be.
    pub fn changed_nothing(&self) -> bool {
        self.items.iter().all(|item| matches!(item.outcome, Outcome::Unchanged | Outcome::Differs))
    }

    /// Adds an object.
    pub fn add(&mut self, object: &'static str, name: &str, id: impl ToString, outcome: Outcome) {
        self.items.push(Item { object, name: name.to_owned(), id: id.to_string(), outcome });
    }
}

/// What a run is asked to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Put back what differs.
    pub update: bool,
    /// Change nothing: only say what there is.
    pub dry: bool,
}

/// The most products that Stripe's customer portal can offer.
const MOST_OFFERED: usize = 10;

struct Run<'a> {
    stripe: &'a Stripe,
    catalog: &'a Catalog,
    update: bool,
    dry: bool,
    products: BTreeMap<String, Product>,
    /// What everybody may change to.
    offered: Vec<(ProductId, Vec<PriceId>)>,
    report: Report,
}

/// Creates what is missing in Stripe.
///
/// # Errors
/// Stripe refused or could not be reached. What was done until then stays, and the next run goes on from there.
pub async fn run(stripe: &Stripe, catalog: &Catalog, wish: Wish) -> Result<Report> {
    let products = catalog::products(stripe, Budget::work()).await?.value;
    let products = products.into_iter().map(|product| (product.id.to_string(), product)).collect();
    let (offered, report) = (Vec::new(), Report::default());
    let Wish { update, dry } = wish;
    let mut run = Run { stripe, catalog, update: update && !dry, dry, products, offered, report };
    let meters = run.meters().await?;
    for plan in &catalog.plans {
        run.plan(plan).await?;
    }
    for metered in &catalog.metered {
        run.metered(metered, &meters).await?;
    }
    for coupon in &catalog.coupons {
        run.coupon(coupon).await?;
    }
    run.portal().await?;
    Ok(run.report)
}

impl Run<'_> {
    fn missing(&mut self, object: &'static str, name: &str) {
        self.report.add(object, name, "-", Outcome::Missing);
    }

    async fn meters(&mut self) -> Result<BTreeMap<String, MeterId>> {
        let there = meters::list(self.stripe, Budget::work()).await?.value;
        let mut ids = BTreeMap::new();
        for metric in &self.catalog.metrics {
            let Some(event) = &metric.meter else { continue };
            let (id, outcome) = match there.iter().find(|meter| meter.event_name == *event) {
                Some(meter) if meter.status == "active" => (meter.id.clone(), Outcome::Unchanged),
                Some(meter) if self.update => {
                    meters::reactivate(self.stripe, &meter.id, &Key::random(), Budget::work()).await?;
                    (meter.id.clone(), Outcome::Updated)
                }
                Some(meter) => (meter.id.clone(), Outcome::Differs),
                None if self.dry => {
                    self.missing("meter", event);
                    continue;
                }
                None => {
                    let made =
                        meters::create(self.stripe, &metric.name.en, event, &Key::random(), Budget::work())
                            .await?;
                    (made.value.id, Outcome::Created)
                }
            };
            self.report.add("meter", event, &id, outcome);
            ids.insert(metric.id.clone(), id);
        }
        Ok(ids)
    }

    async fn plan(&mut self, plan: &Plan) -> Result<()> {
        let new = NewProduct {
            id: id(&format!("plan_{}", plan.slug))?,
            name: plan.name.clone(),
            description: Some(plan.description.clone()),
            features: plan.marketing_features.clone(),
            unit_label: plan.per_seat.then(|| "seat".to_owned()),
            metadata: self.catalog.facts_of_plan(plan).to_metadata(),
        };
        self.product(&new).await?;
        let mut prices = Vec::new();
        for (interval, amounts) in
            [(Interval::Month, &plan.prices.month), (Interval::Year, &plan.prices.year)]
        {
            if let Some(amounts) = amounts {
                let key = format!("{}_{interval}", plan.slug);
                let price = self.price(&new, key, interval, |currency| {
                    amounts.get(&currency).copied().map(Amount::Minor)
                });
                prices.extend(self.create_price(price).await?);
            }
        }
        if !plan.hidden && !prices.is_empty() {
            self.offered.push((new.id, prices));
        }
        Ok(())
    }

    async fn metered(&mut self, metered: &Metered, meters: &BTreeMap<String, MeterId>) -> Result<()> {
        let new = NewProduct {
            id: id(&format!("metered_{}", metered.metric))?,
            name: metered.name.clone(),
            description: None,
            features: Vec::new(),
            unit_label: None,
            metadata: self.catalog.facts_of_metered(metered).to_metadata(),
        };
        self.product(&new).await?;
        // One for each interval: Stripe bills the items of a subscription together.
        for interval in [Interval::Month, Interval::Year] {
            let key = format!("{}_{interval}", metered.metric);
            let amount = |currency| metered.unit_amount_decimal.get(&currency).cloned().map(Amount::Decimal);
            let mut price = self.price(&new, key, interval, amount);
            price.meter = meters.get(&metered.metric).cloned();
            self.create_price(price).await?;
        }
        Ok(())
    }

    async fn product(&mut self, new: &NewProduct) -> Result<()> {
        let outcome = match self.products.get(new.id.as_str()) {
            None if self.dry => Outcome::Missing,
            None => {
                catalog::create_product(self.stripe, new, &key("product", new)?, Budget::work()).await?;
                Outcome::Created
            }
            Some(there) if is_same_product(there, new) => Outcome::Unchanged,
            Some(_) if !self.update => Outcome::Differs,
            Some(_) => {
                catalog::update_product(self.stripe, new, true, &Key::random(), Budget::work()).await?;
                Outcome::Updated
            }
        };
        self.report.add("product", &new.name, &new.id, outcome);
        Ok(())
    }

    fn price(
        &self,
        product: &NewProduct,
        lookup_key: String,
        interval: Interval,
        amount: impl Fn(Currency) -> Option<Amount>,
    ) -> NewPrice {
        let main = self.catalog.currency;
        let behavior = match self.catalog.tax_behavior {
            TaxBehavior::Exclusive => "exclusive",
            TaxBehavior::Inclusive => "inclusive",
        };
        let others = self.catalog.currencies().into_iter().filter(|currency| *currency != main);
        NewPrice {
            product: product.id.clone(),
            lookup_key,
            currency: main,
            amount: amount(main).unwrap_or(Amount::Minor(0)),
            currency_options: others.filter_map(|currency| Some((currency, amount(currency)?))).collect(),
            interval: interval.to_string(),
            meter: None,
            tax_behavior: Some(behavior.to_owned()),
            metadata: BTreeMap::new(),
        }
    }

    /// What a price costs never changes in Stripe: another takes its lookup key over, and the old one is taken from sale. The
    /// price that is for sale then.
    async fn create_price(&mut self, new: NewPrice) -> Result<Option<PriceId>> {
        let found =
            catalog::prices_by_lookup_key(self.stripe, std::slice::from_ref(&new.lookup_key), Budget::work())
                .await?;
        let there = found.value.into_iter().next();
        let is_sold = there.as_ref().is_none_or(|there| there.active) || self.update;
        let (id, outcome) = match &there {
            Some(there) if is_same_price(there, &new) => (there.id.clone(), Outcome::Unchanged),
            Some(there) if !self.update => (there.id.clone(), Outcome::Differs),
            None if self.dry => {
                self.missing("price", &new.lookup_key);
                return Ok(None);
            }
            _ => {
                let made =
                    catalog::create_price(self.stripe, &new, &Key::random(), Budget::work()).await?.value;
                if let Some(old) = &there {
                    let key = Key::random();
                    catalog::update_price(self.stripe, &old.id, false, &old.metadata, &key, Budget::work())
                        .await?;
                }
                (made.id, if there.is_some() { Outcome::Updated } else { Outcome::Created })
            }
        };
        self.report.add("price", &new.lookup_key, &id, outcome);
        Ok(is_sold.then_some(id))
    }

    async fn coupon(&mut self, coupon: &Coupon) -> Result<()> {
        let duration = match coupon.duration {
            CouponDuration::Once => "once",
            CouponDuration::Forever => "forever",
        };
        let coupon_id = id(&coupon.code)?;
        let there = coupons::coupon(self.stripe, &coupon_id, Budget::work()).await?;
        let outcome = match &there {
            Some(there) => {
                let same = there.value.percent_off.as_deref()
                    == Some(coupon.percent_off.to_string().as_str())
                    && there.value.duration.as_deref() == Some(duration);
                if same { Outcome::Unchanged } else { Outcome::Differs }
            }
            None if self.dry => Outcome::Missing,
            None => {
                let key = Key::random();
                coupons::create(self.stripe, &coupon_id, coupon.percent_off, duration, &key, Budget::work())
                    .await?;
                Outcome::Created
            }
        };
        self.report.add("coupon", &coupon.code, &coupon.code, outcome);
        let (code_id, outcome) = match coupons::promotion_code(self.stripe, &coupon.code, Budget::work())
            .await?
        {
            Some(there) => (there.id, Outcome::Unchanged),
            None if self.dry => {
                self.missing("promotion_code", &coupon.code);
                return Ok(());
            }
            None => {
                let made =
                    coupons::create_promotion_code(self.stripe, &coupon_id, &Key::random(), Budget::work())
                        .await?;
                (made.value.id, Outcome::Created)
            }
        };
        self.report.add("promotion_code", &coupon.code, &code_id, outcome);
        Ok(())
    }

    /// Stripe's customer portal as ours opens it: payment method, billing details, cancellation, and a change of plan, which
    /// costs there what it costs here.
    async fn portal(&mut self) -> Result<()> {
        let ours = BTreeMap::from([("made_by".to_owned(), "billing-portal".to_owned())]);
        let there = portal::configurations(self.stripe, Budget::work()).await?.value;
        let there = there.into_iter().find(|one| one.metadata.get("made_by") == ours.get("made_by"));
        let mut products = std::mem::take(&mut self.offered);
        if products.len() > MOST_OFFERED {
            products.clear();
        }
        let new = portal::NewConfiguration { headline: None, return_url: None, products, metadata: ours };
        let (id, outcome) = match there {
            Some(there) if new.is_like(&there) => (there.id, Outcome::Unchanged),
            Some(there) if !self.update => (there.id, Outcome::Differs),
            Some(there) => {
                let key = Key::random();
                portal::update_configuration(self.stripe, &there.id, &new, &key, Budget::work()).await?;
                (there.id, Outcome::Updated)
            }
            None if self.dry => {
                self.missing("portal_configuration", "billing-portal");
                return Ok(());
            }
            None => {
                let key = Key::random();
                let made = portal::create_configuration(self.stripe, &new, &key, Budget::work()).await?;
                (made.value.id, Outcome::Created)
            }
        };
        self.report.add("portal_configuration", "billing-portal", &id, outcome);
        self.report.portal_configuration = Some(id);
        Ok(())
    }
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| {
        Error::Setup(format!("{text:?} cannot be an id in Stripe: use letters, digits, - and _"))
    })
}

/// The same request always has the same key: a run that was cut off does not make a thing twice.
fn key(kind: &str, request: &impl std::fmt::Debug) -> Result<Key> {
    let digest = Sha256::digest(format!("{request:?}"));
    let hash: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Key::new(format!("setup-{kind}-{hash}")).map_err(|error| Error::Setup(error.to_string()))
}

fn is_same_product(there: &Product, new: &NewProduct) -> bool {
    let features = there.marketing_features.iter().filter_map(|feature| feature.name.as_ref());
    there.active
        && there.name == new.name
        && there.description.as_deref().unwrap_or_default() == new.description.as_deref().unwrap_or_default()
        && features.eq(&new.features)
        && ProductFacts::from_metadata(&there.metadata) == ProductFacts::from_metadata(&new.metadata)
}

fn is_same_price(there: &Price, new: &NewPrice) -> bool {
    let same = |unit: Option<i64>, decimal: Option<&str>, amount: &Amount| match amount {
        Amount::Minor(minor) => unit == Some(*minor),
        Amount::Decimal(text) => decimal == Some(text.as_str()),
        Amount::Graduated(_) => false,
    };
    let options = there.currency_options.as_ref();
    there.active
        && there.product == new.product
        && there.currency == new.currency
        && same(there.unit_amount, there.unit_amount_decimal.as_deref(), &new.amount)
        && there.tax_behavior == new.tax_behavior
        && there.recurring.as_ref().is_some_and(|recurring| {
            recurring.interval == new.interval
                && recurring.interval_count == 1
                && recurring.meter == new.meter
        })
        && new.currency_options.iter().all(|(currency, amount)| {
            options
                .and_then(|options| options.get(currency))
                .is_some_and(|option| same(option.unit_amount, option.unit_amount_decimal.as_deref(), amount))
        })
}
