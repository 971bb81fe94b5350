//! The pages of the staff, and the files behind them.

use billing_portal::audit::Actor;
use billing_portal::reconcile::State;
use http::StatusCode;
use serde_json::{Value, json};
use stripe_client_core::StripeMethod;

use super::drift::staff;
use crate::support::world::World;

both_databases! {
    async fn the_staff_look_and_then_repair_by_a_click(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        world.drift(&one.subscription, "/cancel_at_period_end", json!(true)).await;
        let mut browser = staff(&world).await;
        browser.get("/staff/reconciliation").await.expect(StatusCode::OK).shows(&["Nothing was compared yet"]);
        let answer = browser.post("/staff/reconciliation", &[("mode", "look")]).await;
        let shown = browser.follow(&answer).await.expect(StatusCode::OK);
        let shown = shown.shows(&["The comparison has begun.", "Under way"]);
        assert_eq!(shown.header("refresh"), "3", "it looks again by itself");
        let path = answer.location().to_owned();
        let again = browser.post("/staff/reconciliation", &[("mode", "repair")]).await;
        browser.follow(&again).await.shows(&["A comparison is under way already."]);
        let run = path.rsplit('/').next().unwrap().to_owned();
        browser.post(&format!("{path}/repair"), &[]).await.expect(StatusCode::CONFLICT);
        world.finish(&run).await;

        let page = browser.get(&path).await.expect(StatusCode::OK);
        let page = page.shows(&["Through", "Out of date here", "cancel_at_period_end", "Repair one finding", &one.subscription]);
        assert!(!page.headers.contains_key("refresh"));
        browser.get(&format!("{path}?kind=two_live")).await.shows(&["No finding is like that"]);
        let finding = world.findings(&run).await.remove(0).id;
        browser.get(&format!("/staff/reconciliation/findings/{finding}")).await.expect(StatusCode::OK)
            .shows(&["Norte", "an event was lost", "cancel_at_period_end", "Fetch from Stripe"]);

        let answer = browser.post(&format!("{path}/repair"), &[]).await;
        browser.follow(&answer).await.shows(&["The repairs have begun."]);
        world.finish(&run).await;
        browser.get(&path).await.shows(&["Put right"]);
        assert_eq!(world.portal.count("select count(*) from subscriptions where cancel_at_period_end").await, 1);
        let told = "select count(*) from audit_entries where action = 'reconciliation.repaired'";
        assert_eq!(world.portal.count(told).await, 1);
        browser.get("/staff/reconciliation").await.shows(&["Looks and repairs"]);
    }

    async fn what_could_not_be_repaired_is_tried_again_by_whoever_asks(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        let new = json!({ "name": "Norte", "metadata": { "tenant_id": tenant.id.as_str() } });
        world.quietly(StripeMethod::Post, "/customers", new).await;
        let run = world.begin(false).await;
        world.finish(&run).await;
        // The tenant has had another customer for a while: the one that was found cannot be given to it.
        world.portal.run(&format!("insert into customers (id, tenant_id, livemode, seen_at) values ('cus_other', '{}', false, 1)", tenant.id)).await;
        let mut browser = staff(&world).await;
        let path = format!("/staff/reconciliation/{run}");
        browser.get(&path).await.shows(&["Repair one finding"]);
        browser.post(&format!("{path}/repair"), &[]).await.expect(StatusCode::SEE_OTHER);
        world.finish(&run).await;
        assert_eq!(world.portal.count("select count(*) from reconciliation_findings where error is not null").await, 1);
        browser.get(&path).await.shows(&["The repair did not work.", "Repair one finding"]);

        world.portal.run("delete from customers").await;
        browser.post(&format!("{path}/repair"), &[]).await.expect(StatusCode::SEE_OTHER);
        let again = world.finish(&run).await;
        assert!(matches!(again.actor, Actor::User(_)), "who asked is who did it: {:?}", again.actor);
        assert_eq!(world.findings(&run).await[0].state, State::Repaired);
        browser.get(&path).await.shows(&["Put right", "customers a second"]);
        assert_eq!(world.compare(false).await, [""; 0]);
    }

    async fn the_report_is_a_file_for_programs_and_for_spreadsheets(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        world.drift(&one.customer, "/name", json!("=1+1, \"quoted\"")).await;
        let run = world.begin(false).await;
        world.finish(&run).await;
        let mut browser = staff(&world).await;
        let file = browser.get(&format!("/staff/reconciliation/{run}/report.json")).await.expect(StatusCode::OK);
        assert_eq!(file.header("content-type"), "application/json");
        let report: Value = serde_json::from_str(&file.body).unwrap();
        assert_eq!((&report["run"]["open"], &report["run"]["looked_at"]["customers"]), (&json!(1), &json!(1)));
        let found = &report["findings"][0];
        assert_eq!((&found["kind"], &found["changes"][0]["stripe"]), (&json!("stale_row"), &json!("=1+1, \"quoted\"")));
        let file = browser.get(&format!("/staff/reconciliation/{run}/report.csv")).await.expect(StatusCode::OK);
        assert!(file.header("content-disposition").contains("reconciliation.csv"));
        let lines: Vec<_> = file.body.lines().collect();
        assert_eq!(lines.len(), 2, "{}", file.body);
        assert!(lines[1].starts_with("major,stale_row,open,customer,"), "{}", lines[1]);
    }

    async fn to_others_these_pages_do_not_exist(world: World) {
        let (_, mut owner) = world.owner_of("Norte").await;
        let run = world.begin(false).await;
        world.finish(&run).await;
        for path in [
            "/staff/reconciliation".to_owned(), format!("/staff/reconciliation/{run}"),
            format!("/staff/reconciliation/{run}/report.json"), format!("/staff/reconciliation/{run}/report.csv"),
            "/staff/reconciliation/findings/fnd_1".to_owned(),
        ] {
            owner.get(&path).await.expect(StatusCode::NOT_FOUND);
        }
        owner.get("/plans").await;
        owner.post("/staff/reconciliation", &[("mode", "look")]).await.expect(StatusCode::NOT_FOUND);
        let mut browser = staff(&world).await;
        for path in ["/staff/reconciliation/rec_1", "/staff/reconciliation/findings/fnd_1", "/staff/reconciliation/rec_1/report.csv"] {
            browser.get(path).await.expect(StatusCode::NOT_FOUND);
        }
        browser.get("/staff/reconciliation").await;
        browser.post("/staff/reconciliation", &[("mode", "everything")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn the_pages_speak_spanish(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        world.drift(&one.subscription, "/cancel_at_period_end", json!(true)).await;
        let run = world.begin(false).await;
        world.finish(&run).await;
        let mut browser = staff(&world).await.speaking("es");
        browser.get("/staff/reconciliation").await.shows(&["Conciliación", "Comparar ahora"]);
        browser.get(&format!("/staff/reconciliation/{run}")).await.shows(&["Desactualizado aquí", "Reparar un hallazgo"]);
    }
}
