//! Tenants as the host application provisions them.

use billing_portal::api::Scope;
use billing_portal::auth::Role;
use http::StatusCode;
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

    async fn an_id_that_no_header_could_name_is_refused(portal: Portal) {
        let host = portal.host(&[Scope::TenantsWrite, Scope::AccessRead]).await;
        let tenant = |id: &str| json!({ "external_id": id, "name": "Norte", "email": "a@norte.example" });
        for id in ["company 42", "compañía", "a\tb", &"x".repeat(201)] {
            let reply = host.post("/tenants", &tenant(id)).await.expect(400);
            assert!(reply.body["details"]["external_id"].is_string(), "{id}: {}", reply.body);
        }
        let longest = "x".repeat(200);
        for id in ["a/b?c=%20", longest.as_str()] {
            host.post("/tenants", &tenant(id)).await.expect(201);
            host.clone().with("x-tenant-id", id).get("/access").await.expect(200);
        }
    }

    async fn who_goes_leaves_no_invitation_behind(portal: Portal) {
        let host = portal.host(&[Scope::TenantsWrite]).await;
        let norte = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let leo = portal.user("Leo", &[(&norte, Role::Admin)]).await;
        let mut inviter = portal.signed_in(&leo).await;
        inviter.get("/members").await;
        for (email, role) in [("eve@x.example", "operator"), ("fay@x.example", "admin")] {
            inviter.post("/members", &[("email", email), ("role", role)]).await.expect(StatusCode::SEE_OTHER);
        }
        let links = portal.links("invitation").await;
        let path = format!("/tenants/{}", norte.id);
        let people = json!([{ "email": ana.email.as_str(), "role": "owner" }, { "email": leo.email.as_str(), "role": "supervisor" }]);
        host.put(&path, &json!({ "members": people })).await.expect(200);
        for link in &links {
            portal.browser().get(link).await.expect(StatusCode::GONE);
        }
        assert_eq!((links.len(), portal.audited("invitation.withdrawn").await), (2, 2));
        // The last owner is replaced in one request, whatever the order.
        let other = json!({ "members": [{ "email": ana.email.as_str(), "role": "operator" }, { "email": leo.email.as_str(), "role": "owner" }] });
        let after = host.put(&path, &other).await.expect(200).body;
        let roles: Vec<_> = after["members"].as_array().unwrap().iter().map(|one| one["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["operator", "owner"]);
    }

    async fn requests_of_the_same_moment_make_a_person_once(portal: Portal) {
        let host = portal.host(&[Scope::TenantsWrite, Scope::SignInLinksWrite]).await;
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        let long = format!("{}@x.example", "a".repeat(240));
        let mut tasks = Vec::new();
        for number in 0..6 {
            let (host, long) = (host.clone(), long.clone());
            let tenant = if number % 2 == 0 { norte.clone() } else { sur.clone() };
            tasks.push(tokio::spawn(async move {
                if number < 3 {
                    let body = json!({ "email": long, "role": "owner" });
                    host.tenant(&tenant).post("/sign-in-links", &body).await.status.as_u16()
                } else {
                    let body = json!({ "members": [{ "email": long, "role": "owner" }] });
                    host.put(&format!("/tenants/{}", tenant.id), &body).await.status.as_u16()
                }
            }));
        }
        let mut statuses = Vec::new();
        for task in tasks {
            statuses.push(task.await.unwrap());
        }
        assert_eq!(statuses, [201, 201, 201, 200, 200, 200]);
        assert_eq!(portal.count("select count(*) from users").await, 1);
        assert_eq!(portal.count("select count(*) from memberships").await, 2);
        assert_eq!(portal.count("select cast(max(length(name)) as bigint) from users").await, 200);
        assert_eq!(portal.audited("user.created").await, 1);
    }

    async fn changes_of_the_same_moment_do_not_take_each_other_back(portal: Portal) {
        let host = portal.host(&[Scope::TenantsWrite]).await;
        let path = format!("/tenants/{}", portal.tenant("Norte").await.id);
        for round in 0..10 {
            let bodies = [json!({ "name": format!("Norte {round}") }), json!({ "email": format!("mail{round}@norte.example") })];
            let tasks = bodies.map(|body| {
                let (host, path) = (host.clone(), path.clone());
                tokio::spawn(async move { host.put(&path, &body).await.expect(200) })
            });
            for task in tasks {
                task.await.unwrap();
            }
            let after = host.get(&path).await.expect(200).body;
            assert_eq!((&after["name"], &after["email"]), (&json!(format!("Norte {round}")), &json!(format!("mail{round}@norte.example"))));
        }
    }

    async fn a_thousand_members_are_named_at_once_and_no_more(portal: Portal) {
        let host = portal.host(&[Scope::TenantsWrite]).await;
        let people = |many: usize| -> serde_json::Value {
            (0..many).map(|n| json!({ "email": format!("person{n:04}@x.example"), "role": if n == 0 { "owner" } else { "operator" } })).collect()
        };
        let sur = |members| json!({ "external_id": "s", "name": "Sur", "email": "a@sur.example", "members": members });
        let most = host.post("/tenants", &sur(people(1_001))).await.expect(400);
        assert!(most.body["details"]["members"].is_string(), "{}", most.body);
        let made = host.post("/tenants", &sur(people(1_000))).await.expect(201).body;
        assert_eq!(made["members"].as_array().unwrap().len(), 1_000);
        let few = host.put("/tenants/s", &json!({ "members": people(2) })).await.expect(200).body;
        assert_eq!(few["members"].as_array().unwrap().len(), 2);
    }
}
