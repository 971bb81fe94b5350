//! Rows held against what the audit says of them, and what an entry keeps of a text.

use billing_portal::audit::{self, Actor, Entry};
use billing_portal::clock::from_seconds;
use billing_portal::sync::store::untold;
use serde_json::{Value, json};

use crate::support::customer::BAD;
use crate::support::portal::Portal;
use crate::support::world::World;

/// The rows that are otherwise than their entries say, with their tables.
async fn found(portal: &Portal) -> Vec<(&'static str, Vec<String>)> {
    let all = untold(&mut portal.db.read().await.unwrap()).await.unwrap();
    assert_eq!(all.len(), 4);
    let found = all.into_iter().filter(|one| one.changed > 0);
    found.map(|one| (one.table, one.ids)).collect()
}

/// A subscription that renews, misses a payment and is paid, with a refund.
async fn history(world: &World) -> String {
    let tenant = world.portal.tenant("Norte").await;
    let (customer, subscription) = world.subscription(&tenant, "starter_month", json!({})).await;
    world.settle().await;
    world.control.card(customer.as_str(), BAD).await.unwrap();
    let end = subscription["items"]["data"][0]["current_period_end"].as_i64().unwrap();
    world.travel(from_seconds(end + 7_200)).await;
    world.travel(from_seconds(end + 8 * 86_400)).await;
    customer.as_str().to_owned()
}

both_databases! {
    async fn a_row_that_is_changed_behind_the_programs_back_is_found_and_named(world: World) {
        history(&world).await;
        let portal = &world.portal;
        assert_eq!(found(portal).await, [], "nobody touched anything");
        for (table, change) in [
            ("customers", "balance = balance - 1"),
            ("customers", "delinquent = not delinquent"),
            ("subscriptions", "status = 'trialing'"),
            ("subscriptions", "quantity = quantity + 1"),
            ("subscriptions", "cancel_at_period_end = not cancel_at_period_end"),
            ("invoices", "amount_paid = amount_paid + 1"),
            ("invoices", "status = 'void'"),
            ("charges", "amount_refunded = amount_refunded + 1"),
            ("charges", "disputed = not disputed"),
        ] {
            let (id,): (String,) = portal.db.read().await.unwrap()
                .query_built(format!("select min(id) from {table}")).one().await.unwrap();
            let columns = change.split(" =").next().unwrap();
            let (old,): (String,) = portal.db.read().await.unwrap()
                .query_built(format!("select cast({columns} as text) from {table} where id = '{id}'")).one().await.unwrap();
            portal.run(&format!("update {table} set {change} where id = '{id}'")).await;
            assert_eq!(found(portal).await, [(table, vec![id.clone()])], "{table}: {change}");
            let old = if old.parse::<i64>().is_ok() || ["true", "false"].contains(&old.as_str()) { old } else { format!("'{old}'") };
            portal.run(&format!("update {table} set {columns} = {old} where id = '{id}'")).await;
            assert_eq!(found(portal).await, [], "{table}: {columns} put back");
        }
        // What no entry tells of may change.
        portal.run("update subscriptions set current_period_end = current_period_end + 1").await;
        assert_eq!(found(portal).await, []);
    }

    async fn more_rows_than_are_read_at_once_are_all_looked_at(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let mut tx = portal.db.write().await.unwrap();
        for number in 0..1_203 {
            let insert = format!("insert into charges (id, tenant_id, customer_id, amount, currency, status, created_at, seen_at)
                values ('ch_{number:04}', '{}', 'cus_1', {number}, 'eur', 'succeeded', 1, 1)", tenant.id);
            tx.query_built(insert).run().await.unwrap();
            let facts = json!({ "status": "succeeded", "currency": "eur", "amount": number, "amount_refunded": 0, "disputed": false });
            let entry = Entry::new(Actor::Job("test"), "charge.made", portal.clock.now());
            audit::record(&mut tx, &entry.object(format!("ch_{number:04}")).change(None, Some(facts))).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(found(&portal).await, []);
        portal.run("update charges set amount = amount + 1 where id in ('ch_0000', 'ch_0500', 'ch_1202')").await;
        assert_eq!(found(&portal).await, [("charges", vec!["ch_0000".into(), "ch_0500".into(), "ch_1202".into()])]);
        portal.run("update charges set disputed = true").await;
        let all = untold(&mut portal.db.read().await.unwrap()).await.unwrap();
        let charges = all.iter().find(|one| one.table == "charges").unwrap();
        assert_eq!((charges.rows, charges.changed, charges.ids.len()), (1_203, 1_203, 20), "counted in full, and named up to a number");
    }

    async fn nothing_secret_is_kept_in_any_text_of_an_entry(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let secrets = ["4242 4242 4242 4242", "sk_live_51Habcdefgh", "rk_test_0123456789", "whsec_0123456789abcdef", "bp_live_0123456789abcdef"];
        let mut tx = portal.db.write().await.unwrap();
        for secret in secrets {
            let text = |what: &str| format!("{what} {secret}, there");
            let facts = json!({ "reason": text("why"), "detail": [text("what")], "user_agent": text("with"), text("name"): 1 });
            for actor in [Actor::User(text("user")), Actor::Key(text("key")), Actor::Stripe(Some(text("event")))] {
                let entry = Entry::new(actor, "tenant.changed", portal.clock.now())
                    .tenant(tenant.id.as_str())
                    .object(text("object"))
                    .change(Some(facts.clone()), Some(facts.clone()))
                    .address(text("address"));
                assert!(audit::record(&mut tx, &entry).await.unwrap());
            }
            let entry = Entry::new(Actor::Command, "tenant.changed", portal.clock.now()).cause(text(&secret[..2]));
            assert!(audit::record(&mut tx, &entry).await.unwrap());
            assert!(!audit::record(&mut tx, &entry).await.unwrap(), "still once");
        }
        tx.commit().await.unwrap();
        let sql = "select id || coalesce(cause, '') || coalesce(actor_id, '') || action || coalesce(object_id, '') || coalesce(before, '')
            || coalesce(after, '') || coalesce(address, '') from audit_entries where action = 'tenant.changed'";
        let rows: Vec<(String,)> = portal.db.read().await.unwrap().query_built(sql.to_owned()).all().await.unwrap();
        assert_eq!(rows.len(), 4 * secrets.len());
        for (row,) in &rows {
            assert!(row.contains("[redacted], there"), "{row}");
            for secret in secrets {
                assert!(!row.contains(secret), "{row}");
            }
        }
        let (after,): (String,) = portal.db.read().await.unwrap()
            .query_built("select after from audit_entries where after is not null limit 1".to_owned()).one().await.unwrap();
        let after: Value = serde_json::from_str(&after).unwrap();
        assert_eq!(after["detail"], json!(["what [redacted], there"]), "what is around it stays");
        crate::audit::seal_all(&portal.db).await;
        assert_eq!(audit::cli::check(&portal.db, None).await.unwrap().broken, None);
    }
}
