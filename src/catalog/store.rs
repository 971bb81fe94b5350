//! Reading the catalogue's rows, which are written by `sync`; and what `setup` noted of Stripe.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::policy::Translation;
use super::product::{Limit, ProductFacts};
use super::{Amount, Interval, Metered, Offer, Plan, Price};
use crate::db::{Result, Tx, sql};
use crate::money::Currency;
use crate::stripe::PortalConfigurationId;

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    description: Option<String>,
    active: bool,
    plan: Option<String>,
    metric: Option<String>,
    position: i64,
    highlighted: bool,
    hidden: bool,
    tenants: String,
    granted: String,
    trial_days: i64,
    per_seat: bool,
    features: String,
    marketing_features: String,
    translations: String,
    limits: String,
    price_id: Option<String>,
    price_active: Option<bool>,
    currency: Option<String>,
    unit_amount: Option<i64>,
    unit_amount_decimal: Option<String>,
    recurring_interval: Option<String>,
    interval_count: Option<i64>,
    usage_type: Option<String>,
    currency_options: Option<String>,
}

/// One currency of a price, as Stripe has it in `currency_options`.
#[derive(Deserialize)]
struct CurrencyOption {
    unit_amount: Option<i64>,
    unit_amount_decimal: Option<String>,
}

/// All plans and metered products with their recurring prices, in the order of the pages. A hidden plan is for the tenants that its
/// product names and for those that staff show it to.
///
/// # Errors
/// The database did not answer.
pub async fn offer(tx: &mut Tx) -> Result<Offer> {
    let rows: Vec<Row> = tx
        .query(sql!(
            "select p.id, p.name, p.description, p.active, p.plan, p.metric, p.position, p.highlighted, p.hidden,"
            " p.tenants, coalesce((select " lite "json_group_array(g.tenant_id)" pg "cast(json_agg(g.tenant_id) as text)"
            " from plan_grants g where g.product_id = p.id), '[]') as granted, p.trial_days, p.per_seat, p.features, p.marketing_features, p.translations, p.limits,"
            " r.id as price_id, r.active as price_active, r.currency, r.unit_amount, r.unit_amount_decimal,"
            " r.recurring_interval, r.interval_count, r.usage_type, r.currency_options"
            " from products p left join prices r on r.product_id = p.id and r.recurring_interval is not null"
            " where p.plan is not null or p.metric is not null"
            " order by p.position, p.id, r.unit_amount, r.id"
        ))
        .all()
        .await?;
    let mut offer = Offer::default();
    for row in rows {
        let price = row.price();
        if let Some(slug) = &row.plan {
            if offer.plans.last().is_none_or(|last| last.product_id != row.id) {
                offer.plans.push(row.plan(slug));
            }
            if let Some(last) = offer.plans.last_mut() {
                last.prices.extend(price);
            }
        } else if let Some(metric) = &row.metric {
            if offer.metered.last().is_none_or(|last| last.product_id != row.id) {
                offer.metered.push(Metered {
                    product_id: row.id.clone(),
                    metric: metric.clone(),
                    prices: Vec::new(),
                });
            }
            if let Some(last) = offer.metered.last_mut() {
                last.prices.extend(price);
            }
        }
    }
    Ok(offer)
}

impl Row {
    fn plan(&self, slug: &str) -> Plan {
        Plan {
            product_id: self.id.clone(),
            slug: slug.to_owned(),
            name: self.name.clone(),
            description: self.description.clone(),
            marketing_features: json(&self.marketing_features),
            active: self.active,
            facts: ProductFacts {
                plan: Some(slug.to_owned()),
                metric: self.metric.clone(),
                position: self.position,
                highlighted: self.highlighted,
                hidden: self.hidden,
                per_seat: self.per_seat,
                tenants: [json::<Vec<String>>(&self.tenants), json(&self.granted)].concat(),
                trial_days: u16::try_from(self.trial_days).unwrap_or_default(),
                features: json(&self.features),
                limits: json::<BTreeMap<String, Limit>>(&self.limits),
                translations: json::<BTreeMap<String, Translation>>(&self.translations),
            },
            prices: Vec::new(),
        }
    }

    fn price(&self) -> Option<Price> {
        let currency: Currency = self.currency.as_deref()?.parse().ok()?;
        let options: BTreeMap<String, CurrencyOption> =
            json(self.currency_options.as_deref().unwrap_or("{}"));
        let mut amounts: BTreeMap<Currency, Amount> = options
            .into_iter()
            .filter_map(|(code, option)| {
                let amount = Amount { unit: option.unit_amount, decimal: option.unit_amount_decimal };
                Some((code.parse().ok()?, amount))
            })
            .collect();
        amounts
            .insert(currency, Amount { unit: self.unit_amount, decimal: self.unit_amount_decimal.clone() });
        Some(Price {
            id: self.price_id.clone()?,
            interval: self.recurring_interval.as_deref()?.parse::<Interval>().ok()?,
            interval_count: self.interval_count.unwrap_or(1),
            metered: self.usage_type.as_deref() == Some("metered"),
            active: self.price_active.unwrap_or_default(),
            currency,
            amounts,
        })
    }
}

/// What `sync` wrote as JSON; what cannot be read is empty.
fn json<T: Default + serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_default()
}

/// The configuration of Stripe's customer portal that ours is to open; none before `setup` has run.
///
/// # Errors
/// The database did not answer.
pub async fn portal_configuration(tx: &mut Tx, livemode: bool) -> Result<Option<PortalConfigurationId>> {
    let row: Option<(PortalConfigurationId,)> = tx
        .query(sql!("select id from setup_objects where name = 'portal_configuration' and livemode = $1"))
        .bind(livemode)
        .optional()
        .await?;
    Ok(row.map(|(id,)| id))
}

/// Notes the configuration that `setup` found or made.
///
/// # Errors
/// See [`portal_configuration`].
pub async fn note_portal_configuration(
    tx: &mut Tx,
    livemode: bool,
    id: &PortalConfigurationId,
    at: i64,
) -> Result<()> {
    tx.query(sql!(
        "insert into setup_objects (name, livemode, id, noted_at) values ('portal_configuration', $1, $2, $3)"
        " on conflict (name, livemode) do update set id = excluded.id, noted_at = excluded.noted_at"
    ))
    .bind(livemode)
    .bind(id)
    .bind(at)
    .run()
    .await?;
    Ok(())
}

/// Whether there are customers of the other mode than the key's.
///
/// # Errors
/// See [`portal_configuration`].
pub async fn of_other_mode(tx: &mut Tx, livemode: bool) -> Result<bool> {
    let row: Option<(String,)> = tx
        .query(sql!("select id from customers where livemode <> $1 limit 1"))
        .bind(livemode)
        .optional()
        .await?;
    Ok(row.is_some())
}
