//! Products and prices.

use std::collections::HashSet;

use crate::db::{Result, Tx, sql};
use crate::stripe::snapshot::{Item, Price, Product};
use crate::sync::{PriceRow, ProductRow};

macro_rules! product_columns {
    () => {
        "id, name, description, active, livemode, plan, metric, position, highlighted, hidden, tenants, trial_days, per_seat, features, marketing_features, translations, limits, seen_at"
    };
}

macro_rules! price_columns {
    () => {
        "id, product_id, lookup_key, active, livemode, currency, unit_amount, unit_amount_decimal, recurring_interval, interval_count, usage_type, meter_id, tax_behavior, tiers_mode, tiers, currency_options, seen_at"
    };
}

/// The whole catalogue as it is kept: products and prices, those that are for sale no longer too.
///
/// # Errors
/// The database did not answer.
pub async fn catalogue(tx: &mut Tx) -> Result<(Vec<ProductRow>, Vec<PriceRow>)> {
    let products = tx.query(sql!("select " product_columns!() " from products order by id")).all().await?;
    let prices = tx.query(sql!("select " price_columns!() " from prices order by id")).all().await?;
    Ok((products, prices))
}

/// Writes the whole catalogue. What Stripe no longer has is for sale no longer.
///
/// # Errors
/// The database did not take it.
pub async fn save_catalogue(tx: &mut Tx, products: &[Product], prices: &[Price], seen_at: i64) -> Result<()> {
    for product in products {
        save_product(tx, &ProductRow::new(product, seen_at)).await?;
    }
    for price in prices {
        save_price(tx, &PriceRow::new(price, seen_at)).await?;
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

/// Keeps the prices of a subscription's items that the catalogue does not know yet: a plan made for one tenant, a price younger
/// than the last look at the catalogue.
pub(super) async fn keep_prices(tx: &mut Tx, items: &[Item], seen_at: i64) -> Result<()> {
    for item in items {
        let known: Option<(i64,)> = tx
            .query(sql!("select seen_at from prices where id = $1"))
            .bind(item.price.id.as_str())
            .optional()
            .await?;
        if known.is_none() {
            save_price(tx, &PriceRow::new(&item.price, seen_at)).await?;
        }
    }
    Ok(())
}

async fn save_product(tx: &mut Tx, row: &ProductRow) -> Result<()> {
    tx.query(sql!(
        "insert into products (" product_columns!() ")"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
        " on conflict (id) do update set name = excluded.name, description = excluded.description,"
        " active = excluded.active, livemode = excluded.livemode, plan = excluded.plan, metric = excluded.metric,"
        " position = excluded.position, highlighted = excluded.highlighted, hidden = excluded.hidden,"
        " tenants = excluded.tenants, trial_days = excluded.trial_days, per_seat = excluded.per_seat,"
        " features = excluded.features, marketing_features = excluded.marketing_features,"
        " translations = excluded.translations, limits = excluded.limits, seen_at = excluded.seen_at"
    ))
    .bind(row.id.as_str())
    .bind(row.name.as_str())
    .bind(row.description.as_deref())
    .bind(row.active)
    .bind(row.livemode)
    .bind(row.plan.as_deref())
    .bind(row.metric.as_deref())
    .bind(row.position)
    .bind(row.highlighted)
    .bind(row.hidden)
    .bind(row.tenants.as_str())
    .bind(row.trial_days)
    .bind(row.per_seat)
    .bind(row.features.as_str())
    .bind(row.marketing_features.as_str())
    .bind(row.translations.as_str())
    .bind(row.limits.as_str())
    .bind(row.seen_at)
    .run()
    .await?;
    Ok(())
}

async fn save_price(tx: &mut Tx, row: &PriceRow) -> Result<()> {
    tx.query(sql!(
        "insert into prices (" price_columns!() ")"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
        " on conflict (id) do update set product_id = excluded.product_id, lookup_key = excluded.lookup_key,"
        " active = excluded.active, livemode = excluded.livemode, currency = excluded.currency,"
        " unit_amount = excluded.unit_amount, unit_amount_decimal = excluded.unit_amount_decimal,"
        " recurring_interval = excluded.recurring_interval, interval_count = excluded.interval_count,"
        " usage_type = excluded.usage_type, meter_id = excluded.meter_id, tax_behavior = excluded.tax_behavior,"
        " tiers_mode = excluded.tiers_mode, tiers = excluded.tiers, currency_options = excluded.currency_options,"
        " seen_at = excluded.seen_at"
    ))
    .bind(row.id.as_str())
    .bind(row.product_id.as_str())
    .bind(row.lookup_key.as_deref())
    .bind(row.active)
    .bind(row.livemode)
    .bind(row.currency)
    .bind(row.unit_amount)
    .bind(row.unit_amount_decimal.as_deref())
    .bind(row.recurring_interval.as_deref())
    .bind(row.interval_count)
    .bind(row.usage_type.as_deref())
    .bind(row.meter_id.as_deref())
    .bind(row.tax_behavior.as_deref())
    .bind(row.tiers_mode.as_deref())
    .bind(row.tiers.as_deref())
    .bind(row.currency_options.as_str())
    .bind(row.seen_at)
    .run()
    .await?;
    Ok(())
}
