//! What happened to the companies of the demo.

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::cast::{Company, ask_to_join, found, staff};
use super::usage::{self, Habit};
use super::{Step, TimeMachine};
use crate::app::App;
use crate::auth::Role;
use crate::catalog::{self, Interval};
use crate::checkout;
use crate::cli::Failure;
use crate::stripe::calls::schedules;
use crate::stripe::calls::subscriptions::{self, Reason};
use crate::stripe::snapshot::Phase;
use crate::stripe::{Budget, CustomerId, Key, SubscriptionId};
use crate::tenants::Tenant;

/// A card that pays, and one that is declined at every charge.
pub(super) const CARD_THAT_PAYS: &str = "4242424242424242";
pub(super) const CARD_THAT_FAILS: &str = "4000000000000341";

pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) domain: &'static str,
    pub(super) language: &'static str,
    pub(super) time_zone: &'static str,
    pub(super) story: &'static str,
    pub(super) people: &'static [(&'static str, &'static str, Role)],
    plan: Option<(&'static str, &'static str)>,
    acts: &'static [(Ago, Act)],
    /// What it uses, from its first act to its cancellation; one without acts for some weeks.
    uses: &'static [Habit],
}

/// How long before today.
#[derive(Clone, Copy)]
struct Ago {
    months: i64,
    days: i64,
}

#[derive(Clone, Copy)]
enum Act {
    Subscribe {
        trial_days: u32,
    },
    CardFails,
    CancelAtEnd,
    CancelNow,
    /// Plans a smaller plan, by its slug, for the end of the period.
    PlanDowngrade(&'static str),
    /// What the portal is never told of.
    CancelUnheard,
}

const fn ago(months: i64, days: i64) -> Ago {
    Ago { months, days }
}

const SCRIPTS: &[Script] = &[
    Script {
        name: "Acorn Studio",
        domain: "acorn.example",
        language: "en",
        time_zone: "Europe/London",
        story: "demo-free",
        people: &[("Ada Palmer", "ada", Role::Owner)],
        plan: None,
        acts: &[],
        uses: usage::FREE,
    },
    Script {
        name: "Birch & Sons",
        domain: "birch.example",
        language: "en",
        time_zone: "Europe/Berlin",
        story: "demo-active",
        people: &[
            ("Bruno Lang", "bruno", Role::Owner),
            ("Britta Sommer", "britta", Role::Admin),
            ("Bea Roth", "bea", Role::Supervisor),
            ("Ben Ott", "ben", Role::Operator),
        ],
        plan: Some(("professional", "month")),
        acts: &[(ago(3, 5), Act::Subscribe { trial_days: 0 })],
        uses: usage::STEADY,
    },
    Script {
        name: "Cedro Labs",
        domain: "cedro.example",
        language: "es",
        time_zone: "Europe/Madrid",
        story: "demo-trial",
        people: &[("Carmen Vidal", "carmen", Role::Owner), ("Celia Mora", "celia", Role::Admin)],
        plan: Some(("professional", "month")),
        acts: &[(ago(0, 10), Act::Subscribe { trial_days: 14 })],
        uses: usage::NEAR,
    },
    Script {
        name: "Dune Media",
        domain: "dune.example",
        language: "en",
        time_zone: "America/New_York",
        story: "demo-past-due",
        people: &[("Dora Klein", "dora", Role::Owner)],
        plan: Some(("starter", "month")),
        acts: &[(ago(2, 3), Act::Subscribe { trial_days: 0 }), (ago(0, 20), Act::CardFails)],
        uses: usage::LIGHT,
    },
    Script {
        name: "Elm Logistics",
        domain: "elm.example",
        language: "en",
        time_zone: "UTC",
        story: "demo-canceling",
        people: &[("Emil Novak", "emil", Role::Owner)],
        plan: Some(("starter", "month")),
        acts: &[(ago(1, 12), Act::Subscribe { trial_days: 0 }), (ago(0, 4), Act::CancelAtEnd)],
        uses: usage::OVER,
    },
    Script {
        name: "Fjord Travel",
        domain: "fjord.example",
        language: "en",
        time_zone: "Europe/Oslo",
        story: "demo-canceled",
        people: &[("Freya Lund", "freya", Role::Owner)],
        plan: Some(("starter", "month")),
        acts: &[(ago(2, 1), Act::Subscribe { trial_days: 0 }), (ago(0, 7), Act::CancelNow)],
        uses: usage::LIGHT,
    },
    Script {
        name: "Ginkgo Health",
        domain: "ginkgo.example",
        language: "en",
        time_zone: "Europe/Zurich",
        story: "demo-yearly",
        people: &[("Gita Rao", "gita", Role::Owner)],
        plan: Some(("enterprise", "year")),
        acts: &[(ago(2, 20), Act::Subscribe { trial_days: 0 })],
        uses: usage::LARGE,
    },
    Script {
        name: "Heron Books",
        domain: "heron.example",
        language: "en",
        time_zone: "Europe/Dublin",
        story: "demo-downgrade",
        people: &[("Hugo Marsh", "hugo", Role::Owner)],
        plan: Some(("professional", "month")),
        acts: &[(ago(1, 18), Act::Subscribe { trial_days: 0 }), (ago(0, 2), Act::PlanDowngrade("starter"))],
        uses: usage::STEADY,
    },
    Script {
        name: "Indigo Foods",
        domain: "indigo.example",
        language: "es",
        time_zone: "Europe/Madrid",
        story: "demo-read-only",
        people: &[("Irene Soto", "irene", Role::Owner)],
        plan: Some(("starter", "month")),
        acts: &[(ago(2, 10), Act::Subscribe { trial_days: 0 }), (ago(0, 20), Act::CardFails)],
        uses: usage::LIGHT,
    },
    Script {
        name: "Juniper Works",
        domain: "juniper.example",
        language: "en",
        time_zone: "Europe/Dublin",
        story: "demo-drifted",
        people: &[("Hanna Berg", "hanna", Role::Owner)],
        plan: Some(("professional", "month")),
        acts: &[(ago(1, 20), Act::Subscribe { trial_days: 0 }), (ago(0, 2), Act::CancelUnheard)],
        uses: usage::LIGHT,
    },
];

/// Founds the companies and plays their history up to today.
///
/// # Errors
/// The sandbox or the database did not do its part.
pub(super) async fn play(app: &App, machine: &TimeMachine) -> Result<Vec<Company>, Failure> {
    let today = app.clock.wall();
    let mut cast = Vec::new();
    for script in SCRIPTS {
        cast.push(found(app, script).await?);
    }
    cast.push(staff(app).await?);
    let mut acts = Vec::new();
    for (script, company) in SCRIPTS.iter().zip(&cast) {
        for (ago, act) in script.acts {
            if let Some(tenant) = &company.tenant {
                acts.push((before(today, *ago)?, *act, script, tenant.clone()));
            }
        }
    }
    acts.sort_by_key(|(at, ..)| *at);
    let mut told = app.clock.now();
    for (at, act, script, tenant) in acts {
        machine.travel(app, Step::To(at)).await?;
        told = use_up(app, &cast, today, told).await?;
        perform(app, machine, act, script, &tenant).await?;
    }
    machine.travel(app, Step::To(today)).await?;
    use_up(app, &cast, today, told).await?;
    ask_to_join(app, &cast).await?;
    Ok(cast)
}

/// Reports what all companies have used since `told`; the time up to which that is.
async fn use_up(
    app: &App,
    cast: &[Company],
    today: Timestamp,
    told: Timestamp,
) -> Result<Timestamp, Failure> {
    let now = app.clock.now();
    for (script, company) in SCRIPTS.iter().zip(cast) {
        let Some(tenant) = &company.tenant else { continue };
        let (mut since, mut until) = (before(today, ago(1, 10))?, now);
        for (at, act) in script.acts {
            match act {
                Act::Subscribe { .. } => since = before(today, *at)?,
                Act::CancelNow => until = until.min(before(today, *at)?),
                _ => {}
            }
        }
        usage::report(app, &tenant.id, script.uses, since.max(told), until).await?;
    }
    Ok(now)
}

fn before(today: Timestamp, ago: Ago) -> Result<Timestamp, Failure> {
    let then =
        today.to_zoned(jiff::tz::TimeZone::UTC).checked_sub(ago.months.months().days(ago.days).hours(2))?;
    Ok(then.timestamp())
}

async fn perform(
    app: &App,
    machine: &TimeMachine,
    act: Act,
    script: &Script,
    tenant: &Tenant,
) -> Result<(), Failure> {
    let customer = checkout::customer(app, tenant, tenant.language, Budget::work()).await?;
    match act {
        Act::Subscribe { trial_days } => subscribe(app, script, tenant, &customer, trial_days).await,
        Act::CardFails => machine.card(customer.as_str(), CARD_THAT_FAILS).await,
        Act::CancelAtEnd => {
            let reason = Reason { feedback: Some("unused".into()), comment: None };
            let id = subscription(app, &customer).await?;
            subscriptions::cancel_at_period_end(&app.stripe, &id, &reason, &Key::random(), Budget::work())
                .await?;
            Ok(())
        }
        Act::CancelUnheard => {
            let reason = Reason { feedback: Some("too_expensive".into()), comment: None };
            let id = subscription(app, &customer).await?;
            machine.quiet(true).await?;
            let cancelled = subscriptions::cancel_at_period_end(
                &app.stripe,
                &id,
                &reason,
                &Key::random(),
                Budget::work(),
            )
            .await;
            machine.quiet(false).await?;
            cancelled?;
            Ok(())
        }
        Act::CancelNow => {
            let reason = Reason { feedback: Some("too_expensive".into()), comment: None };
            let id = subscription(app, &customer).await?;
            subscriptions::cancel_now(&app.stripe, &id, &reason, false, Budget::work()).await?;
            Ok(())
        }
        Act::PlanDowngrade(slug) => plan_downgrade(app, &customer, slug).await,
    }
}

/// Subscribes as the customer's card would on the payment page: the card is attached, then the subscription made.
async fn subscribe(
    app: &App,
    script: &Script,
    tenant: &Tenant,
    customer: &CustomerId,
    trial_days: u32,
) -> Result<(), Failure> {
    let (slug, interval) = script.plan.ok_or("the script names no plan")?;
    let interval: Interval = interval.parse()?;
    let currency = app.catalog.currency;
    let offer = catalog::store::offer(&mut app.db.read().await?).await?;
    let plan = offer.plan_for_sale(slug, &[]).ok_or("the plan is not for sale")?;
    let price = plan.price(interval, currency).ok_or("the plan has no such price")?;
    let mut items = vec![json!({ "price": price.id })];
    items.extend(
        offer
            .metered
            .iter()
            .filter_map(|metered| metered.price(interval, currency))
            .map(|price| json!({ "price": price.id })),
    );

    let card =
        post(app, "/payment_methods/pm_card_visa/attach", json!({ "customer": customer.as_str() })).await?;
    let card = card["id"].as_str().ok_or("the card has no id")?;
    let address =
        json!({ "line1": "1 Harbour Street", "city": "Berlin", "postal_code": "10115", "country": "DE" });
    let settings = json!({ "invoice_settings": { "default_payment_method": card }, "address": address });
    post(app, &format!("/customers/{customer}"), settings).await?;
    let mut new = json!({
        "customer": customer.as_str(),
        "items": items,
        "automatic_tax": { "enabled": true },
        "metadata": { "tenant_id": tenant.id.as_str() },
    });
    if trial_days > 0 {
        new["trial_period_days"] = trial_days.into();
    }
    post(app, "/subscriptions", new).await.map(drop)
}

/// Plans another plan at the same interval for the end of the period, as confirming a downgrade does.
async fn plan_downgrade(app: &App, customer: &CustomerId, slug: &str) -> Result<(), Failure> {
    let id = subscription(app, customer).await?;
    let plan = schedules::create_from(&app.stripe, &id, &Key::random(), Budget::work()).await?.value;
    let now = plan.phases.first().ok_or("the schedule has no phase")?;
    let offer = catalog::store::offer(&mut app.db.read().await?).await?;
    let smaller = offer.plan_for_sale(slug, &[]).ok_or("the plan is not for sale")?;
    let price = smaller.price(Interval::Month, app.catalog.currency).ok_or("the plan has no such price")?;
    let mut after =
        Phase { start_date: now.end_date.ok_or("the phase has no end")?, end_date: None, ..now.clone() };
    for item in after.items.iter_mut().filter(|item| item.quantity.is_some()) {
        item.price = price.id.parse()?;
    }
    let phases = [now.clone(), after];
    schedules::set_phases(&app.stripe, &plan.id, &phases, &[], &Key::random(), Budget::work()).await?;
    Ok(())
}

async fn subscription(app: &App, customer: &CustomerId) -> Result<SubscriptionId, Failure> {
    let all = subscriptions::of_customer(&app.stripe, customer, Budget::work()).await?.value;
    Ok(all.into_iter().next().ok_or("the customer has no subscription")?.id)
}

async fn post(app: &App, path: &str, form: Value) -> Result<Value, Failure> {
    let request = RequestBuilder::new(StripeMethod::Post, path).form(&form);
    Ok(app.stripe.call::<Value>(request, Some(&Key::random()), Budget::work()).await?.value)
}
