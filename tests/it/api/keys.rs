//! Keys on the staff's page and on the command line, and the documentation.

use billing_portal::api::cli::Keys;
use billing_portal::auth::NewUser;
use clap::Parser;
use http::StatusCode;
use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::portal::{Portal, hash};

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    keys: Keys,
}

async fn run(portal: &Portal, line: &[&str]) -> Result<String, String> {
    let line = Line::try_parse_from([&["api-key"], line].concat()).map_err(|error| error.to_string())?;
    let mut output = Vec::new();
    let done = line.keys.run_with(&portal.db, &portal.clock, &mut output).await;
    done.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(output).unwrap())
}

async fn staff(portal: &Portal) -> Browser {
    let new = NewUser::new("staff@people.example".parse().unwrap(), "Staff").unwrap();
    let staff = portal.create(new.password_hash(hash().await).staff(true), &[]).await;
    portal.signed_in(&staff).await
}

both_databases! {
    async fn a_key_of_the_command_line_opens_the_api_until_it_is_revoked(portal: Portal) {
        let line = ["create", "--name", "Host", "--scope", "tenants:write,access:read", "--mode", "test", "--format", "json"];
        let made: Value = serde_json::from_str(&run(&portal, &line).await.unwrap()).unwrap();
        let host = portal.program().bearer(made["key"].as_str().unwrap());
        host.get("/tenants/nobody").await.expect(404);
        let listed: Value = serde_json::from_str(&run(&portal, &["list", "--format", "json"]).await.unwrap()).unwrap();
        assert_eq!((&listed["id"], &listed["mode"], listed.get("key")), (&made["id"], &"test".into(), None));
        let id = made["id"].as_str().unwrap();
        run(&portal, &["revoke", id]).await.unwrap();
        host.get("/tenants/nobody").await.expect(401);
        assert!(run(&portal, &["revoke", id]).await.unwrap_err().contains("no key"));
        assert!(run(&portal, &["create", "--name", "Host", "--scope", "everything"]).await.is_err());
        let written = "select count(*) from audit_entries where actor_kind = 'command' and action in ('api_key.created', 'api_key.revoked')";
        assert_eq!(portal.count(written).await, 2);
    }

    async fn staff_create_a_key_see_it_once_and_revoke_it(portal: Portal) {
        let mut browser = staff(&portal).await;
        browser.get("/staff/api-keys").await.expect(StatusCode::OK).shows(&["There is no key yet", "bp_test_"]);
        let wrong = browser.post("/staff/api-keys", &[("name", "")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        wrong.shows(&["href=\"#name\""]);
        browser
            .post("/staff/api-keys", &[("name", "Host")])
            .await
            .expect(StatusCode::UNPROCESSABLE_ENTITY)
            .shows(&["href=\"#scopes\"", "value=\"Host\""]);
        let fields = [("name", "Host <1>"), ("scope.usage:write", "on"), ("scope.tenants:read", "on")];
        let made = browser.post("/staff/api-keys", &fields).await.expect(StatusCode::CREATED);
        let (_, rest) = made.body.split_once("<code>bp_test_").unwrap();
        let key = format!("bp_test_{}", rest.split('<').next().unwrap());
        portal.program().bearer(&key).get("/tenants/nobody").await.expect(404);
        let list = browser.get("/staff/api-keys").await.shows(&["Host &#60;1&#62;", "usage:write"]);
        assert!(!list.body.contains(&key), "shown once");
        let (_, rest) = list.body.split_once("action=\"/staff/api-keys/").unwrap();
        let path = format!("/staff/api-keys/{}", rest.split('"').next().unwrap());
        let revoked = browser.post(&path, &[]).await;
        browser.follow(&revoked).await.shows(&["Revoked on"]);
        portal.program().bearer(&key).get("/tenants/nobody").await.expect(401);
        browser.post(&path, &[]).await.expect(StatusCode::NOT_FOUND);
        let written = "select count(*) from audit_entries where actor_kind = 'user' and action in ('api_key.created', 'api_key.revoked')";
        assert_eq!(portal.count(written).await, 2);
    }

    async fn the_description_names_the_tenant_wherever_a_key_must(portal: Portal) {
        let described = portal.program().send(http::Method::GET, "/api/openapi.json", None).await.expect(200).body;
        for (path, item) in described["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let about = format!("{method} {path}");
                let id = operation["operationId"].as_str().unwrap();
                assert!(id.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'), "{about}: {id}");
                let header = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["name"] == "X-Tenant-Id");
                let required: Vec<_> = header.map(|one| one["required"].as_bool().unwrap()).collect();
                let takes = |name: &str| operation["security"].as_array().unwrap().iter().any(|one| one.get(name).is_some());
                let expected = match (takes("key"), takes("token")) {
                    _ if path.starts_with("/tenants") => vec![],
                    (true, is_optional) => vec![!is_optional],
                    (false, _) => vec![],
                };
                assert_eq!(required, expected, "{about}");
            }
        }
    }

    async fn the_description_is_one_of_openapi(portal: Portal) {
        let described = portal.program().send(http::Method::GET, "/api/openapi.json", None).await.expect(200).body;
        let mut schemas: Vec<&Value> = described["components"]["schemas"].as_object().unwrap().values().collect();
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in described["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let about = format!("{method} {path}");
                assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{about}: two of one id");
                let mut named = Vec::new();
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let place = parameter["in"].as_str().unwrap();
                    assert!(["path", "query", "header"].contains(&place), "{about}: {parameter}");
                    assert!(place != "path" || parameter["required"] == true, "{about}: {parameter}");
                    schemas.push(&parameter["schema"]);
                    named.push((place, parameter["name"].as_str().unwrap()));
                }
                let all = named.len();
                named.sort_unstable();
                named.dedup();
                assert_eq!(named.len(), all, "{about}: two parameters of one name");
                let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
                let told = named.iter().filter(|(place, _)| *place == "path").map(|(_, name)| *name);
                assert_eq!(told.collect::<Vec<_>>(), in_path.collect::<Vec<_>>(), "{about}");
                let body = operation.get("requestBody").into_iter();
                for part in operation["responses"].as_object().unwrap().values().chain(body) {
                    for content in part["content"].as_object().into_iter().flatten() {
                        schemas.push(&content.1["schema"]);
                    }
                }
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    assert!(status.parse::<u16>().is_ok() && answer["description"].is_string(), "{about}: {status}");
                }
            }
        }
        for schema in &schemas {
            assert!(jsonschema::meta::is_valid(schema), "{schema}");
            let whole = serde_json::json!({ "allOf": [schema], "components": described["components"] });
            assert!(jsonschema::validator_for(&whole).is_ok(), "a reference leads nowhere: {schema}");
        }
        assert!(schemas.len() > 100, "{}", schemas.len());
    }

    async fn the_description_and_its_page_name_every_endpoint_and_load_nothing(portal: Portal) {
        let reply = portal.program().send(http::Method::GET, "/api/openapi.json", None).await.expect(200);
        assert_eq!(reply.body["openapi"], "3.1.0");
        let paths = reply.body["paths"].as_object().unwrap();
        let page = portal.browser().get("/api/docs").await.expect(StatusCode::OK);
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                let about = format!("{method} {path}");
                assert!(page.body.contains(&format!("{} {path}", method.to_uppercase())), "{about}");
                assert!(page.body.contains(&format!("id=\"{}\"", operation["operationId"].as_str().unwrap())), "{about}");
                assert!(!operation["summary"].as_str().unwrap().is_empty(), "{about}");
                assert!(operation["security"].is_array(), "{about} does not say who may");
                assert!(operation["responses"]["500"].is_object(), "{about}");
            }
        }
        assert!(!page.body.contains("src=\"http") && !page.body.contains("href=\"http"), "loads from elsewhere");
        portal.browser().speaking("es").get("/api/docs").await.shows(&["Documentación de la API", "Ask what a tenant may do now."]);
    }
}
