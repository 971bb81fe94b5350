//! Each kind of finding, one after the other in one portal: brought about, found under its name, put right as its page advises, and
//! gone the second time.

use billing_portal::reconcile::Kind;
use billing_portal::usage::Report;
use http::StatusCode;
use serde_json::json;
use stripe_client_core::StripeMethod;

use super::Subscriber;
use super::drift::{confirm, staff};
use crate::support::browser::Browser;
use crate::support::world::World;

/// How a kind is put right.
enum Remedy {
    /// By a run that repairs.
    Run,
    /// By a click on the finding's page, with these fields.
    Click(Vec<(&'static str, String)>),
    /// By hand, which has been described on the page.
    Hand(Hand),
}

/// What a person does elsewhere.
enum Hand {
    /// Changes or removes something at Stripe, or waits until it is well again.
    Stripe(StripeMethod, String, serde_json::Value),
    /// Runs the portal with the right key again: its rows are of that mode.
    Mode,
    /// Stripe answers as it should again, and a run repairs what it then finds.
    Again,
}

/// Brings a kind about: what is to be found, and what puts it right. A kind without a case does not compile.
async fn bring_about(world: &World, kind: Kind, one: &Subscriber) -> (&'static str, Remedy) {
    let quietly = async |path: &str, form| {
        world.quietly(StripeMethod::Post, path, form).await["id"].as_str().unwrap().to_owned()
    };
    match kind {
        Kind::MissingRow => {
            world.portal.run(&format!("delete from charges where customer_id = '{}'", one.customer)).await;
            ("missing_row charge", Remedy::Run)
        }
        Kind::StaleRow => {
            world.drift(&one.customer, "/name", json!("Norte Ltd")).await;
            ("stale_row customer", Remedy::Run)
        }
        Kind::OrphanRow => {
            let product = quietly("/products", json!({ "name": "Gone soon" })).await;
            world.compare(true).await;
            world.vanish(&product).await;
            ("orphan_row product", Remedy::Run)
        }
        Kind::AmountDiffers => {
            world.portal.run("update invoices set total = total - 1, amount_paid = amount_paid - 1").await;
            ("amount_differs invoice", Remedy::Run)
        }
        Kind::WrongTenant => {
            world.drift(&one.customer, "/metadata/tenant_id", json!("ten_other")).await;
            ("wrong_tenant customer", Remedy::Click(Vec::new()))
        }
        Kind::UnknownTenant => {
            let id = quietly("/customers", json!({ "metadata": { "tenant_id": "ten_gone" } })).await;
            let tenant = world.portal.tenant("Este").await;
            let right = json!({ "metadata": { "tenant_id": tenant.id.as_str() } });
            (
                "unknown_tenant customer",
                Remedy::Hand(Hand::Stripe(StripeMethod::Post, format!("/customers/{id}"), right)),
            )
        }
        Kind::NoTenant => {
            let id = quietly("/customers", json!({ "name": "Oeste" })).await;
            let card = world
                .quietly(
                    StripeMethod::Post,
                    "/payment_methods/pm_card_visa/attach",
                    json!({ "customer": id }),
                )
                .await;
            let default = json!({ "invoice_settings": { "default_payment_method": card["id"] } });
            world.quietly(StripeMethod::Post, &format!("/customers/{id}"), default).await;
            let items = json!([{ "price": world.price_of("starter", "month").await }]);
            quietly("/subscriptions", json!({ "customer": id, "items": items })).await;
            let tenant = world.portal.tenant("Oeste").await;
            ("no_tenant subscription", Remedy::Click(vec![("tenant", tenant.id.as_str().to_owned())]))
        }
        Kind::SecondCustomer => {
            let id =
                quietly("/customers", json!({ "metadata": { "tenant_id": one.tenant.id.as_str() } })).await;
            (
                "second_customer customer",
                Remedy::Hand(Hand::Stripe(StripeMethod::Delete, format!("/customers/{id}"), json!({}))),
            )
        }
        Kind::TwoLive => {
            world.subscribe_again(&one.customer, one.tenant.id.as_str(), "starter").await;
            world.settle().await;
            ("two_live customer", Remedy::Click(vec![("keep", one.subscription.clone())]))
        }
        Kind::WrongMode => {
            world
                .portal
                .run(&format!("update customers set livemode = true where id = '{}'", one.customer))
                .await;
            ("wrong_mode customer", Remedy::Hand(Hand::Mode))
        }
        Kind::UsageDiffers => {
            let report = Report {
                metric: "ai_tokens".into(),
                quantity: Some(500),
                idempotency_key: "one".into(),
                ..Report::default()
            };
            world.portal.report(&one.tenant.id, vec![report]).await;
            for _ in 0..4 {
                world.go_by(3_600).await;
            }
            let counted =
                world.last("POST", "/v1/billing/meter_events")["identifier"].as_str().unwrap().to_owned();
            world.vanish(&counted).await;
            ("usage_differs usage", Remedy::Click(Vec::new()))
        }
        Kind::CatalogueMissing => {
            quietly("/products", json!({ "name": "New" })).await;
            ("catalogue_missing product", Remedy::Run)
        }
        Kind::CatalogueDiffers => {
            let product = world.text("select id from products where name = 'New'").await;
            world.drift(&product, "/name", json!("Beginner")).await;
            ("catalogue_differs product", Remedy::Run)
        }
        Kind::NotCompared => {
            world.drift(&one.customer, "/balance", json!(-1)).await;
            let fault =
                json!({ "path": format!("/v1/customers/{}", one.customer), "times": 1_000, "status": 400 });
            world.switch("faults", fault).await;
            ("not_compared customer", Remedy::Hand(Hand::Again))
        }
    }
}

async fn put_right(world: &World, browser: &mut Browser, remedy: Remedy, finding: &str) {
    match remedy {
        Remedy::Run => {
            let all = world.compare(true).await;
            assert!(all.iter().all(|one| one.ends_with(" repaired")), "{all:?}");
        }
        Remedy::Click(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            confirm(browser, finding, &fields).await.expect(StatusCode::SEE_OTHER);
        }
        Remedy::Hand(Hand::Stripe(method, path, form)) => {
            confirm(browser, finding, &[]).await.expect(StatusCode::CONFLICT);
            world.quietly(method, &path, form).await;
            world.compare(true).await;
        }
        Remedy::Hand(Hand::Mode) => world.portal.run("update customers set livemode = false").await,
        Remedy::Hand(Hand::Again) => {
            world.control.ask(http::Method::DELETE, "faults", &json!(null)).await.unwrap();
            assert_eq!(world.compare(true).await, ["stale_row customer repaired"]);
            world.stripe.forget();
        }
    }
}

both_databases! {
    async fn each_is_found_put_right_and_gone(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        let mut browser = staff(&world).await;
        for kind in Kind::ALL {
            let (found, remedy) = bring_about(&world, kind, &one).await;
            assert!(found.starts_with(kind.as_str()), "{found}");
            let finding = world.only(found).await;
            let path = format!("/staff/reconciliation/findings/{}", finding.id);
            browser.get(&path).await.expect(StatusCode::OK);
            put_right(&world, &mut browser, remedy, &finding.id).await;
            world.settle().await;
            assert_eq!(world.compare(false).await, [""; 0], "{kind:?}");
        }
    }

    async fn a_customer_of_nobodys_is_given_to_a_company_that_has_none_and_exists(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        bring_about(&world, Kind::NoTenant, &one).await;
        let finding = world.only("no_tenant subscription").await;
        let mut browser = staff(&world).await;
        let path = format!("/staff/reconciliation/findings/{}", finding.id);
        browser.get(&path).await.expect(StatusCode::OK).shows(&["Company that gets the customer", "Give it to this company"]);
        browser.post(&path, &[("tenant", "ten_nobody")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY)
            .shows(&["There is no company with this id.", "ten_nobody"]);
        browser.post(&path, &[("tenant", one.tenant.id.as_str())]).await.expect(StatusCode::UNPROCESSABLE_ENTITY)
            .shows(&["it has another one, or is gone"]);
        assert_eq!(world.portal.count("select count(*) from customers").await, 1);
    }
}
