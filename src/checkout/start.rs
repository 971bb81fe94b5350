//! Starting a session, and looking what became of one. No transaction is open while Stripe is asked.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Buyer, Next, Order, Refusal, Session, State, Trust, Wish, store};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::catalog;
use crate::error::{Error, Result, WayOn};
use crate::i18n::Language;
use crate::id;
use crate::stripe::calls::checkout::{self as sessions, CheckoutDiscount, CheckoutLine, NewCheckout};
use crate::stripe::calls::coupons::{self, Discount};
use crate::stripe::calls::{customers, subscriptions};
use crate::stripe::snapshot::CheckoutSession;
use crate::stripe::{self, Budget, CheckoutSessionId, CustomerId, Fetched, Key};
use crate::sync;
use crate::tenants::Tenant;

/// How long a session stays open: long enough for a purchase order, within Stripe's 24 hours.
const OPEN_FOR: SignedDuration = SignedDuration::from_hours(23);

/// Sessions that are given up for another before somebody has to try again.
const ROUNDS: usize = 3;

/// The Stripe customer of a tenant: the one it has, or a new one with the tenant's id in its metadata.
///
/// # Errors
/// Stripe or the database did not do its part. Asking again is safe: the key of the request is the tenant's.
pub async fn customer(app: &App, tenant: &Tenant, language: Language, budget: Budget) -> Result<CustomerId> {
    let mut tx = app.db.read().await?;
    // Counted before it is looked for: a customer that another request makes between the two is found, and not made twice.
    let number = store::customers_so_far(&mut tx, tenant.id.as_str()).await? + 1;
    let buyer = store::buyer(&mut tx, tenant.id.as_str()).await?.ok_or(Error::NotFound)?;
    drop(tx);
    if let Some(known) = buyer.customer {
        return Ok(known);
    }
    let new = customers::NewCustomer {
        tenant_id: tenant.id.to_string(),
        name: tenant.name.clone(),
        email: tenant.email.clone(),
        locale: language.code().to_owned(),
    };
    let key = Key::new(format!("customer-{}-{number}", tenant.id)).map_err(Error::internal)?;
    let made = customers::create(&app.stripe, &new, &key, budget).await?;
    let id = made.value.id.clone();
    let mut tx = app.db.write().await?;
    sync::store::attach(&mut tx, tenant.id.as_str(), &id, made.value.livemode, app.clock.now().as_second())
        .await?;
    tx.commit().await?;
    Ok(id)
}

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// For whom.
    pub tenant: &'a Tenant,
    /// Who does it.
    pub actor: &'a Actor,
    /// What is wanted.
    pub wish: &'a Wish,
    /// Whose word it is.
    pub trust: Trust,
}

/// A value, or all reasons why the order cannot be.
type Placed<T> = std::result::Result<T, Vec<Refusal>>;

/// Turns a wish of the tenant's into an order. Stripe is asked about a coupon alone.
///
/// # Errors
/// Stripe or the database did not answer. Within: what was asked for is not for sale to this tenant.
pub async fn place(app: &App, asked: Asked<'_>, budget: Budget) -> Result<Placed<Order>> {
    let Asked { tenant, wish, trust, .. } = asked;
    let mut tx = app.db.read().await?;
    let offer = catalog::store::offer(&mut tx).await?;
    let buyer = store::buyer(&mut tx, tenant.id.as_str()).await?.ok_or(Error::NotFound)?;
    drop(tx);
    let order = super::order(wish, &offer, &tenant.ids(), &buyer, app.catalog.currency, trust);
    let Some(word) = &wish.coupon else { return Ok(order) };
    Ok(match (order, discount(app, word, trust, budget).await) {
        (Ok(order), Ok(Some(discount))) => Ok(Order { discount, ..order }),
        (Ok(_), Ok(None)) => Err(vec![Refusal::NoSuchDiscount]),
        (Ok(_), Err(error)) => return Err(error),
        (Err(wrong), Ok(None)) => Err(wrong.into_iter().chain([Refusal::NoSuchDiscount]).collect()),
        // An order that cannot be is refused also where Stripe does not answer.
        (Err(wrong), _) => Err(wrong),
    })
}

/// What a word takes off; none where nothing has that name.
async fn discount(app: &App, word: &str, trust: Trust, budget: Budget) -> Result<Option<CheckoutDiscount>> {
    let found = match trust {
        Trust::Customer => {
            coupons::promotion_code(&app.stripe, word, budget).await?.map(Discount::PromotionCode)
        }
        Trust::Host => coupons::discount(&app.stripe, word, budget).await?,
    };
    Ok(found.map(|found| match found {
        Discount::PromotionCode(code) => CheckoutDiscount::PromotionCode(code.id),
        Discount::Coupon(coupon) => CheckoutDiscount::Coupon(coupon.id),
    }))
}

/// Where the tenant can pay for what it asks for: the page of its one open session.
///
/// # Errors
/// A subscription is in force already; Stripe or the database did not do its part. Nothing was charged; asking again is safe.
/// Within: what was asked for is not for sale to this tenant.
pub async fn start(
    app: &App,
    asked: Asked<'_>,
    language: Language,
    budget: Budget,
) -> Result<Placed<String>> {
    let mut order = match place(app, asked, budget).await? {
        Ok(order) => order,
        Err(refusals) => return Ok(Err(refusals)),
    };
    let customer = customer(app, asked.tenant, language, budget).await?;
    if refuse_second(app, asked.tenant, &customer, order.trial_days > 0, budget).await? == News::Trial {
        order = match place(app, asked, budget).await? {
            Ok(order) => order,
            Err(refusals) => return Ok(Err(refusals)),
        };
    }
    match Box::pin(pay_for(app, asked, &customer, language, &order, budget)).await {
        Err(Failure::Refused(refusal)) => explain(app, asked, &customer, &order, refusal, budget).await,
        Err(Failure::Other(error)) => Err(error),
        Ok(url) => Ok(Ok(url)),
    }
}

/// Why a session could not be made.
enum Failure {
    /// Stripe understood the order and said no.
    Refused(Box<stripe::Refusal>),
    /// Anything else.
    Other(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Says what Stripe's refusal of an order means to who placed it. What our rows did not know yet is looked up first.
async fn explain(
    app: &App,
    asked: Asked<'_>,
    customer: &CustomerId,
    order: &Order,
    refusal: Box<stripe::Refusal>,
    budget: Budget,
) -> Result<Placed<String>> {
    fetch(app, customer, budget).await?;
    let buyer = store::buyer(&mut app.db.read().await?, asked.tenant.id.as_str()).await?.unwrap_or_default();
    if let Some(locked) = buyer.currency.filter(|locked| *locked != order.currency) {
        return Ok(Err(vec![Refusal::CurrencyLocked(locked)]));
    }
    let is_about_discount = refusal.param.as_deref().is_some_and(|param| param.starts_with("discounts"))
        || refusal
            .code
            .as_deref()
            .is_some_and(|code| code.starts_with("coupon") || code.starts_with("promotion_code"));
    if is_about_discount && order.discount != CheckoutDiscount::AskForCode {
        return Ok(Err(vec![Refusal::NoSuchDiscount]));
    }
    Err(stripe::Error::Refused(refusal).into())
}

async fn pay_for(
    app: &App,
    asked: Asked<'_>,
    customer: &CustomerId,
    language: Language,
    order: &Order,
    budget: Budget,
) -> std::result::Result<String, Failure> {
    let Asked { tenant, actor, .. } = asked;
    for _ in 0..ROUNDS {
        let now = app.clock.now();
        let there = store::open(&mut app.db.read().await?, tenant.id.as_str()).await?;
        let session = match there {
            None => {
                let new = session(app, tenant, customer, language, order, now);
                let mut tx = app.db.write().await?;
                if !store::start(&mut tx, &new, actor, now).await? {
                    continue; // Somebody of the same tenant was quicker: look at theirs.
                }
                let entry = Entry::new(actor.clone(), "checkout.started", now);
                let after = json!({ "plan": order.plan, "price": order.price, "quantity": order.quantity });
                let entry =
                    entry.tenant(tenant.id.as_str()).object(new.id.as_str()).change(None, Some(after));
                audit::record(&mut tx, &entry).await?;
                tx.commit().await?;
                new
            }
            Some(there) => match there.next(order, now) {
                Next::Reuse => return Ok(there.url.ok_or(Error::NotFound)?),
                Next::Ask => there,
                Next::Replace => {
                    close(app, &there, budget).await?;
                    continue;
                }
            },
        };
        return ask(app, &session, budget).await;
    }
    let way_on = Some(WayOn::new("/plans", "checkout-to-plans"));
    Err(Failure::Other(Error::Conflict { reason: "checkout-busy", way_on }))
}

/// What Stripe knew beyond our rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// Nothing that matters here.
    Nothing,
    /// The tenant has had its trial.
    Trial,
}

/// A tenant has one subscription, and one trial. Our rows know most of them; Stripe knows the one whose webhook is late or was
/// lost, also where it is over by now.
async fn refuse_second(
    app: &App,
    tenant: &Tenant,
    customer: &CustomerId,
    wants_trial: bool,
    budget: Budget,
) -> Result<News> {
    let refusal = Error::Conflict {
        reason: "checkout-already-subscribed",
        way_on: Some(WayOn::new("/", "checkout-to-plan")),
    };
    let buyer = store::buyer(&mut app.db.read().await?, tenant.id.as_str()).await?.unwrap_or_default();
    if buyer.subscription.is_some() {
        return Err(refusal);
    }
    let known = subscriptions::of_customer(&app.stripe, customer, budget).await?.value;
    if known.iter().all(|subscription| subscription.status.is_over()) {
        if !wants_trial || known.iter().all(|subscription| subscription.trial_start.is_none()) {
            return Ok(News::Nothing);
        }
        fetch(app, customer, budget).await?;
        return Ok(News::Trial);
    }
    fetch(app, customer, budget).await?;
    Err(refusal)
}

/// Brings the customer's rows to what Stripe says now.
async fn fetch(app: &App, customer: &CustomerId, budget: Budget) -> Result<()> {
    Ok(sync::refetch(&app.db, &app.stripe, &app.clock, customer, &Actor::Job("checkout"), budget).await?)
}

fn session(
    app: &App,
    tenant: &Tenant,
    customer: &CustomerId,
    language: Language,
    order: &Order,
    now: Timestamp,
) -> Session {
    let id = id::random("chk");
    let expires_at = now + OPEN_FOR;
    let plan = CheckoutLine { price: order.price.clone(), quantity: u64::try_from(order.quantity).ok() };
    let metered = order.metered.iter().map(|price| CheckoutLine { price: price.clone(), quantity: None });
    let site = &app.config.site;
    let request = NewCheckout {
        customer: customer.clone(),
        tenant_id: tenant.id.to_string(),
        reference: id.clone(),
        lines: std::iter::once(plan).chain(metered).collect(),
        currency: Some(order.currency),
        trial_days: (order.trial_days > 0).then(|| order.trial_days.into()),
        discount: order.discount.clone(),
        automatic_tax: app.catalog.policy.automatic_tax,
        locale: language.code().to_owned(),
        success_url: site.link("/checkout/return") + "?session_id={CHECKOUT_SESSION_ID}",
        cancel_url: site.link(&cancelled(order.cancel.as_deref())),
        expires_at: expires_at.as_second(),
    };
    Session {
        id,
        tenant_id: tenant.id.to_string(),
        stripe_id: None,
        state: State::Starting,
        order: order.clone(),
        request,
        url: None,
        expires_at,
    }
}

/// Where who turns back comes by, on the way to `next`.
fn cancelled(next: Option<&str>) -> String {
    let path = "/checkout/cancelled";
    next.map_or_else(
        || path.to_owned(),
        |next| {
            let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            format!("{path}?next={next}")
        },
    )
}

fn key(session: &Session) -> Result<Key> {
    Key::new(format!("checkout-{}", session.id)).map_err(Error::internal)
}

async fn ask(app: &App, session: &Session, budget: Budget) -> std::result::Result<String, Failure> {
    let made = match sessions::create(&app.stripe, &session.request, &key(session)?, budget).await {
        Ok(made) => made.value,
        Err(error) => {
            if !error.is_safe_to_retry() {
                // Stripe will refuse this request at every try: the next one starts anew.
                forget(app, session).await?;
            }
            return Err(match error {
                stripe::Error::Refused(refusal) => Failure::Refused(refusal),
                other => other.into(),
            });
        }
    };
    settle(app, &made).await?;
    Ok(made.url.ok_or_else(|| Error::internal("Stripe made a session without an address"))?)
}

/// Ends a session at Stripe, so that nobody can pay in it, and in our row.
pub(super) async fn close(app: &App, session: &Session, budget: Budget) -> Result<()> {
    // One that was started and never answered has an id only Stripe knows: the same key finds it.
    let id = match &session.stripe_id {
        Some(id) => id.parse().map_err(Error::internal)?,
        None => match sessions::create(&app.stripe, &session.request, &key(session)?, budget).await {
            Ok(made) => made.value.id,
            Err(error) if error.is_safe_to_retry() => return Err(error.into()),
            Err(_) => {
                end_by_reference(app, session, budget).await?;
                return forget(app, session).await;
            }
        },
    };
    match sessions::expire(&app.stripe, &id, &Key::random(), budget).await {
        Ok(expired) => settle(app, &expired.value).await,
        Err(error) if error.is_safe_to_retry() => Err(error.into()),
        // It is complete or expired already: what it is, Stripe tells.
        Err(_) => refresh(app, &id, budget).await.map(drop),
    }
}

/// Ends what Stripe may have made of a session all the same, where its key no longer finds it.
async fn end_by_reference(app: &App, session: &Session, budget: Budget) -> Result<()> {
    let open = sessions::open_of(&app.stripe, &session.request.customer, budget).await?.value;
    for own in open.iter().filter(|open| open.client_reference_id.as_deref() == Some(session.id.as_str())) {
        sessions::expire(&app.stripe, &own.id, &Key::random(), budget).await?;
    }
    Ok(())
}

async fn forget(app: &App, session: &Session) -> Result<()> {
    let mut tx = app.db.write().await?;
    store::expire(&mut tx, &session.tenant_id, &session.id).await?;
    tx.commit().await?;
    Ok(())
}

async fn settle(app: &App, session: &CheckoutSession) -> Result<()> {
    let mut tx = app.db.write().await?;
    store::settle(&mut tx, session, app.clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// What Stripe says of a session now. If it is complete, the customer's rows are up to date when this returns.
///
/// # Errors
/// Stripe or the database did not do its part.
pub async fn refresh(app: &App, id: &CheckoutSessionId, budget: Budget) -> Result<CheckoutSession> {
    let session = match sessions::get_one(&app.stripe, id, budget).await {
        Ok(Fetched { value, .. }) => value,
        Err(stripe::Error::NotFound { .. }) => return Err(Error::NotFound),
        Err(error) => return Err(error.into()),
    };
    if let (Some(stripe::snapshot::CheckoutStatus::Complete), Some(customer)) =
        (&session.status, &session.customer)
    {
        fetch(app, customer, budget).await?;
    }
    settle(app, &session).await?;
    Ok(session)
}

/// Whether the buyer has what was paid for.
pub(super) fn has_arrived(buyer: &Buyer) -> bool {
    buyer.subscription.is_some()
}
