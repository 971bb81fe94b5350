//! What is for sale, as programs see it.

use billing_portal::api::Scope;
use serde_json::{Value, json};

use crate::support::api::Program;
use crate::support::world::World;

async fn plan(program: &Program, slug: &str) -> Value {
    program.get(&format!("/plans/{slug}")).await.expect(200).body
}

both_databases! {
    async fn anybody_reads_the_plans_with_their_prices_and_limits(world: World) {
        let anybody = world.portal.program();
        let all = anybody.get("/plans").await.expect(200).body;
        let slugs: Vec<_> = all["data"].as_array().unwrap().iter().map(|plan| plan["slug"].as_str().unwrap()).collect();
        assert_eq!(slugs, ["starter", "professional", "enterprise"]);
        let professional = &all["data"][1];
        assert_eq!(professional["plan_type"], "professional");
        assert_eq!((&professional["price_monthly"], &professional["price_yearly"]), (&json!(9_900), &json!(99_000)));
        assert_eq!((&professional["currency"], &professional["highlighted"]), (&json!("eur"), &json!(true)));
        let limits = professional["limits"].as_array().unwrap();
        let messages = limits.iter().find(|limit| limit["metric_type"] == "messages").unwrap();
        assert_eq!(messages["limit_value"], 10_000);
        let enterprise = all["data"][2]["limits"].as_array().unwrap();
        assert!(enterprise.iter().any(|limit| limit["metric_type"] == "messages" && limit["limit_value"].is_null()));
        assert_eq!(plan(&anybody, "professional").await, *professional);
        assert_eq!(plan(&anybody, professional["id"].as_str().unwrap()).await, *professional);
    }

    async fn a_plan_that_is_not_for_everybody_is_not_there_for_others(world: World) {
        let norte = world.portal.tenant("Norte").await;
        let sur = world.portal.tenant("Sur").await;
        world.portal.run("update products set hidden = true, tenants = '[\"nobody\"]' where plan = 'enterprise'").await;
        let anybody = world.portal.program();
        assert_eq!(anybody.get("/plans").await.body["data"].as_array().unwrap().len(), 2);
        anybody.get("/plans/enterprise").await.expect(404);
        let sql = format!("update products set tenants = '[\"{}\"]' where plan = 'enterprise'", norte.id);
        world.portal.run(&sql).await;
        anybody.get("/plans/enterprise").await.expect(404);
        world.portal.user_of(&sur, "owner").get("/plans/enterprise").await.expect(404);
        assert_eq!(plan(&world.portal.user_of(&norte, "owner"), "enterprise").await["plan_type"], "custom");
        let host = world.portal.host(&[Scope::BillingRead]).await;
        host.get("/plans/enterprise").await.expect(404);
        host.tenant(&norte).get("/plans/enterprise").await.expect(200);
    }

    async fn who_has_a_plan_reads_of_it_when_it_is_not_for_sale_any_more(world: World) {
        let (norte, sur) = (world.portal.tenant("Norte").await, world.portal.tenant("Sur").await);
        world.subscription(&norte, "starter_month", json!({})).await;
        world.portal.run("update products set active = false where plan = 'starter'").await;
        let anybody = world.portal.program();
        assert_eq!(anybody.get("/plans").await.body["data"].as_array().unwrap().len(), 2);
        anybody.get("/plans/starter").await.expect(404);
        world.portal.user_of(&sur, "owner").get("/plans/starter").await.expect(404);
        let own = plan(&world.portal.user_of(&norte, "owner"), "starter").await;
        assert_eq!(own["slug"], "starter");
        assert_eq!(plan(&world.portal.user_of(&norte, "owner"), own["id"].as_str().unwrap()).await, own);
        world.portal.user_of(&norte, "owner").get("/plans/nothing").await.expect(404);
    }

    async fn what_is_asked_wrongly_is_named(world: World) {
        let reply = world.portal.program().get("/plans?currency=euros&colour=red").await.expect(400);
        assert_eq!(reply.code(), "invalid_input");
        let fields: Vec<_> = reply.body["details"].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["colour", "currency"]);
        let spanish = world.portal.program().with("accept-language", "es").get("/plans/starter").await.expect(200);
        assert_ne!(spanish.body["description"], plan(&world.portal.program(), "starter").await["description"]);
        let yen = world.portal.program().get("/plans/starter?currency=jpy").await.expect(200).body;
        assert!(yen["price_monthly"].is_null(), "{yen}");
    }
}
