//! Whatever is done in whatever order: what is charged is what was shown, and every page can show the state that follows.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use billing_portal::app::{self, App};
use billing_portal::catalog::policy::Catalog;
use billing_portal::catalog::setup;
use billing_portal::db::Db;
use billing_portal::i18n::Language;
use billing_portal::money::{Currency, Money};
use billing_portal::sync;
use billing_portal::tenants::Tenant;
use http::StatusCode;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use serde_json::Value;

use super::{PAYS, hidden, hosted, pay};
use crate::support::browser::Browser;
use crate::support::databases::{on_postgres, on_sqlite};
use crate::support::portal::PASSWORD;
use crate::support::world::World;

const PLANS: [&str; 3] = ["starter", "professional", "enterprise"];
const INTERVALS: [&str; 2] = ["month", "year"];
const CURRENCIES: [&str; 4] = ["eur", "usd", "jpy", "kwd"];
const CODES: [&str; 3] = ["", "50OFF", "FIRST_MONTH_FREE"];
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

/// Something that is done, or happens.
#[derive(Clone, Debug)]
enum Act {
    Subscribe { plan: usize, interval: usize, seats: i64, currency: usize, code: usize },
    Change { plan: usize, interval: usize, seats: i64 },
    Undo,
    Cancel { now: bool },
    Resume,
    Pause,
    Collect,
    BreakCard { asks: bool },
    PayAll,
    Pass { hours: i64 },
}

fn act() -> impl Strategy<Value = Act> {
    let plan = || (0..PLANS.len(), 0..INTERVALS.len(), 1_i64..6);
    prop_oneof![
        6 => plan().prop_map(|(plan, interval, seats)| Act::Change { plan, interval, seats }),
        2 => (plan(), 0..CURRENCIES.len(), 0..CODES.len()).prop_map(|((plan, interval, seats), currency, code)| {
            Act::Subscribe { plan, interval, seats, currency, code }
        }),
        1 => Just(Act::Undo),
        1 => any::<bool>().prop_map(|now| Act::Cancel { now }),
        1 => Just(Act::Resume),
        1 => Just(Act::Pause),
        1 => Just(Act::Collect),
        1 => any::<bool>().prop_map(|asks| Act::BreakCard { asks }),
        1 => Just(Act::PayAll),
        4 => (1_i64..24 * 40).prop_map(|hours| Act::Pass { hours }),
    ]
}

fn life() -> impl Strategy<Value = Vec<Act>> {
    let first = (0..PLANS.len(), 0..INTERVALS.len(), 1_i64..6, 0..CURRENCIES.len(), 0..CODES.len());
    let first = first.prop_map(|(plan, interval, seats, currency, code)| Act::Subscribe {
        plan,
        interval,
        seats,
        currency,
        code,
    });
    (first, prop::collection::vec(act(), 3..8)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    })
}

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
             where c.tenant_id = '{}' and not c.deleted and s.status = 'active' and s.pause_behavior is null
             and not s.pending_update and s.cancel_at is null and not s.cancel_at_period_end",
            self.tenant.id
        );
        let mut tx = self.world.portal.db.read().await.unwrap();
        let row: Option<(Option<String>, String)> = tx.query_built(sql).optional().await.unwrap();
        let (next, subscription) = row?;
        let next: Value = serde_json::from_str(&next?).unwrap();
        Some((next["amount_due"].as_i64().unwrap(), subscription))
    }

    async fn pass(&self, hours: i64) {
        let to = self.world.portal.clock.now() + jiff::SignedDuration::from_hours(hours);
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
            Act::Subscribe { plan, interval, seats, currency, code } => {
                self.subscribe(*plan, *interval, *seats, CURRENCIES[*currency], CODES[*code]).await;
            }
            Act::Change { plan, interval, seats } => self.change(*plan, *interval, *seats).await,
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
            Act::Pass { hours } => self.pass_and_compare(*hours).await,
        }
        self.settle().await;
    }

    async fn try_post(&mut self, path: &str, form: &[(&str, &str)]) {
        self.owner.get("/account").await;
        let answer = self.owner.post(path, form).await;
        let fits = matches!(answer.status, StatusCode::SEE_OTHER | StatusCode::CONFLICT);
        assert!(fits, "{path}: {} {}", answer.status, answer.body);
    }

    async fn subscribe(&mut self, plan: usize, interval: usize, seats: i64, currency: &str, code: &str) {
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
            let known = matches!(answer.status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY);
            assert!(known, "{} {}", answer.status, answer.body);
            return;
        }
        let page = answer.location().to_owned();
        if !code.is_empty() {
            hosted(&page, Some(&[("do", "promotion"), ("code", code)])).await;
        }
        let paid = pay(&page, PAYS).await;
        assert_eq!(paid.status, StatusCode::SEE_OTHER, "{}", paid.body);
        self.currency = currency.parse().unwrap();
    }

    /// Changes, if it may, and holds what was charged against what was shown.
    async fn change(&mut self, plan: usize, interval: usize, seats: i64) {
        let seats = if PLANS[plan] == "professional" { seats.to_string() } else { "1".to_owned() };
        self.owner.get("/plans").await;
        let form = [("plan", PLANS[plan]), ("interval", INTERVALS[interval]), ("quantity", &seats)];
        let review = self.owner.post("/subscription/change/review", &form).await;
        if review.status != StatusCode::OK {
            let known = matches!(review.status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY);
            assert!(known, "{} {}", review.status, review.body);
            return;
        }
        well_formed("/subscription/change/review", &review.body);
        let of_changes = format!(
            "select id from invoices where tenant_id = '{}' and billing_reason = 'subscription_update'",
            self.tenant.id
        );
        // Several changes fall into one second: its invoice is the one that was not there before.
        let before = self.world.texts(&of_changes).await;
        let quote = hidden(&review.body, "quote").to_owned();
        let confirmed = self.owner.post("/subscription/change", &[("quote", &quote)]).await;
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
        let customer = self
            .world
            .texts(&format!("select id from customers where tenant_id = '{}'", self.tenant.id))
            .await;
        if let Some(customer) = customer.first() {
            self.world.control.card(customer, number).await.unwrap();
        }
    }

    async fn pay_all(&self) {
        self.card(PAYS).await;
        let open = format!(
            "select id from invoices where tenant_id = '{}' and status = 'open' order by created_at",
            self.tenant.id
        );
        for invoice in self.world.texts(&open).await {
            let request = stripe_client_core::RequestBuilder::new(
                stripe_client_core::StripeMethod::Post,
                format!("/invoices/{invoice}/pay"),
            );
            let key = billing_portal::stripe::Key::random();
            // One that was paid, voided or given up since says so.
            let _ = self
                .app
                .stripe
                .call::<Value>(request, Some(&key), billing_portal::stripe::Budget::work())
                .await;
        }
    }

    /// Lets time pass; the first renewal on the way asks for what the overview said it would.
    async fn pass_and_compare(&self, hours: i64) {
        let next = self.next_invoice().await;
        let renewals =
            "select count(*) from invoices where tenant_id = $T and billing_reason = 'subscription_cycle'";
        let before = self.number(renewals).await;
        self.pass(hours).await;
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
            let fits = answer.status == StatusCode::OK || (asks && answer.status == StatusCode::CONFLICT);
            assert!(fits, "{path} after {after:?}: {} {}", answer.status, answer.body);
            well_formed(path, &answer.body);
        }
    }
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
    assert!(!page.contains("{ $") && !page.contains("NaN"), "{path}: {page}");
}

/// Runs lives, one after the other, each of a company of its own in one world.
async fn lives(db: Db, cases: u32) {
    let world = World::bare(db).await;
    let parts = &world.portal.app;
    let catalog = catalog();
    setup::run(&parts.stripe, &catalog, setup::Wish::default()).await.unwrap();
    world.settle().await;
    sync::catalogue(&parts.db, &parts.stripe).await.unwrap();
    let app =
        App::new(parts.db.clone(), parts.clock.clone(), parts.stripe.clone(), parts.config.clone(), catalog);
    let router = app::router(app.clone());
    let config = Cases { cases, max_shrink_iters: 12, failure_persistence: None, ..Cases::default() };
    let numbers = AtomicU32::new(1);
    let done = TestRunner::new(config).run(&life(), |acts| {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let case = async {
            let (tenant, _) = world.owner_of(&format!("Company {number}")).await;
            let mut owner = Browser::new(router.clone());
            owner.sign_in(&format!("company.{number}.owner@people.example"), PASSWORD, "/").await;
            let mut company = Company { world: &world, app: &app, tenant, owner, currency: Currency::EUR };
            for act in &acts {
                company.act(act).await;
                company.look_around(act).await;
            }
            company.act(&Act::PayAll).await;
            company.act(&Act::Cancel { now: true }).await;
            world.stripe.verdict().assert_clean();
            world.stripe.forget();
        };
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
