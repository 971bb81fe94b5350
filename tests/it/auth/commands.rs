//! `tenant` and `user` on the command line: what a script needs to set a portal up.

use billing_portal::auth::cli::User;
use billing_portal::tenants::cli::Tenant;
use clap::Subcommand;
use http::StatusCode;
use serde_json::Value;

use crate::support::portal::Portal;

/// The command as it is read from the line.
fn parsed<C: Subcommand>(line: &[&str]) -> Result<C, String> {
    let command = C::augment_subcommands(clap::Command::new("portal"));
    let matches =
        command.try_get_matches_from([&["portal"], line].concat()).map_err(|error| error.to_string())?;
    C::from_arg_matches(&matches).map_err(|error| error.to_string())
}

async fn tenant(portal: &Portal, line: &[&str]) -> Result<String, String> {
    let mut output = Vec::new();
    let done = parsed::<Tenant>(line)?.run_with(&portal.db, &portal.clock, &mut output).await;
    done.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(output).unwrap())
}

async fn user(portal: &Portal, line: &[&str], input: &str) -> Result<String, String> {
    let mut output = Vec::new();
    let done = parsed::<User>(line)?.run_with(&portal.db, &portal.clock, input.as_bytes(), &mut output).await;
    done.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(output).unwrap())
}

both_databases! {
    async fn a_script_sets_up_a_tenant_and_its_owner_who_then_signs_in(portal: Portal) {
        let line = ["create", "--name", "Norte & Sur", "--email", "billing@norte.example", "--external-id", "acme-7",
            "--language", "es", "--time-zone", "Europe/Madrid", "--format", "json"];
        let made: Value = serde_json::from_str(&tenant(&portal, &line).await.unwrap()).unwrap();
        assert_eq!((&made["name"], &made["time_zone"], &made["language"]),
            (&"Norte & Sur".into(), &"Europe/Madrid".into(), &"es".into()));
        let id = made["id"].as_str().unwrap();
        for (email, tenant) in [("ana@people.example", id), ("bea@people.example", "acme-7")] {
            let line = ["create", "--email", email, "--name", "Ana", "--tenant", tenant, "--role", "admin",
                "--password-stdin", "--format", "json"];
            let made: Value = serde_json::from_str(&user(&portal, &line, "mind the gap\n").await.unwrap()).unwrap();
            assert_eq!((&made["email"], &made["tenant"], &made["role"], &made["staff"]),
                (&email.into(), &id.into(), &"admin".into(), &false.into()));
            let answer = portal.browser().sign_in(email, "mind the gap", "/").await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER);
        }
        let listed = tenant(&portal, &["list", "--format", "json"]).await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&listed).unwrap(), made);
        let listed = user(&portal, &["list"], "").await.unwrap();
        assert_eq!(listed.lines().count(), 2);
        assert!(listed.contains("ana@people.example") && !listed.contains("argon2"));
        let told = "select count(*) from audit_entries where actor_kind = 'command' and tenant_id is not null";
        assert_eq!(portal.count(told).await, 3);
    }

    async fn what_cannot_be_is_explained_and_changes_nothing(portal: Portal) {
        let good = ["create", "--name", "Norte", "--email", "billing@norte.example", "--external-id", "acme-7"];
        tenant(&portal, &good).await.unwrap();
        for (line, words) in [
            (good.to_vec(), "external id already"),
            (vec!["create", "--name", " ", "--email", "a@b.example"], "1 to 200 characters"),
            (vec!["create", "--name", "X", "--email", "nonsense"], "name@example.com"),
            (vec!["create", "--name", "X", "--email", "a@b.example", "--time-zone", "Mars/Base"], "IANA"),
            (vec!["create", "--name", "X", "--email", "a@b.example", "--language", "fr"], "en or es"),
        ] {
            let error = tenant(&portal, &line).await.unwrap_err();
            assert!(error.contains(words), "{line:?}: {error}");
        }
        let base = ["create", "--email", "ana@people.example", "--name", "Ana"];
        user(&portal, &base, "").await.unwrap();
        let with = |more: &[&'static str]| [&["create", "--email", "eva@people.example", "--name", "Eva"], more].concat();
        for (line, input, words) in [
            (base.to_vec(), "", "e-mail address already"),
            (with(&["--tenant", "nowhere"]), "", "there is no tenant nowhere"),
            (with(&["--tenant", "acme-7", "--role", "boss"]), "", "owner, admin, supervisor, operator"),
            (with(&["--password-stdin"]), "short", "at least 8"),
            (with(&["--password-stdin"]), "password1", "strangers try"),
            (with(&["--password-stdin"]), "", "at least 8"),
        ] {
            let error = user(&portal, &line, input).await.unwrap_err();
            assert!(error.contains(words), "{line:?}: {error}");
        }
        assert_eq!(portal.count("select count(*) from tenants").await, 1);
        assert_eq!(portal.count("select count(*) from users").await, 1);
        assert_eq!(portal.count("select count(*) from memberships").await, 0);
    }

    async fn lists_longer_than_one_query_are_whole(portal: Portal) {
        let mut values = Vec::new();
        for number in 0..1_001 {
            values.push(format!("('usr_{number}', 'u{number}@people.example', 'U', false, 0)"));
        }
        portal.run(&format!("insert into users (id, email, name, staff, created_at) values {}", values.join(", "))).await;
        assert_eq!(user(&portal, &["list"], "").await.unwrap().lines().count(), 1_001);
    }
}
