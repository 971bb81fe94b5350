//! Every test card that is promised, on the hosted Checkout page, and what the portal's pages then show.

use http::StatusCode;
use serde_json::json;

use super::{Hosted, PAYS, hosted, pay};
use crate::support::world::World;

/// What becomes of a payment with a card.
enum End {
    /// It is in force.
    Paid,
    /// Refused, with these words; nothing is bought.
    Refused(&'static str),
    /// The bank asks first.
    Asks,
}

/// The cards of Stripe's documentation (<https://docs.stripe.com/testing>) that the demo promises.
const CARDS: [(&str, End); 8] = [
    (PAYS, End::Paid),
    ("4000000000000002", End::Refused("Your card was declined.")),
    ("4000000000009995", End::Refused("Your card has insufficient funds.")),
    ("4000000000009987", End::Refused("Your card was declined.")),
    ("4000000000000069", End::Refused("Your card has expired.")),
    ("4000002500003155", End::Asks),
    ("4000000000000259", End::Paid),
    ("4000000000000341", End::Refused("Your card was declined.")),
];

/// The page of the bank that a payment leads to.
fn bank(payment_page: &str, asked: &Hosted) -> String {
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.body);
    let origin = payment_page.split("/c/pay/").next().unwrap();
    if asked.location.starts_with("http") {
        asked.location.clone()
    } else {
        format!("{origin}{}", asked.location)
    }
}

both_databases! {
    async fn each_card_does_on_the_payment_page_what_is_written_of_it(world: World) {
        for (number, end) in CARDS {
            let (tenant, mut owner) = world.owner_of(&format!("Company {}", &number[12..])).await;
            let page = world.choose(&mut owner, "starter", "month").await.expect(StatusCode::SEE_OTHER).location().to_owned();
            let answer = pay(&page, number).await;
            let mine = format!("from subscriptions where tenant_id = '{}' and status = 'active'", tenant.id);
            match end {
                End::Paid => assert_eq!(answer.status, StatusCode::SEE_OTHER, "{number}: {}", answer.body),
                End::Refused(words) => {
                    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{number}");
                    assert!(answer.body.contains(words) && answer.body.contains("Nothing was charged"), "{number}: {}", answer.body);
                    world.settle().await;
                    assert_eq!(world.portal.count(&format!("select count(*) {mine}")).await, 0, "{number}");
                    assert_eq!(owner.get("/").await.expect(StatusCode::SEE_OTHER).location(), "/plans", "{number}: still free");
                    // Another card, on the same page, and it is done.
                    assert_eq!(pay(&page, PAYS).await.status, StatusCode::SEE_OTHER, "{number}");
                }
                End::Asks => {
                    let asked = bank(&page, &answer);
                    let refused = hosted(&asked, Some(&[("result", "fail")])).await;
                    assert!(refused.body.contains("nothing was charged"), "{}", refused.body);
                    let asked = bank(&page, &pay(&page, number).await);
                    let done = hosted(&asked, Some(&[("result", "complete")])).await;
                    assert!(done.location.contains("/checkout/return"), "{}", done.body);
                }
            }
            world.settle().await;
            assert_eq!(world.portal.count(&format!("select count(*) {mine}")).await, 1, "{number}");
            owner.get("/").await.expect(StatusCode::OK).shows(&["Starter", "Active", "€35.09"]);
            let invoice = world.text(&format!("select id from invoices where tenant_id = '{}'", tenant.id)).await;
            let shown = owner.get(&format!("/invoices/{invoice}")).await.expect(StatusCode::OK);
            let badge = if number == "4000000000000259" { "Disputed" } else { "Paid" };
            let shown = shown.shows(&["Starter", "€35.09", badge]);
            assert_eq!(shown.body.contains("Disputed"), badge == "Disputed", "{number}");
        }
    }

    async fn refunds_and_disputes_that_stripe_makes_stand_on_the_pages(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        let customer = world.customer_of(&tenant).await;
        let charge = world.read(&format!("/charges?customer={customer}")).await["data"][0]["id"].as_str().unwrap().to_owned();
        let invoice = world.text("select id from invoices").await;
        world.post("/refunds", json!({ "charge": charge, "amount": 1000 })).await;
        world.settle().await;
        owner.get(&format!("/invoices/{invoice}")).await.shows(&["€10.00 refunded"]);
        owner.get("/invoices").await.expect(StatusCode::OK).shows(&["Partly refunded"]);
        world.post("/refunds", json!({ "charge": charge })).await;
        world.settle().await;
        owner.get(&format!("/invoices/{invoice}")).await.shows(&["€35.09 refunded"]);
        let list = owner.get("/invoices").await.expect(StatusCode::OK).shows(&["Refunded"]);
        assert!(!list.body.contains("Partly refunded"));

        // A renewal that is disputed, and the dispute that is won.
        world.control.card(&customer, "4000000000000259").await.unwrap();
        world.days(31).await;
        world.days(1).await;
        let dispute = world.read("/disputes").await["data"][0].clone();
        let renewed = world.text("select id from invoices where billing_reason = 'subscription_cycle'").await;
        owner.get(&format!("/invoices/{renewed}")).await.shows(&["Disputed"]);
        let path = format!("/disputes/{}", dispute["id"].as_str().unwrap());
        world.post(&path, json!({ "evidence": { "uncategorized_text": "winning_evidence" } })).await;
        world.settle().await;
        assert_eq!(world.read(&path).await["status"], "won");
        owner.get(&format!("/invoices/{renewed}")).await.expect(StatusCode::OK);
        owner.get("/").await.expect(StatusCode::OK).shows(&["Starter", "Active"]);
    }
}
