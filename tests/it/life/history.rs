//! Whatever is done in whatever order: what is charged is what was shown, and every page can show the state that follows.
//! `PROPTEST_RNG_SEED=random PROPTEST_CASES=500` lives through lives that nobody saw before.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use billing_portal::app::{self, App};
use billing_portal::catalog::policy::Catalog;
use billing_portal::catalog::setup;
use billing_portal::db::Db;
use billing_portal::i18n::Language;
use billing_portal::money::{Currency, Money};
use billing_portal::sync;
use billing_portal::tenants::Tenant;
use http::StatusCode;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::acts::{Act, CARDS, CODES, COUPONS, CURRENCIES, Deed, INTERVALS, PLANS, Wish, charted, life};
use super::{PAYS, hidden, hosted, pay};
use crate::support::browser::Browser;
use crate::support::cases::cases;
use crate::support::databases::{on_postgres, on_sqlite};
use crate::support::portal::PASSWORD;
use crate::support::world::World;

/// Every page that a tenant's owner can look at.
const PAGES: [&str; 14] = [
    "/",
    "/plans",
    "/plans?interval=year",
    "/usage",
    "/invoices",
    "/billing-details",
    "/payment",
    "/audit",
    "/account",
    "/subscription/cancel",
    "/subscription/resume",
    "/subscription/pause",
    "/subscription/collect",
    "/invoices?status=open",
];

/// The default catalogue with odd amounts in four currencies, one plan by the seat, and everything allowed.
fn catalog() -> Catalog {
    let mut catalog = Catalog::load(None).unwrap();
    (catalog.policy.cancel_now, catalog.policy.pause) = (true, true);
    for (place, plan) in catalog.plans.iter_mut().enumerate() {
        let factor = [1, 3, 10][place];
        for (amounts, times) in [(&mut plan.prices.month, 1), (&mut plan.prices.year, 10)] {
            let amounts = amounts.as_mut().unwrap();
            for (code, one) in [("usd", 3333), ("jpy", 4321), ("kwd", 9870)] {
                amounts.insert(code.parse().unwrap(), one * factor * times);
            }
        }
        plan.per_seat = plan.slug == "professional";
        plan.trial_days = if plan.slug == "starter" { 10 } else { 0 };
    }
    for metered in &mut catalog.metered {
        for (code, each) in [("usd", "0.00037"), ("jpy", "0.000051"), ("kwd", "0.0011")] {
            metered.unit_amount_decimal.insert(code.parse().unwrap(), each.to_owned());
        }
    }
    catalog
}

/// One company of the world of all cases.
struct Company<'a> {
    world: &'a World,
    app: &'a App,
    tenant: Tenant,
    owner: Browser,
    currency: Currency,
}

impl Company<'_> {
    async fn number(&self, sql: &str) -> i64 {
        self.world.portal.count(&sql.replace("$T", &format!("'{}'", self.tenant.id))).await
    }

    /// What the overview says the next invoice will ask for, and of which subscription.
    async fn next_invoice(&self) -> Option<(i64, String)> {
        let sql = format!(
            "select c.next_invoice, s.id from customers c join subscriptions s on s.tenant_id = c.tenant_id
             where c.tenant_id = '{}' and not c.deleted and s.status in ('active', 'trialing') and s.pause_behavior is null
             and not s.pending_update and s.cancel_at is null and not s.cancel_at_period_end",
            self.tenant.id
        );
        let mut tx = self.world.portal.db.read().await.unwrap();
        let row: Option<(Option<String>, String)> = tx.query_built(sql).optional().await.unwrap();
        let (next, subscription) = row?;
        let next: Value = serde_json::from_str(&next?).unwrap();
        Some((next["amount_due"].as_i64().unwrap(), subscription))
    }

    async fn pass(&self, seconds: i64) {
        let to = self.world.portal.clock.now() + jiff::SignedDuration::from_secs(seconds);
        self.world.control.advance(to).await.unwrap();
        self.world.portal.clock.travel_to(to);
        self.settle().await;
    }

    async fn settle(&self) {
        self.world.control.idle().await.unwrap();
        billing_portal::worker::settle(self.app).await;
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Subscribe { wish, currency, code, card } => {
                self.subscribe(*wish, CURRENCIES[*currency], CODES[*code], CARDS[*card]).await;
            }
            Act::Change { wish, wait } => self.change(*wish, *wait).await,
            Act::Undo => self.try_post("/subscription/change/undo", &[]).await,
            Act::Cancel { now: true } => self.try_post("/subscription/cancel", &[("when", "now")]).await,
            Act::Cancel { now: false } => {
                self.try_post("/subscription/cancel", &[("reason", "unused")]).await;
            }
            Act::Resume => self.try_post("/subscription/resume", &[]).await,
            Act::Pause => self.try_post("/subscription/pause", &[]).await,
            Act::Collect => self.try_post("/subscription/collect", &[]).await,
            Act::BreakCard { asks } => {
                self.card(if *asks { "4000002760003184" } else { "4000000000000341" }).await;
            }
            Act::PayAll => self.pay_all().await,
            Act::Use { tokens } => self.uses(*tokens).await,
            Act::Dashboard(deed) => self.dashboard(deed).await,
            Act::Pass { seconds } => self.pass_and_compare(*seconds).await,
        }
        self.settle().await;
    }

    /// Asks something of Stripe by its API; nothing where it is refused.
    async fn ask(&self, path: &str, form: Value) -> Option<Value> {
        let request =
            stripe_client_core::RequestBuilder::new(stripe_client_core::StripeMethod::Post, path).form(&form);
        let key = billing_portal::stripe::Key::random();
        let budget = billing_portal::stripe::Budget::work();
        Some(self.app.stripe.call::<Value>(request, Some(&key), budget).await.ok()?.value)
    }

    async fn customer(&self) -> Option<String> {
        let sql = format!("select id from customers where tenant_id = '{}' and not deleted", self.tenant.id);
        self.world.texts(&sql).await.pop()
    }

    /// The subscription that is not over.
    async fn live(&self) -> Option<String> {
        let sql = format!(
            "select id from subscriptions where tenant_id = '{}' and status not in ('canceled', 'incomplete_expired')",
            self.tenant.id
        );
        self.world.texts(&sql).await.pop()
    }

    async fn uses(&self, tokens: i64) {
        let Some(customer) = self.customer().await else { return };
        let event = self.app.catalog.metrics.iter().find_map(|metric| metric.meter.clone()).expect("a meter");
        let form = json!({
            "event_name": event, "payload": { "stripe_customer_id": customer, "value": tokens.to_string() },
        });
        self.ask("/billing/meter_events", form).await;
        // Nothing tells of use: what pages show of it is as old as the last look.
        let (app, id) = (self.app, customer.parse().unwrap());
        let (actor, budget) = (billing_portal::audit::Actor::Command, billing_portal::stripe::Budget::work());
        sync::refetch(&app.db, &app.stripe, &app.clock, &id, &actor, budget).await.unwrap();
    }

    async fn dashboard(&mut self, deed: &Deed) {
        let live = self.live().await;
        let customer = match (self.customer().await, deed) {
            (Some(customer), _) => customer,
            (None, Deed::Incomplete | Deed::SleepyTrial) => {
                let budget = billing_portal::stripe::Budget::work();
                billing_portal::checkout::customer(self.app, &self.tenant, Language::En, budget)
                    .await
                    .unwrap()
                    .to_string()
            }
            (None, _) => return,
        };
        match (deed, live) {
            (Deed::Incomplete | Deed::SleepyTrial, None) => self.subscribe_there(&customer, deed).await,
            (Deed::Balance { minor }, _) => {
                let minor = minor / self.currency.step() * self.currency.step();
                self.ask(&format!("/customers/{customer}"), json!({ "balance": minor })).await;
            }
            (Deed::Refund, _) => {
                let sql = format!(
                    "select id from charges where tenant_id = '{}' and status = 'succeeded'",
                    self.tenant.id
                );
                if let Some(charge) = self.world.texts(&sql).await.pop() {
                    self.ask("/refunds", json!({ "charge": charge })).await;
                }
            }
            (Deed::Edit { wish }, Some(live)) => self.edit_there(&live, *wish).await,
            (Deed::Coupon { which }, Some(live)) => {
                let form = json!({ "discounts": [{ "coupon": COUPONS[*which].0 }] });
                self.ask(&format!("/subscriptions/{live}"), form).await;
            }
            (Deed::Sleep, Some(live)) => {
                self.ask(&format!("/subscriptions/{live}/pause"), json!({ "type": "subscription" })).await;
            }
            (Deed::EndWithPeriod, Some(live)) => {
                self.ask(&format!("/subscriptions/{live}"), json!({ "cancel_at_period_end": true })).await;
            }
            _ => {}
        }
    }

    /// A subscription that is made in the dashboard, in the currency of the catalogue.
    async fn subscribe_there(&mut self, customer: &str, deed: &Deed) {
        let address = json!({ "country": "ES", "postal_code": "28013" });
        self.ask(&format!("/customers/{customer}"), json!({ "address": address })).await;
        let price = self.world.price_of("professional", "month").await;
        let mut form = json!({
            "customer": customer, "items": [{ "price": price, "quantity": 2 }], "currency": "eur",
            "automatic_tax": { "enabled": true },
        });
        if matches!(deed, Deed::Incomplete) {
            self.card(CARDS[2]).await;
        } else {
            form["trial_period_days"] = json!(3);
            form["trial_settings"] = json!({ "end_behavior": { "missing_payment_method": "pause" } });
        }
        if self.ask("/subscriptions", form).await.is_some() {
            self.currency = Currency::EUR;
        }
    }

    /// Another price for what is bought, settled with the next invoice.
    async fn edit_there(&self, live: &str, (plan, interval, seats): Wish) {
        let sub = self.world.read(&format!("/subscriptions/{live}")).await;
        let licensed =
            sub["items"]["data"].as_array().unwrap().iter().find(|item| !item["quantity"].is_null());
        let Some(item) = licensed else { return };
        let price = self.world.price_of(PLANS[plan], INTERVALS[interval]).await;
        let items =
            json!([{ "id": item["id"], "price": price, "quantity": if plan == 1 { seats } else { 1 } }]);
        self.ask(&format!("/subscriptions/{live}"), json!({ "items": items })).await;
    }

    async fn try_post(&mut self, path: &str, form: &[(&str, &str)]) {
        self.owner.get("/account").await;
        let answer = self.owner.post(path, form).await;
        let fits = answer.status == StatusCode::SEE_OTHER || is_refusal(answer.status);
        assert!(fits, "{path}: {} {}", answer.status, answer.body);
    }

    async fn subscribe(&mut self, (plan, interval, seats): Wish, currency: &str, code: &str, card: &str) {
        let seats = if PLANS[plan] == "professional" { seats.to_string() } else { "1".to_owned() };
        self.owner.get("/plans").await;
        let form = [
            ("plan", PLANS[plan]),
            ("interval", INTERVALS[interval]),
            ("quantity", &seats),
            ("currency", currency),
        ];
        let answer = self.owner.post("/checkout", &form).await;
        if answer.status != StatusCode::SEE_OTHER {
            assert!(is_refusal(answer.status), "{} {}", answer.status, answer.body);
            return;
        }
        let page = answer.location().to_owned();
        if !code.is_empty() {
            hosted(&page, Some(&[("do", "promotion"), ("code", code)])).await;
        }
        let paid = pay(&page, card).await;
        if card != PAYS && paid.status == StatusCode::UNPROCESSABLE_ENTITY {
            assert!(paid.body.contains("Nothing was charged"), "{}", paid.body);
            return;
        }
        assert_eq!(paid.status, StatusCode::SEE_OTHER, "{}", paid.body);
        self.currency = currency.parse().unwrap();
    }

    /// Changes, if it may, some seconds after it was reviewed, and holds what was charged against what was shown.
    async fn change(&mut self, (plan, interval, seats): Wish, wait: i64) {
        let seats = if PLANS[plan] == "professional" { seats.to_string() } else { "1".to_owned() };
        self.owner.get("/plans").await;
        let form = [("plan", PLANS[plan]), ("interval", INTERVALS[interval]), ("quantity", &seats)];
        let review = self.owner.post("/subscription/change/review", &form).await;
        if review.status != StatusCode::OK {
            assert!(is_refusal(review.status), "{} {}", review.status, review.body);
            return;
        }
        well_formed("/subscription/change/review", &review.body);
        if wait > 0 {
            self.pass(wait).await;
        }
        let of_changes = format!(
            "select id from invoices where tenant_id = '{}' and billing_reason = 'subscription_update'",
            self.tenant.id
        );
        // Several changes fall into one second: its invoice is the one that was not there before.
        let before = self.world.texts(&of_changes).await;
        let quote = hidden(&review.body, "quote").to_owned();
        let confirmed = self.owner.post("/subscription/change", &[("quote", &quote)]).await;
        if wait > 0 && matches!(confirmed.status, StatusCode::GONE | StatusCode::CONFLICT) {
            // Too old, or overtaken: nothing is charged, and what it costs now is shown.
            self.settle().await;
            assert_eq!(self.world.texts(&of_changes).await, before, "nothing is charged");
            well_formed("/subscription/change", &confirmed.body);
            return;
        }
        let confirmed = confirmed.expect(StatusCode::SEE_OTHER);
        self.owner.follow(&confirmed).await.expect(StatusCode::OK);
        self.settle().await;
        let shown = |label: &str| {
            let rest = review.body.split(&format!("<th scope=\"row\">{label}</th>")).nth(1)?;
            let cell = rest.split("</td>").next()?.rsplit("class=\"num\">").next()?;
            Some(cell.replace("<strong>", "").replace("</strong>", ""))
        };
        let mut made = self.world.texts(&of_changes).await;
        made.retain(|invoice| !before.contains(invoice));
        assert!(made.len() <= 1, "one invoice at most");
        let words = |minor: i64| Language::En.money(Money::new(minor, self.currency));
        let Some(made) = made.first() else {
            assert_eq!(shown("Due today"), Some(words(0)));
            return;
        };
        let sql = format!(
            "select amount_due, subtotal, discount, tax, total, lines, taxes from invoices where id = '{made}'"
        );
        let mut tx = self.world.portal.db.read().await.unwrap();
        let row: (i64, i64, i64, i64, i64, String, String) = tx.query_built(sql).one().await.unwrap();
        drop(tx);
        let (due, subtotal, discount, tax, total, lines, taxes) = row;
        let amounts = |json: &str| -> Vec<i64> {
            let all: Vec<Value> = serde_json::from_str(json).unwrap();
            all.iter().map(|one| one["amount"].as_i64().unwrap()).collect()
        };
        let lines = amounts(&lines);
        let credit: i64 = lines.iter().filter(|amount| **amount < 0).sum();
        let charge: i64 = lines.iter().filter(|amount| **amount > 0).sum();
        assert_eq!(shown("Due today"), Some(words(due)), "{lines:?}");
        assert_eq!(shown("Charge"), Some(words(charge)));
        assert_eq!(shown("Credit for what is left of the period"), (credit != 0).then(|| words(credit)));
        assert_eq!(shown("Tax"), (tax != 0).then(|| words(tax)));
        assert_eq!(lines.iter().sum::<i64>(), subtotal, "the lines add up");
        assert_eq!(
            (amounts(&taxes).iter().sum::<i64>(), subtotal - discount + tax),
            (tax, total),
            "to the cent"
        );
    }

    async fn card(&self, number: &str) {
        if let Some(customer) = self.customer().await {
            self.world.control.card(&customer, number).await.unwrap();
        }
    }

    async fn pay_all(&self) {
        self.card(PAYS).await;
        let open = format!(
            "select id from invoices where tenant_id = '{}' and status = 'open' order by created_at",
            self.tenant.id
        );
        for invoice in self.world.texts(&open).await {
            // One that was paid, voided or given up since says so.
            self.ask(&format!("/invoices/{invoice}/pay"), json!({})).await;
        }
    }

    /// Lets time pass; the first renewal on the way asks for what the overview said it would.
    async fn pass_and_compare(&self, seconds: i64) {
        let next = self.next_invoice().await;
        let renewals =
            "select count(*) from invoices where tenant_id = $T and billing_reason = 'subscription_cycle'";
        let before = self.number(renewals).await;
        self.pass(seconds).await;
        let (Some((amount, subscription)), true) = (next, self.number(renewals).await == before + 1) else {
            return;
        };
        let sql = format!(
            "select amount_due from invoices where tenant_id = '{}' and subscription_id = '{subscription}'
             and billing_reason = 'subscription_cycle' order by created_at desc limit 1",
            self.tenant.id
        );
        assert_eq!(self.number(&sql).await, amount, "the invoice is the one that the overview showed");
    }

    /// Every page can show what there is.
    async fn look_around(&mut self, after: &Act) {
        for path in PAGES {
            let mut answer = self.owner.get(path).await;
            if answer.status == StatusCode::SEE_OTHER {
                answer = self.owner.follow(&answer).await;
            }
            let asks = path.starts_with("/subscription/");
            let fits = answer.status == StatusCode::OK
                || (asks && matches!(answer.status, StatusCode::CONFLICT | StatusCode::FORBIDDEN));
            assert!(fits, "{path} after {after:?}: {} {}", answer.status, answer.body);
            well_formed(path, &answer.body);
        }
    }
}

/// Not in this state, not for sale, or not while a payment is missing: each says so on a page.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::FORBIDDEN)
}

/// What axe would find first: a title, one heading and one main part, a language, no id twice, no text without words.
fn well_formed(path: &str, page: &str) {
    let count = |mark: &str| page.matches(mark).count();
    assert_eq!((count("<h1"), count("<main"), count("<html lang=\"en\"")), (1, 1, 1), "{path}: {page}");
    let title =
        page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
    assert!(title.len() > 5, "{path} has no title");
    let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let once: BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(once.len(), ids.len(), "{path} has an id twice: {ids:?}");
    for label in page.split("<label for=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(ids.contains(&label), "{path}: the label of {label} leads nowhere");
    }
    // As a word: the letters of a signed quote may spell it by chance.
    let words = page.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
    assert!(!page.contains("{ $") && !words.into_iter().any(|word| word == "NaN"), "{path}: {page}");
}

/// Lives one life, in a company of its own; the states that its subscriptions were seen in.
async fn live(world: &World, app: &App, router: &Router, number: u32, acts: &[Act]) -> Vec<String> {
    let (tenant, _) = world.owner_of(&format!("Company {number}")).await;
    let mut owner = Browser::new(router.clone());
    owner.sign_in(&format!("company.{number}.owner@people.example"), PASSWORD, "/").await;
    let mut company = Company { world, app, tenant, owner, currency: Currency::EUR };
    let statuses = format!("select status from subscriptions where tenant_id = '{}'", company.tenant.id);
    let mut seen = Vec::new();
    for act in acts {
        Box::pin(company.act(act)).await;
        company.look_around(act).await;
        seen.extend(world.texts(&statuses).await);
    }
    Box::pin(company.act(&Act::PayAll)).await;
    Box::pin(company.act(&Act::Cancel { now: true })).await;
    world.stripe.verdict().assert_clean();
    world.stripe.forget();
    seen
}

/// Runs lives, one after the other, each of a company of its own in one world.
async fn lives(db: Db, count: u32) {
    let world = World::bare(db).await;
    let parts = &world.portal.app;
    let catalog = catalog();
    setup::run(&parts.stripe, &catalog, setup::Wish::default()).await.unwrap();
    world.settle().await;
    sync::catalogue(&parts.db, &parts.stripe).await.unwrap();
    let app =
        App::new(parts.db.clone(), parts.clock.clone(), parts.stripe.clone(), parts.config.clone(), catalog);
    let router = app::router(app.clone());
    for (coupon, kind, off) in COUPONS {
        let mut form = json!({ "id": coupon, "name": coupon });
        form[kind] = json!(off);
        match coupon {
            "TENTH" => form["duration"] = json!("forever"),
            "QUARTER" => (form["duration"], form["duration_in_months"]) = (json!("repeating"), json!(2)),
            _ => (form["duration"], form["currency"]) = (json!("forever"), json!("eur")),
        }
        world.post("/coupons", form).await;
    }
    world.switch("settings", json!({ "after_retries": "unpaid" })).await;
    let numbers = AtomicU32::new(1);
    let next = || numbers.fetch_add(1, Ordering::Relaxed);
    let mut seen = BTreeSet::new();
    for acts in charted() {
        seen.extend(Box::pin(live(&world, &app, &router, next(), &acts)).await);
    }
    let all = [
        "active",
        "canceled",
        "incomplete",
        "incomplete_expired",
        "past_due",
        "paused",
        "trialing",
        "unpaid",
    ];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all, "each was looked at");
    let done = TestRunner::new(cases(count, 40)).run(&life(), |acts| {
        let case = live(&world, &app, &router, next(), &acts);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(case));
        Ok(())
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}

#[test]
fn any_life_is_charged_as_shown_and_can_be_looked_at_on_sqlite() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(on_sqlite(|db: Db| lives(db, 24)));
}

#[test]
fn any_life_is_charged_as_shown_and_can_be_looked_at_on_postgres() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(on_postgres(|db: Db| lives(db, 12)));
}
