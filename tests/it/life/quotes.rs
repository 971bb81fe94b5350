//! What a review shows, to the cent and to the day: the rows add up, the next invoice is the one that comes, and a quote that a
//! renewal has overtaken is shown anew.

use billing_portal::i18n::Language;
use billing_portal::money::{Currency, Money};
use billing_portal::stripe::Budget;
use http::{Method, StatusCode};
use serde_json::json;

use super::change::{confirm, entries, invoices_of_changes, review};
use super::{PAYS, hidden};
use crate::support::browser::Answer;
use crate::support::world::World;

const FIVE_MINUTES: i64 = 300;

fn euros(minor: i64) -> String {
    Language::En.money(Money::new(minor, Currency::EUR))
}

/// The amount beside a name in the table of costs, in minor units; none where there is no such row.
fn row(page: &Answer, name: &str) -> Option<i64> {
    let rest = page.body.split(&format!("<th scope=\"row\">{name}")).nth(1)?;
    let cell = rest.split("</td>").next()?.rsplit("class=\"num\">").next()?;
    let digits: String = cell.split_whitespace().next()?.chars().filter(char::is_ascii_digit).collect();
    let amount: i64 = digits.parse().ok()?;
    Some(if cell.contains('-') || cell.contains('−') { -amount } else { amount })
}

/// Checks that the rows add up to what is due.
fn adds_up(page: &Answer) -> i64 {
    let of = |name: &str| row(page, name).unwrap_or_default();
    let sum = of("Credit for what is left of the period")
        + of("Charge<")
        + of("Discount")
        + of("Tax<")
        + of("From your credit")
        + of("Still owed from before")
        + of("Stays as credit for your next invoices");
    assert_eq!(sum, of("Due today"), "{}", page.body);
    of("Due today")
}

/// The renewal that comes asks for what the review showed as the next invoice.
async fn renews_as_shown(world: &World, days: i64, shown: i64) {
    world.days(days).await;
    let due = "select cast(amount_due as text) from invoices where billing_reason = 'subscription_cycle' order by created_at";
    assert_eq!(world.texts(due).await.first(), Some(&shown.to_string()));
}

both_databases! {
    async fn an_upgrade_that_a_renewal_overtakes_is_shown_anew_and_charges_nothing(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        world.pass(30 * 86_400 - FIVE_MINUTES).await;
        let page = review(&mut owner, "professional", "month", "1").await.expect(StatusCode::OK);
        let before = adds_up(&page);
        world.pass(2 * FIVE_MINUTES).await;
        let again = confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::CONFLICT);
        let again = again.shows(&["has changed since this page was made", "Confirm the change"]);
        let now = adds_up(&again);
        assert!(now > before, "a whole period is ahead now: {before} {now}");
        world.settle().await;
        assert_eq!((invoices_of_changes(&world).await, entries(&world, "subscription.change_confirmed").await), (0, 0));
        confirm(&mut owner, hidden(&again.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        let due = world.texts("select cast(amount_due as text) from invoices where billing_reason = 'subscription_update'").await;
        assert_eq!(due, [now.to_string()]);
    }

    async fn a_review_is_possible_where_our_clock_is_a_moment_behind_a_renewal(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        world.days(30).await;
        world.portal.clock.travel_to(world.portal.clock.now() - jiff::SignedDuration::from_secs(4));
        let page = review(&mut owner, "professional", "month", "1").await.expect(StatusCode::OK);
        confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
    }

    async fn a_downgrade_that_a_renewal_overtakes_is_not_planned_for_another_day_than_shown(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        world.pass(30 * 86_400 - FIVE_MINUTES).await;
        let page = review(&mut owner, "starter", "month", "1").await.shows(&["Takes effect on Dec 21, 2026"]);
        // The renewal happens at Stripe, and the portal has not heard of it.
        world.control.ask(Method::POST, "deliveries/hold", &json!({})).await.unwrap();
        world.pass(2 * FIVE_MINUTES).await;
        let again = confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::CONFLICT);
        let again = again.shows(&["has changed since this page was made", "Takes effect on Jan 21, 2027"]);
        let id = world.texts("select id from subscriptions").await.remove(0);
        assert!(world.read(&format!("/subscriptions/{id}")).await["schedule"].is_null(), "nothing is planned");
        confirm(&mut owner, hidden(&again.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        let planned = world.read(&format!("/subscriptions/{id}")).await["schedule"].as_str().unwrap().to_owned();
        let phases = world.read(&format!("/subscription_schedules/{planned}")).await["phases"].clone();
        let at: jiff::Timestamp = "2027-01-21T00:00:00Z".parse().unwrap();
        assert!((phases[1]["start_date"].as_i64().unwrap() - at.as_second()).abs() < 86_400, "{phases}");
    }

    async fn credit_that_is_left_over_is_said_to_stay_and_pays_for_the_next_invoice(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "year", PAYS).await;
        let page = review(&mut owner, "enterprise", "month", "1").await.expect(StatusCode::OK);
        assert_eq!(adds_up(&page), 0);
        let kept = row(&page, "Stays as credit for your next invoices").expect("a row");
        assert!(kept > 50_000, "{kept}");
        let page = page.shows(&["€299.00 per month"]);
        let next = row(&page, "Next invoice on Dec 21, 2026").expect("a row");
        assert_eq!(next, 0, "the credit pays for it");
        confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        renews_as_shown(&world, 31, next).await;
    }

    async fn a_balance_and_a_coupon_are_rows_of_their_own_and_are_used_once(world: World) {
        for (name, balance, coupon) in [("Credit", -1_000, false), ("Debt", 700, false), ("Coupon", 0, true), ("Both", -500, true)] {
            let (tenant, mut owner) = world.owner_of(name).await;
            world.subscribe(&mut owner, "starter", "month", PAYS).await;
            world.days(10).await;
            let customer = world.customer_of(&tenant).await;
            world.post(&format!("/customers/{customer}"), json!({ "balance": balance })).await;
            let id = world.texts(&format!("select id from subscriptions where tenant_id = '{}'", tenant.id)).await.remove(0);
            if coupon {
                world.post(&format!("/subscriptions/{id}"), json!({ "discounts": [{ "coupon": "50OFF" }] })).await;
            }
            let page = review(&mut owner, "professional", "month", "1").await.expect(StatusCode::OK);
            let due = adds_up(&page);
            // Proration lines say what is left after the coupon: there is no row of its own for it.
            let charge = row(&page, "Charge").expect("a charge");
            assert_eq!((charge * 2 < 9_900, row(&page, "Discount")), (coupon, None), "{name}");
            assert_eq!(row(&page, "From your credit").or(row(&page, "Still owed from before")).unwrap_or_default(), balance, "{name}");
            let next = page.body.split("Next invoice on ").nth(1).expect("a date").to_owned();
            assert!(next.contains(&euros(11_979)), "{name}: the whole price again");
            confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
            world.settle().await;
            let sql = |reason: &str| format!("select cast(amount_due as text) from invoices where tenant_id = '{}' and billing_reason = '{reason}'", tenant.id);
            assert_eq!(world.texts(&sql("subscription_update")).await, [due.to_string()], "{name}");
            world.days(21).await;
            assert_eq!(world.texts(&sql("subscription_cycle")).await, ["11979"], "{name}");
        }
    }

    async fn a_downgrade_shows_the_next_invoice_with_what_is_taken_off_it(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        world.days(3).await;
        let customer = world.customer_of(&tenant).await;
        world.post(&format!("/customers/{customer}"), json!({ "balance": -1_000 })).await;
        let page = review(&mut owner, "starter", "month", "1").await.expect(StatusCode::OK);
        let page = page.shows(&["Next invoice on Dec 21, 2026", "€29.00 per month"]);
        assert_eq!(row(&page, "Next invoice on Dec 21, 2026"), Some(2_509));
        confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        renews_as_shown(&world, 30, 2_509).await;
    }

    async fn what_is_counted_starts_anew_and_levels_are_to_be_reduced_by_a_number_and_a_day(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        let now = world.portal.clock.now().as_second();
        let day = now / 86_400;
        world.portal.run(&format!(
            "insert into usage_days (tenant_id, metric, day, period_start, quantity, at)
             select '{}', 'messages', {day}, current_period_start, 5000, {now} from subscriptions", tenant.id
        )).await;
        world.portal.run(&format!("insert into usage_totals (tenant_id, metric, period_start, period_end, total, at) values ('{}', 'chatbots', 0, 0, 3, {now})", tenant.id)).await;
        let page = review(&mut owner, "starter", "month", "1").await.expect(StatusCode::OK);
        let page = page.shows(&["reduce by 2 by Dec 21, 2026", "starts anew on Dec 21, 2026", ">5,000</td>"]);
        assert_eq!(page.body.matches("badge warning").count(), 1, "what is counted is no reason to reduce anything");
    }

    async fn who_has_a_plan_or_a_price_that_is_no_longer_sold_keeps_it_with_other_seats(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        world.portal.run("update products set per_seat = true, active = false where plan = 'starter'").await;
        world.portal.run("update prices set active = false where product_id in (select id from products where plan = 'starter') and recurring_interval = 'month'").await;
        world.portal.run(
            "insert into prices (id, product_id, active, livemode, currency, unit_amount, recurring_interval, usage_type, seen_at)
             select 'price_dearer', id, true, false, 'eur', 3900, 'month', 'licensed', 1 from products where plan = 'starter'",
        ).await;
        let page = review(&mut owner, "starter", "month", "3").await.expect(StatusCode::OK);
        let page = page.shows(&["Starter, 3 seats, €29.00 per seat and month"]);
        confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        owner.get("/").await.shows(&[">3</dd>", "€29.00"]);
        let (_, mut other) = world.owner_of("Other").await;
        world.subscribe(&mut other, "professional", "month", PAYS).await;
        review(&mut other, "starter", "month", "1").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn a_change_that_waits_for_its_payment_is_not_taken_for_another(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        let customer = world.customer_of(&tenant).await;
        world.control.card(&customer, "4000000000000341").await.unwrap();
        let quotes = [
            hidden(&review(&mut owner, "enterprise", "month", "1").await.body, "quote").to_owned(),
            hidden(&review(&mut owner, "professional", "month", "1").await.body, "quote").to_owned(),
        ];
        let first = confirm(&mut owner, &quotes[0]).await;
        owner.follow(&first).await.shows(&["Your old plan stays in force"]);
        // The other tab was quick: our row does not know yet.
        for quote in [&quotes[1], &quotes[0]] {
            world.portal.run("update subscriptions set pending_update = false").await;
            let answer = confirm(&mut owner, quote).await;
            if quote == &quotes[1] {
                answer.expect(StatusCode::CONFLICT).shows(&["An earlier change still waits for its payment"]);
            } else {
                owner.follow(&answer).await.shows(&["Your old plan stays in force"]);
            }
        }
        assert_eq!(entries(&world, "subscription.change_confirmed").await, 1);
        let app = &world.portal.app;
        let actor = billing_portal::audit::Actor::Command;
        billing_portal::sync::refetch(&app.db, &app.stripe, &app.clock, &customer.parse().unwrap(), &actor, Budget::work()).await.unwrap();
    }
}
