//! The filters of the audit's pages and files: each of them, together, in the reader's own days, and never by guessing.

use std::collections::BTreeSet;

use billing_portal::audit::{self, Actor, Entry};
use billing_portal::auth::Role;
use billing_portal::tenants::Tenant;
use http::StatusCode;
use jiff::Timestamp;

use crate::support::browser::Browser;
use crate::support::portal::Portal;

/// Entries of two tenants, of every kind of actor, around the days of Madrid: in winter these begin at 23:00 UTC.
async fn entries(portal: &Portal) -> (Tenant, Tenant) {
    let (ours, theirs) = (portal.tenant("Ours").await, portal.tenant("Theirs").await);
    let mut tx = portal.db.write().await.unwrap();
    for (object, actor, action, at) in [
        ("o_early", Actor::Job("test"), "tenant.changed", "2026-11-19T22:59:59Z"),
        ("o_first", Actor::Job("test"), "tenant.changed", "2026-11-19T23:00:00Z"),
        ("o_key", Actor::Key("key_1".into()), "tenant.changed", "2026-11-20T12:00:00Z"),
        ("o_stripe", Actor::Stripe(Some("evt_1".into())), "invoice.changed", "2026-11-20T12:00:01Z"),
        ("o_visitor", Actor::Visitor, "session.refused", "2026-11-20T12:00:02Z"),
        ("o_command", Actor::Command, "tenant.changed", "2026-11-20T12:00:03Z"),
        ("o_last", Actor::Job("test"), "tenant.changed", "2026-11-20T22:59:59Z"),
        ("o_late", Actor::Job("test"), "tenant.changed", "2026-11-20T23:00:00Z"),
    ] {
        let at: Timestamp = at.parse().unwrap();
        for (tenant, object) in [(&ours, object.to_owned()), (&theirs, format!("their_{object}"))] {
            let entry = Entry::new(actor.clone(), action, at).tenant(tenant.id.as_str()).object(object);
            audit::record(&mut tx, &entry).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    (ours, theirs)
}

/// The objects that an answer names.
fn objects(body: &str) -> BTreeSet<String> {
    let words = body.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("o_") || word.starts_with("their_o_")).map(str::to_owned).collect()
}

/// What the page and both files show for a question: the same.
async fn asked(browser: &mut Browser, base: &str, query: &str) -> Vec<String> {
    let page = browser.get(&format!("{base}?{query}")).await.expect(StatusCode::OK);
    // The form says again what was asked for.
    let page = objects(page.body.split_once("<tbody>").map_or("", |(_, rows)| rows));
    for ending in ["csv", "jsonl"] {
        let file = browser.get(&format!("{base}.{ending}?{query}")).await.expect(StatusCode::OK);
        assert_eq!(objects(&file.body), page, "{base}.{ending}?{query}");
    }
    page.into_iter().collect()
}

both_databases! {
    async fn each_filter_keeps_what_it_names_and_all_together_what_all_name(portal: Portal) {
        let (ours, theirs) = entries(&portal).await;
        let owner = portal.user("Olga", &[(&ours, Role::Owner)]).await;
        let mut owner = portal.signed_in(&owner).await;
        for (query, seen) in [
            ("actor=key", &["o_key"][..]),
            ("actor=stripe", &["o_stripe"]),
            ("actor=visitor", &["o_visitor"]),
            ("actor=command", &["o_command"]),
            ("actor=job", &["o_early", "o_first", "o_last", "o_late"]),
            ("actor=user&object=o_key", &[]),
            // The tenant's days are UTC's until it says otherwise.
            ("from=2026-11-20&to=2026-11-20", &["o_command", "o_key", "o_last", "o_late", "o_stripe", "o_visitor"]),
            ("to=2026-11-19", &["o_early", "o_first"]),
            ("from=2026-11-21&actor=job", &[]),
            ("from=2026-11-20&to=2026-11-20&actor=job&action=tenant.changed", &["o_last", "o_late"]),
            ("from=2026-11-20&to=2026-11-20&actor=job&action=tenant.changed&object=o_last", &["o_last"]),
            (" from=+2026-11-20+&to=2026-11-20&object=+o_key+", &["o_key"]),
        ] {
            let query = query.trim_start();
            assert_eq!(asked(&mut owner, "/audit", query).await, seen, "{query}");
            let others = format!("{query}&tenant={}", theirs.id);
            assert_eq!(asked(&mut owner, "/audit", &others).await, seen, "no other tenant's: {query}");
        }
        let mut sam = portal.staff("Sam").await;
        assert_eq!(asked(&mut sam, "/staff/audit", "actor=key").await, ["o_key", "their_o_key"]);
        let one = format!("actor=job&from=2026-11-20&to=2026-11-20&tenant={}", theirs.id);
        assert_eq!(asked(&mut sam, "/staff/audit", &one).await, ["their_o_last", "their_o_late"]);
    }

    async fn days_are_those_of_the_readers_time_zone(portal: Portal) {
        let (ours, _) = entries(&portal).await;
        portal.run("update tenants set time_zone = 'Europe/Madrid'").await;
        let owner = portal.user("Olga", &[(&ours, Role::Owner)]).await;
        let mut owner = portal.signed_in(&owner).await;
        let jobs = asked(&mut owner, "/audit", "actor=job&from=2026-11-20&to=2026-11-20").await;
        assert_eq!(jobs, ["o_first", "o_last"]);
        assert_eq!(asked(&mut owner, "/audit", "actor=job&to=2026-11-19").await, ["o_early"]);
        assert_eq!(asked(&mut owner, "/audit", "actor=job&from=2026-11-21").await, ["o_late"]);
        // Staff are of no tenant.
        let mut sam = portal.staff("Sam").await;
        let one = format!("actor=job&from=2026-11-20&to=2026-11-20&tenant={}", ours.id);
        assert_eq!(asked(&mut sam, "/staff/audit", &one).await, ["o_last", "o_late"]);
    }

    async fn what_is_no_day_and_no_actor_is_told_by_its_field_and_filters_nothing_in_silence(portal: Portal) {
        let (ours, _) = entries(&portal).await;
        let owner = portal.user("Olga", &[(&ours, Role::Owner)]).await;
        let mut owner = portal.signed_in(&owner).await.speaking("en");
        let mut sam = portal.staff("Sam").await;
        for (browser, base) in [(&mut owner, "/audit"), (&mut sam, "/staff/audit")] {
            for (query, words) in [
                ("from=2026-02-30", &["From: this is no day"][..]),
                ("from=yesterday&to=2026-11-20", &["From: this is no day"]),
                ("to=20.11.2026", &["To: this is no day"]),
                ("to=9999-12-31", &["To: this is no day"]),
                ("from=2026-11-20&to=2026-11-19", &["To: the last day is before the first"]),
                ("actor=somebody", &["Who: choose one"]),
                ("actor=x&from=y&to=z", &["From: this is no day", "To: this is no day", "Who: choose one"]),
            ] {
                for path in [base.to_owned(), format!("{base}.csv"), format!("{base}.jsonl")] {
                    let refused = browser.get(&format!("{path}?{query}")).await;
                    refused.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(words);
                }
            }
        }
        let refused = owner.speaking("es").get("/audit?from=x&to=y&actor=z").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        refused.shows(&["Desde: no es un día", "Hasta: no es un día", "Quién: elija"]);
    }

    async fn links_to_the_next_page_and_the_files_keep_every_filter(portal: Portal) {
        let tenant = portal.tenant("Ours").await;
        let mut tx = portal.db.write().await.unwrap();
        let start: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        for number in 0..260_i64 {
            let actor = if number % 2 == 0 { Actor::Command } else { Actor::Job("test") };
            let action = if number % 4 < 2 { "tenant.changed" } else { "tenant.created" };
            // Two of the same second in a row: the page may end between them.
            let at = start + jiff::SignedDuration::from_secs(number / 4);
            let entry = Entry::new(actor, action, at).tenant(tenant.id.as_str()).object(format!("o_{number:03}"));
            audit::record(&mut tx, &entry).await.unwrap();
        }
        let entry = Entry::new(Actor::Command, "tenant.changed", start - jiff::SignedDuration::from_hours(24));
        audit::record(&mut tx, &entry.tenant(tenant.id.as_str()).object("o_before")).await.unwrap();
        tx.commit().await.unwrap();
        let owner = portal.user("Olga", &[(&tenant, Role::Owner)]).await;
        let mut owner = portal.signed_in(&owner).await;
        let mut sam = portal.staff("Sam").await;
        let filters = ["action=tenant.changed", "actor=command", "from=2026-11-20", "to=2026-11-20"];
        let tenants = format!("tenant={}", tenant.id);
        for (browser, base, more) in [(&mut owner, "/audit", None), (&mut sam, "/staff/audit", Some(tenants.as_str()))] {
            let filters: Vec<&str> = filters.iter().copied().chain(more).collect();
            let mut path = format!("{base}?{}", filters.join("&"));
            let (mut seen, mut pages) = (Vec::new(), 0);
            loop {
                let page = browser.get(&path).await.expect(StatusCode::OK);
                pages += 1;
                let body = page.body.replace("&amp;", "&").replace("&#38;", "&");
                seen.extend(objects(&body));
                let links: Vec<&str> = body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
                let kept: Vec<_> = links.iter().filter(|link| link.starts_with(base) && link.contains('?')).collect();
                assert_eq!(kept.len(), 2 + usize::from(pages == 1) + usize::from(pages == 2), "files, and older or newest: {kept:?}");
                for link in &kept {
                    assert!(filters.iter().all(|filter| link.contains(filter)), "{link} keeps the filters");
                }
                let Some(older) = kept.iter().find(|link| link.contains("after=")) else { break };
                path = (**older).to_owned();
            }
            let all: BTreeSet<_> = seen.iter().cloned().collect();
            assert_eq!((pages, seen.len(), all.len()), (2, 65, 65), "page by page, each once");
            let file = browser.get(&format!("{base}.jsonl?{}", filters.join("&"))).await.expect(StatusCode::OK);
            assert_eq!(objects(&file.body), all);
        }
    }
}
