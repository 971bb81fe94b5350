//! Changing plan, interval and seats: charged is what was shown, or nothing.

use billing_portal::i18n::Language;
use billing_portal::money::{Currency, Money};
use http::StatusCode;
use serde_json::json;

use super::{PAYS, hidden, hosted, pay};
use crate::support::browser::{Answer, Browser};
use crate::support::world::World;

/// An amount of euros as pages show it.
fn euros(minor: i64) -> String {
    Language::En.money(Money::new(minor, Currency::EUR))
}

/// Asks what a change would cost.
pub(super) async fn review(browser: &mut Browser, plan: &str, interval: &str, seats: &str) -> Answer {
    browser.get("/plans").await;
    let form = [("plan", plan), ("interval", interval), ("quantity", seats)];
    browser.post("/subscription/change/review", &form).await
}

pub(super) async fn confirm(browser: &mut Browser, quote: &str) -> Answer {
    browser.post("/subscription/change", &[("quote", quote)]).await
}

/// The newest invoice of a change, as our rows know it: status, what was due, tax, credits, charges.
async fn charged(world: &World) -> Option<(String, i64, i64, i64, i64)> {
    let sql =
        "select status, amount_due, tax, lines from invoices where billing_reason = 'subscription_update'
        order by created_at desc, id desc limit 1";
    let mut tx = world.portal.db.read().await.unwrap();
    let row: Option<(String, i64, i64, String)> = tx.query_built(sql.to_owned()).optional().await.unwrap();
    let (status, due, tax, lines) = row?;
    let lines: Vec<serde_json::Value> = serde_json::from_str(&lines).unwrap();
    let amounts: Vec<i64> = lines.iter().map(|line| line["amount"].as_i64().unwrap()).collect();
    let credit = amounts.iter().filter(|amount| **amount < 0).sum();
    Some((status, due, tax, credit, amounts.iter().filter(|amount| **amount > 0).sum()))
}

pub(super) async fn invoices_of_changes(world: &World) -> i64 {
    world.portal.count("select count(*) from invoices where billing_reason = 'subscription_update'").await
}

/// How many mails of a kind there are.
async fn mails(world: &World, kind: &str) -> i64 {
    world.portal.count(&format!("select count(*) from mails where kind = '{kind}'")).await
}

pub(super) async fn entries(world: &World, action: &str) -> i64 {
    world.portal.count(&format!("select count(*) from audit_entries where action = '{action}'")).await
}

both_databases! {
    async fn an_upgrade_charges_what_the_review_showed_however_often_it_is_confirmed(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        world.days(10).await;
        let page = review(&mut owner, "enterprise", "month", "1").await.expect(StatusCode::OK);
        let page = page.shows(&["Enterprise, €299.00 per month", "Instead of Professional", "Takes effect at once", "You gain", "unlimited"]);
        let quote = hidden(&page.body, "quote").to_owned();
        // The customer reads for a while; the moment that was shown is sent along.
        world.control.advance(world.portal.clock.now() + jiff::SignedDuration::from_mins(10)).await.unwrap();
        world.portal.clock.travel_to(world.portal.clock.now() + jiff::SignedDuration::from_mins(10));
        let mut other = owner.clone();
        let (first, second) = tokio::join!(confirm(&mut owner, &quote), confirm(&mut other, &quote));
        for answer in [first, second] {
            assert_eq!(answer.expect(StatusCode::SEE_OTHER).location(), "/");
        }
        confirm(&mut owner, &quote).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        let (status, due, tax, credit, charge) = charged(&world).await.expect("an invoice");
        assert_eq!((status.as_str(), invoices_of_changes(&world).await), ("paid", 1), "one charge");
        page.shows(&[&euros(due), &euros(tax), &euros(credit), &euros(charge)]);
        assert!(due > 0 && tax > 0 && credit < 0 && credit + charge + tax == due);
        owner.get("/").await.shows(&["Enterprise", "€361.79"]);
        assert_eq!((entries(&world, "subscription.change_confirmed").await, mails(&world, "plan_changed").await), (1, 1));
        world.days(21).await;
        let renewed = world.texts("select cast(total as text) from invoices where billing_reason = 'subscription_cycle'").await;
        assert_eq!(renewed, ["36179"], "each invoice from then on, as the review said");
    }

    async fn a_quote_that_is_too_old_is_asked_for_again_on_the_spot(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        world.days(3).await;
        let page = review(&mut owner, "professional", "month", "1").await;
        let old = hidden(&page.body, "quote").to_owned();
        world.days(2).await;
        let again = confirm(&mut owner, &old).await.expect(StatusCode::GONE);
        let again = again.shows(&["more than 15 minutes old", "Due today", "Confirm the change"]);
        assert_eq!(invoices_of_changes(&world).await, 0, "nothing was charged");
        let new = hidden(&again.body, "quote").to_owned();
        confirm(&mut owner, &new).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        let (_, due, ..) = charged(&world).await.expect("an invoice");
        again.shows(&[&euros(due)]);
    }

    async fn a_quote_that_is_no_longer_true_is_shown_anew(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        world.days(3).await;
        let page = review(&mut owner, "enterprise", "month", "1").await;
        let quote = hidden(&page.body, "quote").to_owned();
        // Somebody else of the company was quicker with another plan.
        let other = review(&mut owner.clone(), "professional", "month", "1").await;
        confirm(&mut owner, hidden(&other.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        let again = confirm(&mut owner, &quote).await.expect(StatusCode::CONFLICT);
        again.shows(&["has changed since this page was made", "Instead of Professional", "Confirm the change"]);
        assert_eq!(invoices_of_changes(&world).await, 1);
        // A credit that support gave meanwhile changes the amount.
        world.days(1).await;
        let page = review(&mut owner, "enterprise", "month", "1").await;
        let customer = world.customer_of(&tenant).await;
        world.post(&format!("/customers/{customer}"), json!({ "balance": -5000 })).await;
        let again = confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::CONFLICT);
        confirm(&mut owner, hidden(&again.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        let (_, due, ..) = charged(&world).await.expect("an invoice");
        again.shows(&[&euros(due)]);
    }

    async fn a_quote_of_another_tenant_or_of_nobody_changes_nothing(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        let (_, mut stranger) = world.owner_of("Other").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        world.subscribe(&mut stranger, "starter", "month", PAYS).await;
        let page = review(&mut owner, "professional", "month", "1").await;
        let quote = hidden(&page.body, "quote").to_owned();
        stranger.get("/plans").await;
        let before = world.stripe.exchanges().len();
        let (content, signature) = quote.split_once('.').unwrap();
        let altered = format!("{}A.{signature}", &content[..content.len() - 1]);
        for forged in [quote.as_str(), altered.as_str(), "", "x.y"] {
            confirm(&mut stranger, forged).await.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(&["not made by our page"]);
        }
        assert_eq!(world.stripe.exchanges().len(), before, "nothing was asked of Stripe");
    }

    async fn a_downgrade_waits_for_the_end_of_the_period_and_is_undone_with_one_click(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        world.days(5).await;
        let now = world.portal.clock.now().as_second();
        world.portal.run(&format!("insert into usage_totals (tenant_id, metric, period_start, period_end, total, at) values ('{}', 'users', 0, 0, 4, {now})", tenant.id)).await;
        let page = review(&mut owner, "starter", "month", "1").await.expect(StatusCode::OK);
        let page = page.shows(&["Takes effect on Dec 21, 2026", "You lose", "reduce by 3 by Dec 21, 2026", ">4</td>", "€35.09"]);
        let due = page.body.split("Due today").nth(1).unwrap().split("</strong>").next().unwrap();
        assert!(due.ends_with("€0.00"), "{due}");
        let quote = hidden(&page.body, "quote").to_owned();
        let planned = confirm(&mut owner, &quote).await;
        let page = owner.follow(&planned).await.shows(&["planned for the end of the period", "From Dec 21, 2026: Starter, €29.00 per month.", "Undo this change", "Professional"]);
        assert!(page.body.contains("€35.09"), "the next invoice is that of the smaller plan");
        confirm(&mut owner, &quote).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        assert_eq!((mails(&world, "change_planned").await, invoices_of_changes(&world).await), (1, 0));

        let undone = owner.post("/subscription/change/undo", &[]).await;
        let page = owner.follow(&undone).await.shows(&["The planned change is undone", "Professional"]);
        assert!(!page.body.contains("Undo this change"));
        owner.post("/subscription/change/undo", &[]).await.expect(StatusCode::CONFLICT).shows(&["No change is planned any more"]);
        world.settle().await;
        assert_eq!((mails(&world, "change_planned").await, entries(&world, "subscription.change_undone").await), (2, 1));
        // The same quote is used up: it does not pretend to plan again.
        confirm(&mut owner, &quote).await.expect(StatusCode::CONFLICT).shows(&["Confirm the change"]);

        let page = review(&mut owner, "starter", "month", "1").await;
        confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        // While it is planned, another change shows its own amounts and takes its place.
        review(&mut owner, "enterprise", "month", "1").await.expect(StatusCode::OK).shows(&["Takes effect at once", "€361.79"]);
        world.days(27).await;
        owner.get("/").await.shows(&["Starter", "€35.09"]);
        let renewed = world.texts("select cast(total as text) from invoices where billing_reason = 'subscription_cycle'").await;
        assert_eq!(renewed, ["3509"], "as the review said");
        assert_eq!(mails(&world, "plan_changed").await, 1);
    }

    async fn an_upgrade_takes_the_place_of_a_planned_downgrade(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        let page = review(&mut owner, "starter", "month", "1").await;
        confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        world.days(4).await;
        let page = review(&mut owner, "enterprise", "month", "1").await.expect(StatusCode::OK);
        confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        let page = owner.get("/").await.shows(&["Enterprise", "€361.79"]);
        assert!(!page.body.contains("Undo this change"));
        world.days(40).await;
        owner.get("/").await.shows(&["Enterprise"]);
    }

    async fn another_interval_is_a_change_with_its_own_figures(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        world.days(15).await;
        let page = review(&mut owner, "professional", "year", "1").await.expect(StatusCode::OK);
        let page = page.shows(&["Professional, €990.00 per year", "Features and limits stay as they are.", "€1,197.90"]);
        confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        let (status, due, _, credit, charge) = charged(&world).await.expect("an invoice");
        assert_eq!((status.as_str(), charge), ("paid", 99_000));
        page.shows(&[&euros(due), &euros(credit)]);
        owner.get("/").await.shows(&["€990.00", "per year"]);
        // Back to the month: less, so at the end of the year.
        review(&mut owner, "professional", "month", "1").await.shows(&["Takes effect on Dec 6, 2027"]);
        review(&mut owner, "professional", "year", "1").await.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(&["This is the plan you have."]);
    }

    async fn seats_are_added_at_once_and_given_back_at_the_end(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.portal.run("update products set per_seat = true where plan = 'starter'").await;
        owner.get("/plans").await;
        let to_stripe = owner.post("/checkout", &[("plan", "starter"), ("interval", "month"), ("quantity", "3")]).await;
        let paid = pay(to_stripe.location(), PAYS).await;
        assert_eq!(paid.status, StatusCode::SEE_OTHER);
        world.settle().await;
        owner.get("/").await.shows(&["Seats", ">3</dd>", "€105.27"]);
        world.days(10).await;
        let page = review(&mut owner, "starter", "month", "5").await.shows(&["Starter, 5 seats, €29.00 per seat and month", "€175.45"]);
        confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        let (_, due, ..) = charged(&world).await.expect("an invoice");
        page.shows(&[&euros(due)]);
        owner.get("/").await.shows(&[">5</dd>"]);
        let page = review(&mut owner, "starter", "month", "2").await.shows(&["Takes effect on Dec 21, 2026"]);
        let planned = confirm(&mut owner, hidden(&page.body, "quote")).await;
        owner.follow(&planned).await.shows(&["From Dec 21, 2026: Starter, 2 seats at €29.00 per seat and month."]);
        for (seats, words) in [("0", "whole number from 1"), ("x", "whole number from 1"), ("10001", "whole number from 1")] {
            review(&mut owner, "starter", "month", seats).await.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(&[words]);
        }
        review(&mut owner, "professional", "month", "2").await.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(&["not sold by seat"]);
    }

    async fn a_wish_that_is_wrong_in_several_ways_comes_back_as_it_was_typed(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.portal.run("update products set per_seat = true where plan = 'starter'").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        let all = review(&mut owner, "nothing", "never", "x").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        let all = all.shows(&["<title>Error: ", "There is no such plan.", "Choose monthly or yearly billing.", "The number of seats must be"]);
        let page = review(&mut owner, "starter", "year", "12000").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        for shown in [&all, &page] {
            assert_eq!(shown.body.matches("id=\"error-summary\"").count(), 1, "said once");
            let summary = shown.body.split("id=\"error-summary\"").nth(1).unwrap().split("</div>").next().unwrap();
            for place in summary.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(shown.body.contains(&format!(" id=\"{place}\"")), "{place} leads nowhere");
            }
        }
        let page = page.shows(&["#quantity-starter\">The number of seats", "from 1 to 10,000", "id=\"quantity-starter-error\""]);
        let typed = page.body.split("id=\"quantity-starter\"").nth(1).unwrap().split('>').next().unwrap();
        assert!(typed.contains("value=\"12000\"") && page.body.contains("name=\"interval\" value=\"year\""), "{typed}");
        let (_, mut nobody) = world.owner_of("Other").await;
        let alone = review(&mut nobody, "nothing", "never", "x").await.expect(StatusCode::CONFLICT);
        assert!(!alone.body.contains("There is no such plan."), "what stands in the way of every change comes alone");
    }

    async fn a_change_whose_payment_fails_leaves_the_old_plan_and_can_be_paid_or_falls(world: World) {
        for (place, number) in ["4000000000000341", "4000002500003155", "4000000000000002"].into_iter().enumerate() {
            let (tenant, mut owner) = world.owner_of(&format!("Acme {place}")).await;
            world.subscribe(&mut owner, "professional", "month", PAYS).await;
            let customer = world.customer_of(&tenant).await;
            let upgrade = async |owner: &mut Browser| {
                world.control.card(&customer, number).await.unwrap();
                let page = review(owner, "enterprise", "month", "1").await.expect(StatusCode::OK);
                let answer = confirm(owner, hidden(&page.body, "quote")).await;
                owner.follow(&answer).await.expect(StatusCode::OK)
            };
            let page = upgrade(&mut owner).await;
            page.shows(&["Your old plan stays in force", "A change of your plan waits for its payment", "Pay now", "Professional", "Active"]);
            world.settle().await;
            let page = owner.get("/").await.shows(&["Professional", "A change of your plan waits for its payment"]);
            assert!(!page.body.contains("Past due") && !page.body.contains("€299.00"), "{number}: the old plan is in force");
            let cases = world.portal.count(&format!("select count(*) from dunning_cases where tenant_id = '{}'", tenant.id)).await;
            assert_eq!(cases, 0, "{number}: nothing is owed for the plan in force");
            review(&mut owner, "starter", "month", "1").await.expect(StatusCode::CONFLICT).shows(&["An earlier change still waits for its payment"]);

            // Not paid within a day, it falls.
            world.days(1).await;
            let page = owner.get("/").await.shows(&["Professional", "Active"]);
            assert!(!page.body.contains("waits for its payment"), "{number}");

            // Once more, and this time it is paid.
            let page = upgrade(&mut owner).await;
            let invoice = page.body.split("/invoices/").find_map(|rest| rest.split_once("/pay\"")).map(|(id, _)| id.to_owned());
            let invoice = invoice.filter(|id| id.starts_with("in_")).expect("the way to pay");
            world.control.card(&customer, PAYS).await.unwrap();
            let to_pay = owner.post(&format!("/invoices/{invoice}/pay"), &[]).await.expect(StatusCode::SEE_OTHER);
            assert_eq!(hosted(to_pay.location(), None).await.status, StatusCode::OK, "Stripe's page of the invoice");
            world.post(&format!("/invoices/{invoice}/pay"), json!({})).await;
            world.settle().await;
            let page = owner.get("/").await.shows(&["Enterprise", "Active"]);
            assert!(!page.body.contains("waits for its payment"), "{number}");
        }
    }

    async fn the_trial_is_given_once_costs_nothing_and_changes_for_nothing(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.portal.run("update products set trial_days = 14 where plan in ('starter', 'professional')").await;
        owner.get("/plans").await.shows(&["The first 14 days are free"]);
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        let asked = |world: &World| {
            let exchanges = world.stripe.exchanges();
            let last = exchanges.iter().rfind(|one| one.method == "POST" && one.path == "/v1/checkout/sessions");
            String::from_utf8(last.expect("a session").body.to_vec()).unwrap()
        };
        assert!(asked(&world).contains("trial_period_days"));
        owner.get("/").await.shows(&["Trial", "Your trial runs until Dec 5, 2026"]);
        let used = world.portal.count(&format!("select trial_used_at from tenants where id = '{}'", tenant.id)).await;
        assert_eq!(used, world.portal.clock.now().as_second(), "it is on record");

        for (plan, next) in [("enterprise", "€361.79"), ("starter", "€35.09")] {
            let page = review(&mut owner, plan, "month", "1").await.expect(StatusCode::OK).shows(&["Takes effect at once", next]);
            let due = page.body.split("Due today").nth(1).unwrap().split("</strong>").next().unwrap();
            assert!(due.ends_with("€0.00"), "{due}");
            confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
            world.settle().await;
        }
        owner.get("/").await.shows(&["Starter", "Trial"]);
        assert_eq!(world.portal.count("select count(*) from invoices where amount_due > 0").await, 0);
        world.days(15).await;
        owner.get("/").await.shows(&["Starter", "Active"]);
        let paid = world.texts("select cast(total as text) from invoices where amount_paid > 0").await;
        assert_eq!(paid, ["3509"]);

        let id = world.texts("select id from subscriptions").await.remove(0);
        let gone = stripe_client_core::RequestBuilder::new(stripe_client_core::StripeMethod::Delete, format!("/subscriptions/{id}"));
        world.portal.app.stripe.call::<serde_json::Value>(gone, None, billing_portal::stripe::Budget::work()).await.unwrap();
        world.settle().await;
        assert!(!owner.get("/plans").await.body.contains("14 days are free"), "no second trial is offered");
        world.choose(&mut owner, "professional", "month").await.expect(StatusCode::SEE_OTHER);
        assert!(!asked(&world).contains("trial_period_days"), "nor asked for");
        // Stripe keeps the currency of the first payment, and the page says so.
        owner.get("/plans").await;
        let dollars = owner.post("/checkout", &[("plan", "starter"), ("interval", "month"), ("currency", "usd")]).await;
        dollars.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(&["Your account is billed in EUR"]);
    }

    async fn coupons_and_promotion_codes_take_off_what_they_say_once(world: World) {
        for (code, first) in [("50OFF", 5990), ("FIRST_MONTH_FREE", 0)] {
            let (tenant, mut owner) = world.owner_of(code).await;
            let to_stripe = world.choose(&mut owner, "professional", "month").await;
            let page = to_stripe.location().to_owned();
            let wrong = hosted(&page, Some(&[("do", "promotion"), ("code", "NO_SUCH_CODE")])).await;
            assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
            let taken = hosted(&page, Some(&[("do", "promotion"), ("code", code)])).await;
            assert_eq!(taken.status, StatusCode::SEE_OTHER, "{}", taken.body);
            let paid = pay(&page, PAYS).await;
            assert_eq!(paid.status, StatusCode::SEE_OTHER, "{}", paid.body);
            world.settle().await;
            let total = |reason: &str| format!("select cast(total as text) from invoices where tenant_id = '{}' and billing_reason = '{reason}'", tenant.id);
            assert_eq!(world.texts(&total("subscription_create")).await, [first.to_string()], "{code}");
            owner.get("/").await.shows(&["€119.79"]);
            // What was paid is what is given back: half of it, or nothing.
            world.days(10).await;
            let page = review(&mut owner, "enterprise", "month", "1").await.expect(StatusCode::OK);
            let moved = confirm(&mut owner, hidden(&page.body, "quote")).await.expect(StatusCode::SEE_OTHER);
            owner.follow(&moved).await.shows(&["Enterprise"]);
            world.settle().await;
            let (_, due, _, credit, _) = charged(&world).await.expect("an invoice");
            page.shows(&[&euros(due)]);
            // Half a month's price was paid, for thirty days of which twenty are left; of nothing, nothing is given back.
            assert_eq!(credit, if first == 0 { 0 } else { -3300 }, "{code}");
        }
    }
}
