//! Products and prices.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use crate::catalog::product::ProductFacts;
use crate::db::{Result, Tx, sql};
use crate::stripe::snapshot::{Price, Product};

/// Writes the whole catalogue. What Stripe no longer has is for sale no longer.
///
/// # Errors
/// The database did not take it.
pub async fn save_catalogue(tx: &mut Tx, products: &[Product], prices: &[Price], seen_at: i64) -> Result<()> {
    for product in products {
        save_product(tx, product, seen_at).await?;
    }
    for price in prices {
        save_price(tx, price, seen_at).await?;
    }
    let listed: HashSet<&str> =
        products.iter().map(|p| p.id.as_str()).chain(prices.iter().map(|p| p.id.as_str())).collect();
    let sold: Vec<(String,)> = tx.query(sql!("select id from products where active")).all().await?;
    for (gone,) in sold.iter().filter(|(id,)| !listed.contains(id.as_str())) {
        tx.query(sql!("update products set active = false where id = $1")).bind(gone.as_str()).run().await?;
    }
    let sold: Vec<(String,)> = tx.query(sql!("select id from prices where active")).all().await?;
    for (gone,) in sold.iter().filter(|(id,)| !listed.contains(id.as_str())) {
        tx.query(sql!("update prices set active = false where id = $1")).bind(gone.as_str()).run().await?;
    }
    Ok(())
}

async fn save_product(tx: &mut Tx, product: &Product, seen_at: i64) -> Result<()> {
    let facts = ProductFacts::from_metadata(&product.metadata);
    let words: Vec<_> =
        product.marketing_features.iter().filter_map(|feature| feature.name.as_deref()).collect();
    tx.query(sql!(
        "insert into products (id, name, description, active, livemode, plan, metric, position, highlighted, hidden,"
        " tenants, trial_days, per_seat, features, marketing_features, translations, limits, seen_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
        " on conflict (id) do update set name = excluded.name, description = excluded.description,"
        " active = excluded.active, livemode = excluded.livemode, plan = excluded.plan, metric = excluded.metric,"
        " position = excluded.position, highlighted = excluded.highlighted, hidden = excluded.hidden,"
        " tenants = excluded.tenants, trial_days = excluded.trial_days, per_seat = excluded.per_seat,"
        " features = excluded.features, marketing_features = excluded.marketing_features,"
        " translations = excluded.translations, limits = excluded.limits, seen_at = excluded.seen_at"
    ))
    .bind(product.id.as_str())
    .bind(product.name.as_str())
    .bind(product.description.as_deref())
    .bind(product.active && !product.deleted)
    .bind(product.livemode)
    .bind(facts.plan.as_deref())
    .bind(facts.metric.as_deref())
    .bind(facts.position)
    .bind(facts.highlighted)
    .bind(facts.hidden)
    .bind(json!(facts.tenants).to_string())
    .bind(i64::from(facts.trial_days))
    .bind(facts.per_seat)
    .bind(json!(facts.features).to_string())
    .bind(json!(words).to_string())
    .bind(json!(facts.translations).to_string())
    .bind(json!(facts.limits).to_string())
    .bind(seen_at)
    .run()
    .await?;
    Ok(())
}

async fn save_price(tx: &mut Tx, price: &Price, seen_at: i64) -> Result<()> {
    let recurring = price.recurring.as_ref();
    let options: BTreeMap<&str, Value> = price
        .currency_options
        .iter()
        .flatten()
        .map(|(currency, option)| (currency.code(), json!(option)))
        .collect();
    tx.query(sql!(
        "insert into prices (id, product_id, lookup_key, active, livemode, currency, unit_amount, unit_amount_decimal,"
        " recurring_interval, interval_count, usage_type, meter_id, tax_behavior, tiers_mode, tiers, currency_options,"
        " seen_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
        " on conflict (id) do update set product_id = excluded.product_id, lookup_key = excluded.lookup_key,"
        " active = excluded.active, livemode = excluded.livemode, currency = excluded.currency,"
        " unit_amount = excluded.unit_amount, unit_amount_decimal = excluded.unit_amount_decimal,"
        " recurring_interval = excluded.recurring_interval, interval_count = excluded.interval_count,"
        " usage_type = excluded.usage_type, meter_id = excluded.meter_id, tax_behavior = excluded.tax_behavior,"
        " tiers_mode = excluded.tiers_mode, tiers = excluded.tiers, currency_options = excluded.currency_options,"
        " seen_at = excluded.seen_at"
    ))
    .bind(price.id.as_str())
    .bind(price.product.as_str())
    .bind(price.lookup_key.as_deref())
    .bind(price.active)
    .bind(price.livemode)
    .bind(price.currency)
    .bind(price.unit_amount)
    .bind(price.unit_amount_decimal.as_deref())
    .bind(recurring.map(|r| r.interval.as_str()))
    .bind(recurring.map_or(1, |r| r.interval_count))
    .bind(recurring.map(|r| r.usage_type.as_str()))
    .bind(recurring.and_then(|r| r.meter.as_ref()).map(|meter| meter.as_str()))
    .bind(price.tax_behavior.as_deref())
    .bind(price.tiers_mode.as_deref())
    .bind(price.tiers.as_ref().map(|tiers| json!(tiers).to_string()))
    .bind(json!(options).to_string())
    .bind(seen_at)
    .run()
    .await?;
    Ok(())
}
