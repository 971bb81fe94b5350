//! From the pricing page to a subscription, and every way in which it may not be one.

use std::collections::BTreeMap;

use billing_portal::auth::Role;
use billing_portal::catalog::product::ProductFacts;
use billing_portal::catalog::{Amount, Interval, Offer, Plan, Price};
use billing_portal::checkout::{Buyer, MAX_QUANTITY, Order, Refusal, Trust, Wish, order};
use billing_portal::money::Currency;
use http::StatusCode;

use crate::support::portal::Portal;
use crate::support::world::World;

fn price(id: &str, interval: Interval, minor: i64) -> Price {
    let amount = Amount { unit: Some(minor), decimal: Some(minor.to_string()) };
    Price {
        id: id.to_owned(),
        interval,
        interval_count: 1,
        metered: false,
        active: true,
        currency: Currency::EUR,
        amounts: BTreeMap::from([(Currency::EUR, amount)]),
    }
}

fn offer(facts: ProductFacts) -> Offer {
    let plan = Plan {
        product_id: "plan_team".to_owned(),
        slug: "team".to_owned(),
        name: "Team".to_owned(),
        description: None,
        marketing_features: Vec::new(),
        active: true,
        facts,
        prices: vec![price("price_month", Interval::Month, 1000), price("price_year", Interval::Year, 9999)],
    };
    Offer { plans: vec![plan], metered: Vec::new() }
}

fn wish(plan: &str, interval: &str, quantity: Option<&str>, currency: Option<&str>) -> Wish {
    Wish {
        plan: plan.to_owned(),
        interval: interval.to_owned(),
        quantity: quantity.map(str::to_owned),
        currency: currency.map(str::to_owned),
        ..Wish::default()
    }
}

fn decide(wish: &Wish, facts: ProductFacts, buyer: &Buyer) -> Result<Order, Vec<Refusal>> {
    order(wish, &offer(facts), &["ten_1", "acme"], buyer, Currency::EUR, Trust::Customer)
}

#[test]
fn an_order_names_what_is_wrong_with_it() {
    let plain = ProductFacts::default;
    let seats = || ProductFacts { per_seat: true, ..ProductFacts::default() };
    let most = MAX_QUANTITY.to_string();
    let too_many = (MAX_QUANTITY + 1).to_string();
    let cases = [
        (wish("nothing", "month", None, None), plain(), Err(vec![Refusal::NoSuchPlan])),
        (wish("team", "fortnight", None, None), plain(), Err(vec![Refusal::NoSuchInterval])),
        (wish("team", "week", None, None), plain(), Err(vec![Refusal::NoSuchPrice])),
        (wish("team", "month", None, Some("euros")), plain(), Err(vec![Refusal::NoSuchCurrency])),
        (wish("team", "month", None, Some("usd")), plain(), Err(vec![Refusal::NoSuchPrice])),
        (wish("team", "month", Some("2"), None), plain(), Err(vec![Refusal::NotPerSeat])),
        (wish("team", "month", Some("0"), None), seats(), Err(vec![Refusal::Quantity])),
        (wish("team", "month", Some("-1"), None), seats(), Err(vec![Refusal::Quantity])),
        (wish("team", "month", Some("1.5"), None), seats(), Err(vec![Refusal::Quantity])),
        (wish("team", "month", Some("99999999999999999999"), None), seats(), Err(vec![Refusal::Quantity])),
        (wish("team", "month", Some(&too_many), None), seats(), Err(vec![Refusal::Quantity])),
        (
            wish("team", "fortnight", Some("2"), Some("euros")),
            plain(),
            Err(vec![Refusal::NoSuchInterval, Refusal::NoSuchCurrency, Refusal::NotPerSeat]),
        ),
        (
            wish("nothing", "fortnight", Some("0"), None),
            plain(),
            Err(vec![Refusal::NoSuchPlan, Refusal::NoSuchInterval, Refusal::Quantity]),
        ),
        (wish("team", "month", Some(&most), None), seats(), Ok(MAX_QUANTITY)),
        (wish("team", "year", Some("1"), Some("EUR")), plain(), Ok(1)),
    ];
    for (wish, facts, expected) in cases {
        let decided = decide(&wish, facts, &Buyer::default()).map(|order| order.quantity);
        assert_eq!(decided, expected, "{wish:?}");
    }
}

#[test]
fn a_hidden_plan_does_not_exist_for_others() {
    let hidden = |tenant: &str| ProductFacts {
        hidden: true,
        tenants: vec![tenant.to_owned()],
        ..ProductFacts::default()
    };
    let wish = wish("team", "month", None, None);
    assert_eq!(decide(&wish, hidden("somebody"), &Buyer::default()), Err(vec![Refusal::NoSuchPlan]));
    assert!(decide(&wish, hidden("acme"), &Buyer::default()).is_ok(), "by the host's id");
    assert!(decide(&wish, hidden("ten_1"), &Buyer::default()).is_ok(), "by ours");
}

#[test]
fn a_trial_is_given_once_and_a_currency_stays() {
    let facts = || ProductFacts { trial_days: 14, ..ProductFacts::default() };
    let month = wish("team", "month", None, None);
    assert_eq!(decide(&month, facts(), &Buyer::default()).map(|order| order.trial_days), Ok(14));
    let again = Buyer { trial_used: true, ..Buyer::default() };
    assert_eq!(decide(&month, facts(), &again).map(|order| order.trial_days), Ok(0));
    let locked = Buyer { currency: Some(Currency::USD), ..Buyer::default() };
    let euros = wish("team", "month", None, Some("eur"));
    assert_eq!(decide(&euros, facts(), &locked), Err(vec![Refusal::CurrencyLocked(Currency::USD)]));
}

#[test]
fn the_saving_of_a_year_is_computed_from_the_prices() {
    let plan = |month, year| {
        let mut plan = offer(ProductFacts::default()).plans.remove(0);
        plan.prices = vec![price("m", Interval::Month, month), price("y", Interval::Year, year)];
        plan.saving(Currency::EUR)
    };
    assert_eq!(plan(2900, 29000), Some(17));
    assert_eq!(plan(1000, 12000), None, "nothing saved");
    assert_eq!(plan(1000, 13000), None, "dearer by the year");
    assert_eq!(plan(1000, 0), Some(100));
    assert_eq!(plan(0, 0), None);
    assert_eq!(plan(i64::MAX, 1), None, "no overflow");
}

both_databases! {
    async fn who_subscribes_goes_to_one_payment_page_however_often_they_ask(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        let first = world.choose(&mut owner, "professional", "month").await.expect(StatusCode::SEE_OTHER);
        let again = world.choose(&mut owner, "professional", "month").await;
        assert_eq!(first.location(), again.location(), "the session that is open is given back");
        let yearly = world.choose(&mut owner, "professional", "year").await.expect(StatusCode::SEE_OTHER);
        assert_ne!(first.location(), yearly.location(), "another order closes the first page");
        let made = world.stripe.exchanges().into_iter();
        assert_eq!(made.filter(|e| e.method == "POST" && e.path == "/v1/customers").count(), 1, "one customer");
    }

    async fn two_tabs_at_once_get_the_same_payment_page(world: World) {
        let (_, mut one) = world.owner_of("Acme").await;
        let mut other = one.clone();
        let (one, other) = tokio::join!(
            world.choose(&mut one, "professional", "month"),
            world.choose(&mut other, "professional", "month"),
        );
        assert_eq!(one.expect(StatusCode::SEE_OTHER).location(), other.location());
    }

    async fn what_is_not_for_sale_is_refused_by_name_and_nothing_is_asked_of_stripe(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        let before = world.stripe.exchanges().len();
        for (plan, interval, quantity, words) in [
            ("nothing", "month", "1", "There is no such plan."),
            ("starter", "never", "1", "Choose monthly or yearly billing."),
            ("starter", "month", "0", "The number of seats must be a whole number"),
            ("starter", "month", "3", "not sold by seat"),
        ] {
            owner.get("/plans").await;
            let fields = [("plan", plan), ("interval", interval), ("quantity", quantity)];
            owner.post("/checkout", &fields).await.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(&[words]);
        }
        assert_eq!(world.stripe.exchanges().len(), before);
    }

    async fn everything_that_is_wrong_is_named_beside_what_was_typed(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.portal.run("update products set per_seat = true where plan = 'starter'").await;
        owner.get("/plans").await;
        let form = [("plan", "starter"), ("interval", "fortnight"), ("quantity", "0"), ("currency", "euros")];
        let page = owner.post("/checkout", &form).await.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(&[
            "<title>Error: ", "#interval\">Choose monthly", "#quantity-starter\">The number of seats", "#currency\">There is no such currency",
            "id=\"quantity-starter-error\"", "aria-describedby=\"quantity-starter-error\"",
        ]);
        let typed = page.body.split("id=\"quantity-starter\"").nth(1).unwrap().split('>').next().unwrap();
        assert!(typed.contains("value=\"0\"") && typed.contains("aria-invalid"), "{typed}");
        let form = [("plan", "nothing"), ("interval", "never"), ("quantity", "x")];
        let page = owner.post("/checkout", &form).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        page.shows(&["There is no such plan.", "Choose monthly", "The number of seats"]);
    }

    async fn where_browsers_may_not_be_sent_to_stripe_a_page_says_so(world: World) {
        // The same database and the same Stripe, without STRIPE_REDIRECT_ORIGINS.
        let portal = Portal::with_stripe(world.portal.db.clone(), world.stripe.url().parse().unwrap(), "http://billing.test/");
        let tenant = portal.tenant("Acme").await;
        let owner = portal.user("Ana", &[(&tenant, Role::Owner)]).await;
        let mut owner = portal.signed_in(&owner).await;
        let page = world.choose(&mut owner, "professional", "month").await.expect(StatusCode::SERVICE_UNAVAILABLE);
        page.shows(&["cannot be opened", "Nothing was charged and nothing has changed.", "href=\"/\""]);
    }

    async fn a_session_of_another_tenant_does_not_exist_on_the_way_back(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        let (_, mut stranger) = world.owner_of("Other").await;
        world.choose(&mut owner, "professional", "month").await;
        let session = world.last("POST", "/v1/checkout/sessions")["id"].as_str().unwrap().to_owned();
        let own = owner.get(&format!("/checkout/return?session_id={session}")).await;
        assert_eq!(own.expect(StatusCode::SEE_OTHER).location(), "/plans", "not paid yet");
        stranger.get(&format!("/checkout/return?session_id={session}")).await.expect(StatusCode::NOT_FOUND);
        stranger.get("/checkout/return?session_id=cs_test_nothing").await.expect(StatusCode::NOT_FOUND);
    }

    async fn who_turns_back_finds_everything_as_it_was(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.choose(&mut owner, "professional", "month").await;
        let back = owner.get("/checkout/cancelled").await;
        owner.follow(&back).await.expect(StatusCode::OK).shows(&["Nothing was charged and nothing has changed."]);
    }
}

both_databases! {
    async fn when_stripe_is_down_the_way_to_pay_says_so_and_a_retry_is_safe(world: World) {
        let mut world = world;
        let (_, mut owner) = world.owner_of("Acme").await;
        world.stop_stripe().await;
        world.choose(&mut owner, "professional", "month").await.expect(StatusCode::SERVICE_UNAVAILABLE);
        let sessions = world.portal.count("select count(*) from checkout_sessions").await;
        assert_eq!(sessions, 0, "nothing is half done");
    }
}
