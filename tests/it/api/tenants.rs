//! Tenants as the host application provisions them.

use billing_portal::api::Scope;
use serde_json::json;

use crate::support::portal::Portal;

both_databases! {
    async fn a_tenant_is_made_once_by_the_hosts_own_id_and_found_after(portal: Portal) {
        let host = portal.host(&[Scope::TenantsWrite]).await;
        let norte = json!({
            "external_id": "company-42", "name": "Norte", "email": "billing@norte.example", "locale": "es",
            "time_zone": "Europe/Madrid",
            "members": [{ "email": "Ana@norte.example", "name": "Ana", "role": "owner" }],
        });
        let made = host.post("/tenants", &norte).await.expect(201).body;
        assert_eq!((&made["external_id"], &made["locale"]), (&json!("company-42"), &json!("es")));
        assert_eq!((&made["time_zone"], &made["members"][0]["email"]), (&json!("Europe/Madrid"), &json!("ana@norte.example")));
        let mut other = norte.clone();
        other["name"] = json!("Another");
        assert_eq!(host.post("/tenants", &other).await.expect(200).body, made, "found as it is");
        for id in ["company-42", made["id"].as_str().unwrap()] {
            assert_eq!(host.get(&format!("/tenants/{id}")).await.expect(200).body, made);
        }
        host.get("/tenants/nobody").await.expect(404);
        let written = "select count(*) from audit_entries where actor_kind = 'key' and action in ('tenant.created', 'user.created', 'member.added')";
        assert_eq!(portal.count(written).await, 3);
    }

    async fn what_is_not_named_stays_and_members_that_are_not_named_go(portal: Portal) {
        let host = portal.host(&[Scope::TenantsWrite]).await;
        let people = |list: &[(&str, &str)]| -> serde_json::Value {
            list.iter().map(|(name, role)| json!({ "email": format!("{name}@x.example"), "role": role })).collect()
        };
        let sur = json!({
            "external_id": "s", "name": "Sur", "email": "a@sur.example",
            "members": people(&[("ana", "owner"), ("bo", "operator")]),
        });
        host.post("/tenants", &sur).await.expect(201);
        let named = host.put("/tenants/s", &json!({ "name": "Sur SL" })).await.expect(200).body;
        assert_eq!((&named["name"], &named["email"]), (&json!("Sur SL"), &json!("a@sur.example")));
        assert_eq!(named["members"].as_array().unwrap().len(), 2);
        let wish = json!({ "members": people(&[("bo", "owner"), ("cy", "supervisor")]) });
        let after = host.put("/tenants/s", &wish).await.expect(200).body;
        let roles: Vec<_> =
            after["members"].as_array().unwrap().iter().map(|m| (m["name"].as_str().unwrap(), m["role"].as_str().unwrap())).collect();
        assert_eq!(roles, [("bo", "owner"), ("cy", "supervisor")]);
        let none = host.put("/tenants/s", &json!({ "members": people(&[("bo", "admin")]) })).await.expect(400);
        assert!(none.body["details"]["members"].is_string());
        let twice = json!({ "members": people(&[("bo", "owner"), ("bo", "admin")]) });
        host.put("/tenants/s", &twice).await.expect(400);
        assert_eq!(host.get("/tenants/s").await.body, after, "nothing half done");
        host.put("/tenants/nobody", &json!({ "name": "X" })).await.expect(404);
        let changed = "select count(*) from audit_entries where action in ('tenant.changed', 'member.changed', 'member.removed')";
        assert_eq!(portal.count(changed).await, 3);
    }

    async fn every_wrong_field_of_a_tenant_is_named(portal: Portal) {
        let host = portal.host(&[Scope::TenantsWrite]).await;
        let wrong = json!({
            "external_id": "", "email": "nobody", "locale": "fr", "time_zone": "Europe/Atlantis", "colour": "red",
            "members": [{ "email": "a@b.example", "role": "king" }, { "role": "owner" }],
        });
        let reply = host.post("/tenants", &wrong).await.expect(400);
        let fields: Vec<_> = reply.body["details"].as_object().unwrap().keys().map(String::as_str).collect();
        let all = ["colour", "email", "external_id", "locale", "members[0].role", "members[1].email", "name", "time_zone"];
        assert_eq!(fields, all);
        assert_eq!(portal.count("select count(*) from tenants").await, 0);
    }
}
