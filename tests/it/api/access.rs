//! `GET /access`: the decision as the host application gets it.

use billing_portal::api::Scope;
use billing_portal::tenants::Tenant;
use serde_json::{Value, json};

use crate::support::portal::Portal;

const DAY: i64 = 86_400;

/// A tenant with a plan that unlocks one thing, whose subscription has this status.
async fn subscribed(portal: &Portal, status: &str) -> Tenant {
    let tenant = portal.tenant("Norte").await;
    let (id, now) = (&tenant.id, portal.clock.now().as_second());
    portal
        .run(
            "insert into products (id, name, active, livemode, plan, features, seen_at)
             values ('prod_1', 'Pro', true, false, 'pro', '[\"custom_branding\"]', 0)",
        )
        .await;
    let subscription = format!(
        "insert into subscriptions (id, tenant_id, customer_id, product_id, status, currency, livemode, started_at, created_at, seen_at)
         values ('sub_1', '{id}', 'cus_1', 'prod_1', '{status}', 'eur', false, {now}, {now}, {now})"
    );
    portal.run(&subscription).await;
    tenant
}

async fn ask(portal: &Portal, tenant: &Tenant) -> Value {
    portal.host(&[Scope::AccessRead]).await.tenant(tenant).get("/access").await.expect(200).body
}

both_databases! {
    async fn without_a_subscription_everything_of_the_free_plan_is_open(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let free = json!({ "level": "full", "reason": "free", "until": null, "plan": null, "features": [] });
        assert_eq!(ask(&portal, &tenant).await, free);
    }

    async fn with_one_the_plan_says_what_it_unlocks_and_the_role_what_of_it(portal: Portal) {
        let tenant = subscribed(&portal, "active").await;
        let active = ask(&portal, &tenant).await;
        assert_eq!((&active["level"], &active["plan"]), (&json!("full"), &json!("pro")));
        assert_eq!(active["features"], json!(["custom_branding"]));
        for (role, level, reason) in [
            ("owner", "full", "active"),
            ("admin", "full", "active"),
            ("supervisor", "read_only", "supervisor"),
            ("operator", "blocked", "role"),
        ] {
            let own = portal.user_of(&tenant, role).get("/access").await.expect(200).body;
            assert_eq!((&own["level"], &own["reason"]), (&json!(level), &json!(reason)), "{role}");
        }
        portal.run("update subscriptions set status = 'canceled'").await;
        let ended = ask(&portal, &tenant).await;
        assert_eq!((&ended["reason"], &ended["plan"], &ended["features"]), (&json!("ended"), &Value::Null, &json!([])));
    }

    async fn while_a_payment_is_missing_it_says_until_when(portal: Portal) {
        let tenant = subscribed(&portal, "past_due").await;
        let start = portal.clock.now();
        let case = format!(
            "insert into dunning_cases (invoice_id, tenant_id, customer_id, currency, amount, state, opened_at)
             values ('in_1', '{}', 'cus_1', 'eur', 2900, 'open', {})",
            tenant.id, start.as_second()
        );
        portal.run(&case).await;
        let day = |days: i64| json!(billing_portal::clock::from_seconds(start.as_second() + days * DAY).to_string());
        let soon = ask(&portal, &tenant).await;
        assert_eq!((&soon["level"], &soon["reason"], &soon["until"]), (&json!("full"), &json!("past_due"), &day(7)));
        portal.clock.pass(7 * DAY);
        let late = ask(&portal, &tenant).await;
        assert_eq!((&late["level"], &late["reason"], &late["until"]), (&json!("read_only"), &json!("overdue"), &day(21)));
        portal.clock.pass(14 * DAY);
        let over = ask(&portal, &tenant).await;
        assert_eq!((&over["level"], &over["reason"], &over["until"]), (&json!("blocked"), &json!("unpaid"), &Value::Null));
    }
}
