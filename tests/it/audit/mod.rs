//! The audit: only ever added to, nothing secret in it, and no byte of it changed unseen.

mod filters;
mod rows;

use std::collections::BTreeSet;

use billing_portal::audit::chain::Break;
use billing_portal::audit::cli::check;
use billing_portal::audit::words::{self, ACTIONS};
use billing_portal::audit::{self, Actor, Entry, coverage, store, work};
use billing_portal::auth::{NewUser, Role};
use billing_portal::clock::from_seconds;
use billing_portal::db::{Committed, Db, Deed};
use billing_portal::i18n::Language;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::customer::BAD;
use crate::support::portal::{Portal, hash};
use crate::support::world::World;

async fn record(portal: &Portal, count: usize) {
    let mut tx = portal.db.write().await.unwrap();
    for number in 0..count {
        portal.clock.pass(1);
        let entry = Entry::new(Actor::User(format!("usr_{number}")), "session.started", portal.clock.now())
            .object(format!("obj_{number}"))
            .change(Some(json!({ "n": number })), Some(json!({ "n": number + 1 })))
            .address("192.0.2.1")
            .cause(format!("cause_{number}"));
        assert!(audit::record(&mut tx, &entry).await.unwrap());
    }
    tx.commit().await.unwrap();
}

async fn seal_all(db: &Db) {
    while work::step(db).await.unwrap() > 0 {}
}

/// Does what the database refuses: as somebody who owns it could.
async fn force(portal: &Portal, sql: &str) {
    let (off, on): (&[&str], &[&str]) = match &portal.db {
        Db::Sqlite { .. } => (
            &[
                "drop trigger audit_entries_no_update",
                "drop trigger audit_entries_no_delete",
                "drop trigger audit_seals_no_update",
                "drop trigger audit_seals_no_delete",
            ],
            &[],
        ),
        Db::Postgres { .. } => (
            &[
                "alter table audit_entries disable trigger audit_entries_no_change",
                "alter table audit_seals disable trigger audit_seals_no_change",
            ],
            &[
                "alter table audit_entries enable trigger audit_entries_no_change",
                "alter table audit_seals enable trigger audit_seals_no_change",
            ],
        ),
    };
    for sql in off.iter().chain([&sql]).chain(on) {
        portal.run(sql).await;
    }
    portal.db.migrate().await.unwrap();
}

async fn refused(portal: &Portal, sql: &str) -> bool {
    let mut tx = portal.db.write().await.unwrap();
    tx.query_built(sql.to_owned()).run().await.is_err()
}

both_databases! {
    async fn the_database_itself_refuses_to_change_an_entry_or_a_seal(portal: Portal) {
        record(&portal, 2).await;
        seal_all(&portal.db).await;
        for sql in [
            "update audit_entries set action = 'nothing'",
            "update audit_entries set at = at where 1 = 1",
            "delete from audit_entries",
            "update audit_seals set hash = ''",
            "delete from audit_seals where seq = 2",
        ] {
            assert!(refused(&portal, sql).await, "{sql}");
        }
        match portal.db {
            Db::Postgres { .. } => {
                assert!(refused(&portal, "truncate audit_entries cascade").await);
                assert!(refused(&portal, "truncate audit_seals").await);
            }
            Db::Sqlite { .. } => {
                let columns = "id, cause, at, actor_kind, action";
                for replace in [
                    format!("insert or replace into audit_entries ({columns}) select id, cause, at, actor_kind, 'x' from audit_entries limit 1"),
                    format!("replace into audit_entries ({columns}) select id, 'new', at, actor_kind, 'x' from audit_entries limit 1"),
                    "insert or replace into audit_seals (seq, entry_id, hash) select seq, entry_id, 'x' from audit_seals limit 1".to_owned(),
                    "insert or replace into audit_seals (seq, entry_id, hash) select 9, entry_id, 'x' from audit_seals limit 1".to_owned(),
                ] {
                    assert!(refused(&portal, &replace).await, "{replace}");
                }
                // The same cause under another id is left out, as a second telling is.
                portal.run(&format!("insert or replace into audit_entries ({columns}) select 'aud_x', cause, at, actor_kind, 'x' from audit_entries limit 1")).await;
                assert_eq!(portal.count("select count(*) from audit_entries where action = 'x'").await, 0);
            }
        }
        assert_eq!(portal.count("select count(*) from audit_entries").await, 2);
        assert_eq!(check(&portal.db, None).await.unwrap().broken, None);
        portal.db.migrate().await.unwrap();
        assert!(refused(&portal, "delete from audit_entries").await, "after migrating again, too");
    }

    async fn a_chain_that_nobody_touched_is_in_order(portal: Portal) {
        record(&portal, 700).await;
        let before = check(&portal.db, None).await.unwrap();
        assert_eq!((before.entries, before.waiting, before.broken), (0, 700, None));
        tokio::join!(seal_all(&portal.db), seal_all(&portal.db), seal_all(&portal.db));
        let sealed = check(&portal.db, None).await.unwrap();
        assert_eq!((sealed.entries, sealed.waiting, sealed.broken), (700, 0, None));
        record_more(&portal).await;
        seal_all(&portal.db).await;
        let later = check(&portal.db, Some(sealed.seal)).await.unwrap();
        assert_eq!((later.entries, later.broken), (701, None), "and the seal noted before is still in it");
        assert_eq!(check(&portal.db, Some("other".into())).await.unwrap().broken, Some(Break::Replaced));
    }

    async fn an_end_that_is_cut_off_is_missed_by_the_seal_that_was_noted_with_a_report(portal: Portal) {
        record(&portal, 5).await;
        seal_all(&portal.db).await;
        let mut tx = portal.db.write().await.unwrap();
        let noted = store::mark(&mut tx, 1).await.unwrap();
        assert_eq!(store::mark(&mut tx, 2).await.unwrap(), noted, "noted once");
        tx.commit().await.unwrap();
        record_more(&portal).await;
        seal_all(&portal.db).await;
        assert_eq!(check(&portal.db, None).await.unwrap().broken, None, "what came later does no harm");
        assert!(refused(&portal, "delete from audit_marks").await);
        let mut tx = portal.db.read().await.unwrap();
        let last: Vec<(String,)> =
            tx.query_built("select entry_id from audit_seals where seq > 4".to_owned()).all().await.unwrap();
        drop(tx);
        force(&portal, "delete from audit_seals where seq > 4").await;
        for (id,) in last {
            force(&portal, &format!("delete from audit_entries where id = '{id}'")).await;
        }
        let cut = check(&portal.db, None).await.unwrap();
        assert_eq!((cut.entries, cut.broken), (4, Some(Break::Replaced)), "each link is in order, and yet");
    }

    async fn every_altered_column_is_found_and_the_first_broken_entry_named(portal: Portal) {
        portal.tenant("Norte").await;
        record(&portal, 5).await;
        seal_all(&portal.db).await;
        let (third,): (String,) = portal.db.read().await.unwrap()
            .query_built("select entry_id from audit_seals where seq = 3".to_owned()).one().await.unwrap();
        let altered = Some(Break::Altered { seq: 3, entry: third.clone() });
        for (column, value) in [
            ("cause", "null"), ("cause", "'other'"), ("at", "at + 1"), ("actor_kind", "'job'"), ("actor_id", "null"),
            ("action", "'session.ended'"), ("object_id", "'x'"), ("before", "'{}'"), ("before", "null"), ("after", "''"),
            ("after", "after || ' '"), ("address", "'192.0.2.2'"), ("tenant_id", "(select id from tenants limit 1)"),
        ] {
            let (old,): (Option<String>,) = portal.db.read().await.unwrap()
                .query_built(format!("select cast({column} as text) from audit_entries where id = '{third}'")).one().await.unwrap();
            force(&portal, &format!("update audit_entries set {column} = {value} where id = '{third}'")).await;
            assert_eq!(check(&portal.db, None).await.unwrap().broken, altered, "{column} = {value}");
            let back = match old {
                Some(old) if column == "at" => old,
                Some(old) => format!("'{old}'"),
                None => "null".to_owned(),
            };
            force(&portal, &format!("update audit_entries set {column} = {back} where id = '{third}'")).await;
            assert_eq!(check(&portal.db, None).await.unwrap().broken, None, "{column} put back");
        }
        for byte in 0..43 {
            let flip = format!("update audit_seals set hash = substr(hash, 1, {byte}) || case when substr(hash, {0}, 1) = 'A' then 'B' else 'A' end || substr(hash, {1}) where seq = 3", byte + 1, byte + 2);
            let (old,): (String,) = portal.db.read().await.unwrap()
                .query_built("select hash from audit_seals where seq = 3".to_owned()).one().await.unwrap();
            force(&portal, &flip).await;
            assert_eq!(check(&portal.db, None).await.unwrap().broken, altered, "byte {byte} of the seal");
            force(&portal, &format!("update audit_seals set hash = '{old}' where seq = 3")).await;
        }
    }

    async fn a_seal_that_is_given_to_another_entry_or_place_is_found(portal: Portal) {
        record(&portal, 5).await;
        seal_all(&portal.db).await;
        let (third,): (String,) = portal.db.read().await.unwrap()
            .query_built("select entry_id from audit_seals where seq = 3".to_owned()).one().await.unwrap();
        record_more(&portal).await;
        let (stray,): (String,) = portal.db.read().await.unwrap()
            .query_built("select entry_id from audit_unsealed".to_owned()).one().await.unwrap();
        force(&portal, &format!("update audit_seals set entry_id = '{stray}' where seq = 3")).await;
        assert_eq!(check(&portal.db, None).await.unwrap().broken, Some(Break::Altered { seq: 3, entry: stray }));
        force(&portal, &format!("update audit_seals set entry_id = '{third}' where seq = 3")).await;
        assert_eq!(check(&portal.db, None).await.unwrap().broken, None);
        force(&portal, "update audit_seals set seq = 9 where seq = 3").await;
        assert_eq!(check(&portal.db, None).await.unwrap().broken, Some(Break::Gap { seq: 3 }));
    }

    async fn what_is_removed_or_put_in_is_found(portal: Portal) {
        record(&portal, 5).await;
        seal_all(&portal.db).await;
        let head = check(&portal.db, None).await.unwrap().seal;
        let (stray,): (String,) = portal.db.read().await.unwrap()
            .query_built("select entry_id from audit_seals where seq = 4".to_owned()).one().await.unwrap();
        portal.run("insert into audit_entries (id, at, actor_kind, action) values ('aud_x', 1, 'job', 'x')").await;
        assert_eq!(check(&portal.db, None).await.unwrap().broken, Some(Break::Unsealed { entry: "aud_x".into() }));
        force(&portal, "delete from audit_entries where id = 'aud_x'").await;
        assert_eq!(check(&portal.db, None).await.unwrap().broken, None);
        force(&portal, "delete from audit_seals where seq = 5").await;
        assert_eq!(check(&portal.db, Some(head)).await.unwrap().broken, Some(Break::Replaced), "the end cut off");
        force(&portal, "delete from audit_seals where seq = 4").await;
        assert!(matches!(check(&portal.db, None).await.unwrap().broken, Some(Break::Unsealed { .. })));
        force(&portal, "delete from audit_seals where seq = 2").await;
        assert_eq!(check(&portal.db, None).await.unwrap().broken, Some(Break::Gap { seq: 2 }));
        let _ = stray;
    }

    async fn a_cause_is_written_once_and_nothing_secret_at_all(portal: Portal) {
        let mut tx = portal.db.write().await.unwrap();
        let entry = Entry::new(Actor::Stripe(Some("evt_1".into())), "customer.changed", portal.clock.now())
            .cause("evt_1")
            .change(None, Some(json!({ "cvc": "123", "note": "4242 4242 4242 4242", "exp_month": 4, "last4": "4242" })));
        assert!(audit::record(&mut tx, &entry).await.unwrap());
        assert!(!audit::record(&mut tx, &entry).await.unwrap());
        tx.commit().await.unwrap();
        let (after,): (String,) = portal.db.read().await.unwrap()
            .query_built("select after from audit_entries".to_owned()).one().await.unwrap();
        let after: Value = serde_json::from_str(&after).unwrap();
        assert_eq!(after, json!({ "cvc": "[redacted]", "note": "[redacted]", "exp_month": "[redacted]", "last4": "4242" }));
        seal_all(&portal.db).await;
        assert_eq!(check(&portal.db, None).await.unwrap().entries, 1);
    }

    async fn a_tenant_sees_and_exports_its_own_entries_and_no_others(portal: Portal) {
        let (ours, theirs) = (portal.tenant("Ours").await, portal.tenant("Theirs").await);
        let owner = portal.user("Olga", &[(&ours, Role::Owner)]).await;
        let mut tx = portal.db.write().await.unwrap();
        for number in 0..120 {
            portal.clock.pass(1);
            for (tenant, object) in [(&ours, format!("ours_{number:03}.")), (&theirs, format!("theirs_{number:03}."))] {
                let entry = Entry::new(Actor::Job("test"), "tenant.changed", portal.clock.now())
                    .tenant(tenant.id.as_str()).object(object).change(None, Some(json!({ "name": "=1+1" })));
                audit::record(&mut tx, &entry).await.unwrap();
            }
        }
        tx.commit().await.unwrap();
        let mut browser = portal.signed_in(&owner).await;
        let mut seen = BTreeSet::new();
        let mut path = format!("/audit?action=tenant.changed&tenant={}", theirs.id);
        loop {
            let page = browser.get(&path).await.expect(StatusCode::OK);
            assert!(!page.body.contains("theirs_"));
            seen.extend(page.body.split("<code>").filter(|rest| rest.starts_with("ours_")).map(|rest| rest[..8].to_owned()));
            let Some((before, _)) = page.body.split_once("\">Older") else { break };
            path = before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&").replace("&#38;", "&");
        }
        assert_eq!(seen.len(), 120, "page by page, each once");
        for (file, kind) in [("/audit.csv", "text/csv"), ("/audit.jsonl", "application/jsonl")] {
            let answer = browser.get(&format!("{file}?action=tenant.changed")).await.expect(StatusCode::OK);
            assert!(answer.header("content-type").starts_with(kind));
            assert!(answer.header("content-disposition").contains("attachment"));
            assert_eq!(answer.body.matches("ours_").count(), 120);
            assert!(!answer.body.contains("theirs_"));
        }
        for line in browser.get("/audit.jsonl").await.body.lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
        browser.get("/staff/audit").await.expect(StatusCode::NOT_FOUND);
        let reader = portal.user("Sofia", &[(&ours, Role::Supervisor)]).await;
        portal.signed_in(&reader).await.get("/audit").await.expect(StatusCode::FORBIDDEN);
        let staff = NewUser::new("staff@people.example".parse().unwrap(), "Sam").unwrap();
        let staff = portal.create(staff.staff(true).password_hash(hash().await), &[]).await;
        let mut browser = portal.signed_in(&staff).await;
        browser.get("/staff/audit").await.expect(StatusCode::OK).shows(&["theirs_119", "ours_119", "Theirs"]);
        let all = browser.get("/staff/audit.jsonl?action=tenant.changed").await.expect(StatusCode::OK);
        assert_eq!(all.body.lines().count(), 240);
        let one = browser.get("/staff/audit?object=theirs_007.").await.expect(StatusCode::OK);
        assert!(one.body.contains("theirs_007") && !one.body.contains("theirs_008"));
    }

    async fn signing_in_and_out_and_being_refused_write_entries(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let owner = portal.user("Olga", &[(&tenant, Role::Owner)]).await;
        let mut browser = portal.signed_in(&owner).await;
        browser.get("/plans").await;
        browser.post("/sign-out", &[]).await;
        portal.browser().sign_in("olga@people.example", "wrong password", "/").await;
        let mut tx = portal.db.read().await.unwrap();
        let actions: Vec<(String,)> = tx.query_built("select action from audit_entries order by action".to_owned()).all().await.unwrap();
        let actions: Vec<_> = actions.iter().map(|(action,)| action.as_str()).collect();
        assert_eq!(actions, ["session.ended", "session.refused", "session.started"]);
    }
}

both_databases! {
    async fn every_row_that_has_to_be_told_of_is_counted_and_one_that_is_not_told_of_is_found(world: World) {
        let (tenant, mut browser) = world.owner_of("Norte").await;
        let (customer, subscription) = world.subscription(&tenant, "starter_month", json!({})).await;
        world.control.card(customer.as_str(), BAD).await.unwrap();
        let end = subscription["items"]["data"][0]["current_period_end"].as_i64().unwrap();
        world.travel(from_seconds(end + 7_200)).await;
        world.travel(from_seconds(end + 8 * 86_400)).await;
        browser.get("/").await.expect(StatusCode::OK);
        let covered = store::coverage(&mut world.portal.db.read().await.unwrap()).await.unwrap();
        for seen in &covered {
            // The tests make these themselves, without the program.
            if !["tenants", "users"].contains(&seen.what.as_str()) {
                assert!(seen.rows > 0 && seen.missing == 0, "{seen:?}");
            }
        }
        let case = "insert into dunning_cases (invoice_id, tenant_id, customer_id, currency, amount, state, opened_at) \
                    select 'in_strange', tenant_id, customer_id, currency, 1, 'open', 1 from dunning_cases limit 1";
        world.portal.run(case).await;
        let covered = store::coverage(&mut world.portal.db.read().await.unwrap()).await.unwrap();
        let cases = covered.iter().find(|seen| seen.what == "dunning_cases").unwrap();
        assert_eq!((cases.rows, cases.missing), (2, 1));
    }
}

#[test]
fn whether_a_change_has_to_be_told_of_is_said_for_every_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let files =
        std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let files: Vec<String> = files.collect();
    let is_gone = |name: &str| files.iter().any(|text| text.contains(&format!("drop table {name};")));
    let mut without = Vec::new();
    for text in &files {
        for rest in text.split("create table ").skip(1) {
            let name = rest.split([' ', '(']).find(|word| !["if", "not", "exists"].contains(word)).unwrap();
            without.extend((coverage::told(name).is_none() && !is_gone(name)).then(|| name.to_owned()));
        }
    }
    assert!(without.is_empty(), "audit/coverage.rs does not say: {without:?}");
}

#[test]
fn a_transaction_that_tells_nothing_of_what_it_changes_is_found() {
    let committed = |file: &'static str, deeds: &[(Deed, &str)]| {
        let deeds = deeds.iter().map(|(deed, table)| (*deed, (*table).to_owned())).collect();
        BTreeSet::from([Committed { file, line: 7, deeds }])
    };
    let silent = committed("src/tenants/web.rs", &[(Deed::Update, "tenants"), (Deed::Insert, "mails")]);
    let said = "the transaction of src/tenants/web.rs:7: Update of tenants without an entry";
    assert_eq!(coverage::untold(&silent, &[]), [said]);
    assert!(coverage::untold(&silent, &[("src/tenants/web.rs", "tenants", "why")]).is_empty());
    for fine in [
        committed("src/tenants/web.rs", &[(Deed::Update, "tenants"), (Deed::Insert, "audit_entries")]),
        committed("src/dunning/work.rs", &[(Deed::Update, "dunning_cases")]),
        committed("tests/it/support/portal.rs", &[(Deed::Insert, "tenants")]),
    ] {
        assert!(coverage::untold(&fine, &[]).is_empty(), "{fine:?}");
    }
    for wrong in [(Deed::Insert, "dunning_cases"), (Deed::Delete, "memberships"), (Deed::Update, "api_keys")]
    {
        assert_eq!(coverage::untold(&committed("src/a.rs", &[wrong]), &[]).len(), 1, "{wrong:?}");
    }
}

async fn record_more(portal: &Portal) {
    let mut tx = portal.db.write().await.unwrap();
    let entry = Entry::new(Actor::Command, "tenant.created", portal.clock.now());
    audit::record(&mut tx, &entry).await.unwrap();
    tx.commit().await.unwrap();
}

#[test]
fn every_action_that_the_code_writes_has_its_words() {
    let mut without = BTreeSet::new();
    walk(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut |text| {
        for start in ["Entry::new(", "self.entry("] {
            for rest in text.split(start).skip(1) {
                let call = &rest[..rest.len().min(160)];
                let literals = call.split('"').skip(1).step_by(2);
                let is_action = |literal: &&str| {
                    literal.split_once('.').is_some_and(|(a, b)| {
                        [a, b].iter().all(|part| {
                            !part.is_empty() && part.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
                        })
                    })
                };
                without.extend(
                    literals
                        .filter(is_action)
                        .filter(|action| words::key(action).is_none())
                        .map(str::to_owned),
                );
            }
        }
    });
    assert!(without.is_empty(), "audit/words.rs does not say: {without:?}");
    for (action, key) in ACTIONS {
        for language in Language::ALL {
            assert!(language.has(key), "{action}");
        }
    }
}

fn walk(folder: &std::path::Path, read: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, read);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            read(&std::fs::read_to_string(&path).unwrap());
        }
    }
}
