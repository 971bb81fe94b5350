//! Figures: exact against an example worked out by hand, and always the sum over the rows they follow from.

use std::collections::BTreeMap;

use billing_portal::audit::Actor;
use billing_portal::clock::from_seconds;
use billing_portal::staff::figures::{Fact, month_at, of_charge, of_invoice, of_subscription};
use billing_portal::staff::store;
use billing_portal::stripe::CustomerId;
use billing_portal::stripe::snapshot::{Subscription, parse_value};
use billing_portal::sync::{self, Plan, Seen, Snapshot};
use billing_portal::tenants::Tenant;
use billing_portal::worker;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::portal::Portal;

/// Every figure is the sum over the rows it follows from, and what is booked of each subscription is what it is worth.
pub(crate) async fn agree_with_rows(portal: &Portal) {
    while billing_portal::staff::work::step(&portal.db).await.unwrap() > 0 {}
    let mut tx = portal.db.write().await.unwrap();
    let mut expected: Vec<Fact> = Vec::new();
    let ids = |table: &str| format!("select id from {table} order by id");
    for (id,) in tx.query_built(ids("subscriptions")).all::<(String,)>().await.unwrap() {
        let row = sync::store::subscription(&mut tx, &id.parse().unwrap()).await.unwrap().unwrap();
        expected.extend(of_subscription(&row));
        assert!(
            !store::book(&mut tx, &row).await.unwrap(),
            "{id} is worth something else than what is booked"
        );
    }
    for (id,) in tx.query_built(ids("invoices")).all::<(String,)>().await.unwrap() {
        expected
            .extend(of_invoice(&sync::store::invoice(&mut tx, &id.parse().unwrap()).await.unwrap().unwrap()));
    }
    for (id,) in tx.query_built(ids("charges")).all::<(String,)>().await.unwrap() {
        expected
            .extend(of_charge(&sync::store::charge(&mut tx, &id.parse().unwrap()).await.unwrap().unwrap()));
    }
    let changes: Vec<(i64, String, String, i64)> =
        tx.query_built("select at, kind, currency, delta from mrr_changes".to_owned()).all().await.unwrap();
    for (at, kind, currency, delta) in changes {
        expected.push(Fact::new(month_at(at), "mrr", &kind, &currency, 1, delta));
    }
    let kept = store::figures(&mut tx, i64::MIN).await.unwrap();
    assert_eq!(sums(&kept), sums(&expected));
    let kept: Vec<(i64, i64, i64)> = tx
        .query_built("select day, delivered, fetched from event_days order by day".to_owned())
        .all()
        .await
        .unwrap();
    let came = "select received_at / 86400, cast(sum(case when origin = 'delivery' then 1 else 0 end) as bigint),
        cast(sum(case when origin = 'list' then 1 else 0 end) as bigint) from webhook_events where state <> 'not_needed'
        group by received_at / 86400 order by received_at / 86400";
    assert_eq!(kept, tx.query_built(came.to_owned()).all::<(i64, i64, i64)>().await.unwrap());
}

fn sums(facts: &[Fact]) -> BTreeMap<(i64, &str, &str, &str), (i64, i64)> {
    let mut sums: BTreeMap<_, (i64, i64)> = BTreeMap::new();
    for fact in facts {
        let key = (fact.month, fact.figure.as_str(), fact.label.as_str(), fact.currency.as_str());
        let sum = sums.entry(key).or_default();
        *sum = (sum.0 + fact.count, sum.1 + fact.amount);
    }
    sums.retain(|_, sum| *sum != (0, 0));
    sums
}

fn at(day: &str) -> i64 {
    format!("{day}T12:00:00Z").parse::<jiff::Timestamp>().unwrap().as_second()
}

/// A price by the month or the year.
fn item(price: &str, currency: &str, interval: &str, amount: i64, quantity: i64) -> Value {
    json!({ "id": format!("si_{price}"), "quantity": quantity, "current_period_start": 1, "current_period_end": 2,
        "price": { "id": price, "product": "prod_plan", "active": true, "livemode": false, "currency": currency,
            "unit_amount": amount, "unit_amount_decimal": amount.to_string(), "metadata": {},
            "recurring": { "interval": interval, "interval_count": 1, "usage_type": "licensed", "meter": null } } })
}

fn metered() -> Value {
    json!({ "id": "si_tokens", "quantity": null,
        "price": { "id": "price_tokens", "product": "prod_tokens", "active": true, "currency": "jpy",
            "unit_amount": 100, "recurring": { "interval": "month", "interval_count": 1, "usage_type": "metered", "meter": "mtr_1" } } })
}

fn percent_off(id: &str, percent: f64, duration: &str) -> Value {
    json!({ "id": id, "end": null, "source": { "coupon": { "id": format!("c_{id}"), "valid": true, "percent_off": percent, "duration": duration } } })
}

struct Company<'a> {
    portal: &'a Portal,
    tenant: Tenant,
    currency: &'a str,
}

impl Company<'_> {
    fn customer(&self) -> CustomerId {
        format!("cus_{}", self.tenant.id).parse().unwrap()
    }

    /// What Stripe says of a subscription on a day.
    async fn is(&self, day: &str, id: &str, status: &str, items: &[Value], discounts: &[Value]) {
        let ended = (status == "canceled").then(|| at(day));
        let told = json!({ "id": id, "customer": self.customer(), "status": status, "currency": self.currency,
            "items": { "data": items, "has_more": false }, "livemode": false, "created": at(day), "start_date": at(day),
            "trial_start": null, "trial_end": null, "cancel_at": null, "canceled_at": ended, "ended_at": ended,
            "pause_collection": null, "pending_update": null, "collection_method": "charge_automatically",
            "default_payment_method": null, "discounts": discounts });
        let snapshot: Subscription = parse_value(&told).unwrap();
        let snapshot = Snapshot::Subscription(Box::new(snapshot), Plan::Unseen);
        let seen = Seen { at: at(day), now: from_seconds(at(day)), actor: Actor::Stripe(None) };
        let tenant = sync::Tenant { id: self.tenant.id.to_string(), created_at: 0 };
        let mut tx = self.portal.db.write().await.unwrap();
        sync::store::attach(&mut tx, self.tenant.id.as_str(), &self.customer(), false, at(day))
            .await
            .unwrap();
        sync::store::apply(&mut tx, &tenant, &snapshot, &seen).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// The example: what happened from September to November.
async fn history(portal: &Portal) {
    let norte = Company { portal, tenant: portal.tenant("Norte").await, currency: "eur" };
    let sur = Company { portal, tenant: portal.tenant("Sur").await, currency: "eur" };
    let kita = Company { portal, tenant: portal.tenant("Kita").await, currency: "jpy" };
    let year = [item("price_year", "eur", "year", 29_000, 1)];
    let ninety_nine = [item("price_99", "eur", "month", 9_900, 1)];
    let seats = |seats| [item("price_29", "eur", "month", 2_900, seats)];
    let eighth = [percent_off("di_eighth", 12.5, "forever")];
    norte.is("2026-09-05", "sub_norte", "active", &year, &[]).await;
    sur.is("2026-09-07", "sub_sur", "trialing", &seats(3), &eighth).await;
    sur.is("2026-09-10", "sub_sur", "active", &seats(3), &eighth).await;
    norte.is("2026-10-03", "sub_norte", "active", &ninety_nine, &[]).await;
    norte.is("2026-10-09", "sub_norte", "past_due", &ninety_nine, &[]).await;
    // Events name a discount by its id alone: what is known of it stays.
    sur.is("2026-10-20", "sub_sur", "active", &seats(1), &[json!("di_eighth")]).await;
    norte.is("2026-11-02", "sub_norte", "canceled", &ninety_nine, &[]).await;
    kita.is(
        "2026-11-10",
        "sub_kita",
        "active",
        &[item("price_yen", "jpy", "month", 3_000, 2), metered()],
        &[],
    )
    .await;
    norte.is("2026-11-15", "sub_norte_2", "active", &seats(1), &[percent_off("di_once", 50.0, "once")]).await;
    // Told again, by whomever: nothing more.
    norte.is("2026-11-16", "sub_norte_2", "active", &seats(1), &[json!("di_once")]).await;
    sur.is("2026-11-16", "sub_sur", "active", &seats(1), &eighth).await;
}

both_databases! {
    async fn figures_are_exact_to_the_cent_in_each_currency(portal: Portal) {
        history(&portal).await;
        assert_eq!(portal.count("select count(*) from mrr_changes").await, 7);
        agree_with_rows(&portal).await;
        let mut sam = portal.staff("Sam").await;
        let page = sam.get("/staff").await.expect(StatusCode::OK);
        // 29.00 less an eighth (3.63) and 29.00: 25.37 + 29.00. Yen have no cents.
        page.shows(&["€54.37", "€652.44", "¥6,000", "¥72,000", "Churn rate", "50%", "id=\"book-EUR\"", "id=\"book-JPY\""]);
        let months = sam.get("/staff/figures.csv").await.expect(StatusCode::OK);
        assert_eq!(months.header("content-type"), "text/csv; charset=utf-8; header=present");
        // September: 290.00 a year and three times 29.00 less 10.88; October: to 99.00, and to one seat; November as above.
        months.shows(&[
            "2026-09,EUR,0.00,100.29,0.00,0.00,0.00,0.00,100.29,1203.44,0,2,0,0,0,0,2,",
            "2026-10,EUR,100.29,0.00,0.00,74.83,-50.75,0.00,124.37,1492.44,2,0,0,1,1,0,2,",
            "2026-11,EUR,124.37,0.00,29.00,0.00,0.00,-99.00,54.37,652.44,2,0,1,0,0,1,2,",
            "2026-11,JPY,0,6000,0,0,0,0,6000,72000,0,1,0,0,0,0,1,",
        ]);
        sam.get("/staff/subscriptions.csv").await.shows(&["active,3\r\n", "canceled,1\r\n"]);
        sam.get("/staff/mrr-changes.csv").await.shows(&[
            ",EUR,contraction,-609.00,304.44\r\n", ",EUR,reactivated,348.00,348.00\r\n", ",JPY,new,72000,72000\r\n",
        ]);
    }

    async fn a_month_opens_with_what_the_one_before_closed_with_and_moves_by_its_movements(portal: Portal) {
        history(&portal).await;
        let facts = store::figures(&mut portal.db.read().await.unwrap(), 0).await.unwrap();
        let figures = billing_portal::staff::figures::Figures::new(&facts, 2026 * 12 + 10, 12);
        assert_eq!(figures.books.len(), 2);
        for book in figures.books {
            let mut before = 0;
            for (month, of) in &book.months {
                assert_eq!(of.opening, before, "{month}");
                assert_eq!(of.opening + of.moved.values().sum::<i64>(), of.closing, "{month}");
                before = of.closing;
            }
        }
    }

    async fn what_was_there_before_figures_were_kept_is_counted_once(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let id = norte.id.as_str();
        let seen = at("2026-11-20");
        portal.run("insert into prices (id, product_id, active, livemode, currency, unit_amount, recurring_interval, usage_type, seen_at)\
            values ('price_1', 'prod_1', true, false, 'eur', 2900, 'month', 'licensed', 1)").await;
        portal.run(&format!("insert into subscriptions (id, tenant_id, customer_id, status, currency, price_id, product_id, items, livemode,\
            started_at, created_at, seen_at) values ('sub_1', '{id}', 'cus_1', 'active', 'eur', 'price_1', 'prod_1',\
            '[{{\"price\":\"price_1\",\"quantity\":2}}]', false, {started}, {started}, {seen})", started = at("2026-08-01"))).await;
        for (charge, status, refunded) in [("ch_1", "succeeded", 1000), ("ch_2", "succeeded", 0), ("ch_3", "failed", 0)] {
            portal.run(&format!("insert into charges (id, tenant_id, customer_id, amount, amount_refunded, currency, status, created_at,\
                refunded_at, seen_at) values ('{charge}', '{id}', 'cus_1', 2900, {refunded}, 'eur', '{status}', {seen}, {seen}, {seen})")).await;
        }
        portal.run(&format!("insert into invoices (id, tenant_id, customer_id, status, currency, subtotal, total, amount_due, amount_paid,\
            amount_remaining, period_start, period_end, created_at, paid_at, attempt_count, seen_at) values ('in_1', '{id}', 'cus_1', 'paid', 'eur',\
            2900, 2900, 2900, 2900, 0, 1, 1, 1, {seen}, 2, {seen})")).await;
        for (kind, one) in [("subscription", "sub_1"), ("charge", "ch_1"), ("charge", "ch_2"), ("charge", "ch_3"), ("invoice", "in_1")] {
            portal.run(&format!("insert into figure_backlog (kind, id) values ('{kind}', '{one}')")).await;
        }
        worker::settle(&portal.app).await;
        agree_with_rows(&portal).await;
        let mut sam = portal.staff("Sam").await;
        sam.get("/staff").await.shows(&["€58.00", "33.33%"]);
        sam.get("/staff/figures.csv").await.shows(&[
            "2026-08,EUR,0.00,58.00,", "2026-11,EUR,58.00,0.00,0.00,0.00,0.00,0.00,58.00,696.00,1,0,0,0,0,0,1,2,58.00,1,29.00,1,29.00,1,10.00\r\n",
        ]);
    }

    async fn changes_of_revenue_are_only_ever_added(portal: Portal) {
        history(&portal).await;
        for deed in ["update mrr_changes set delta = 0", "delete from mrr_changes"] {
            let mut tx = portal.db.write().await.unwrap();
            assert!(tx.query_built(deed.to_owned()).run().await.is_err(), "{deed}");
        }
    }

    async fn to_others_the_pages_of_the_staff_do_not_exist(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let owner = portal.user("Ana", &[(&norte, billing_portal::auth::Role::Owner)]).await;
        let (mut ana, mut sam) = (portal.signed_in(&owner).await, portal.staff("Sam").await);
        let tenant = format!("/staff/tenants/{}", norte.id);
        let pages = ["/staff", "/staff/figures.csv", "/staff/subscriptions.csv", "/staff/mrr-changes.csv", "/staff/health.csv", "/staff/tenants", &tenant, &format!("{tenant}/timeline")];
        for page in pages {
            ana.get(page).await.expect(StatusCode::NOT_FOUND);
            portal.browser().get(page).await.expect(StatusCode::SEE_OTHER);
            sam.get(page).await.expect(StatusCode::OK);
        }
        ana.get("/").await;
        for form in ["resync", "plans", "behalf"] {
            ana.post(&format!("{tenant}/{form}"), &[("member", owner.id.as_str()), ("reason", "x"), ("product", "p"), ("show", "true")])
                .await.expect(StatusCode::NOT_FOUND);
        }
        sam.get("/staff").await.shows(&["No revenue yet", "Nobody has subscribed yet."]);
        for (to, _) in billing_portal::staff::PAGES {
            sam.get(to).await.expect(StatusCode::OK).shows(&[&format!("<a href=\"{to}\" aria-current=\"page\">")]);
        }
    }
}
