//! Filters of lists: what cannot be understood is told at its field, and nothing is shown, nor done, as if it had not been asked.

use billing_portal::auth::Role;
use http::StatusCode;

use crate::support::portal::Portal;
use crate::support::world::World;

both_databases! {
    async fn what_a_filter_cannot_mean_is_told_at_its_field_and_lists_nothing(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        let run = world.begin(false).await;
        world.finish(&run).await;
        let owner = world.portal.user("Olga", &[(&tenant, Role::Owner)]).await;
        let mut owner = world.portal.signed_in(&owner).await.speaking("en");
        let mut sam = world.portal.staff("Sam").await.speaking("en");
        let timeline = format!("/staff/tenants/{}/timeline", tenant.id);
        let findings = format!("/staff/reconciliation/{run}");
        let staff: [(&str, &str, &[&str]); 13] = [
            ("/staff/events", "state=lost", &["State: choose one"]),
            ("/staff/events", "from=31/12/2026&to=soon", &["Came from: this is no day", "Came until: this is no day", "31/12/2026"]),
            ("/staff/events", "from=2026-11-02&to=2026-11-01", &["Came until: the last day is before the first", "2026-11-02"]),
            ("/staff/events", "after=x", &["List: this page of it does not exist"]),
            ("/staff/mails", "kind=postcard&state=lost", &["Kind: choose one", "State: choose one"]),
            ("/staff/mails", "after=12", &["this page of it does not exist"]),
            ("/staff/tenants", "status=rich&q=Norte", &["Status: choose one", "Norte"]),
            (&findings, "kind=x&severity=y&state=checking", &["Severity: choose one", "Finding: choose one", "State: choose one"]),
            ("/staff/reconciliation", "after=x", &["List: this page of it does not exist"]),
            ("/staff/dunning", "after=x-in_1", &["List: this page of it does not exist"]),
            (&timeline, "kind=rumour", &["Kind: choose one"]),
            (&timeline, "after=x.y", &["this page of it does not exist"]),
            ("/staff/audit", "actor=x&from=y", &["Who: choose one", "From: this is no day"]),
        ];
        for (path, query, words) in staff {
            let answer = sam.get(&format!("{path}?{query}")).await.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(words);
            assert!(answer.body.contains("<title>Error: ") && answer.body.contains("id=\"error-summary\""), "{path}?{query}");
            assert!(!answer.body.contains("class=\"empty\""), "{path}?{query}: no word about what was not looked for");
            sam.get(path).await.expect(StatusCode::OK);
        }
        let words = &["From: this is no day", "Status: choose one", "To: this is no day"];
        let answer = owner.get("/invoices?status=lost&from=x&to=y").await.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(words);
        assert!(answer.body.contains("aria-describedby=\"status-error\"") && answer.body.contains("aria-describedby=\"from-error\""));
        for after in ["x", "17", "1.in/../.."] {
            owner.get(&format!("/invoices?after={after}")).await.expect(StatusCode::UNPROCESSABLE_ENTITY)
                .shows(&["List: this page of it does not exist"]);
        }
        owner.get("/invoices?from=2026-02-02&to=2026-02-01").await.expect(StatusCode::UNPROCESSABLE_ENTITY)
            .shows(&["To: the last day is before the first"]);
        owner.get("/invoices.csv?status=lost&from=x").await.expect(StatusCode::UNPROCESSABLE_ENTITY)
            .shows(&["Status: choose one", "From: this is no day"]);
        // What was understood stays chosen, and what was typed stays typed.
        let kept = ["value=\"receipt\" selected", "value=\"ten_1\"", "Clear"];
        sam.get("/staff/mails?kind=receipt&state=lost&tenant=ten_1").await.shows(&kept);
        sam.get(&format!("{findings}?kind=stale_row&state=x")).await.shows(&["value=\"stale_row\" selected", "Clear the filter"]);
        sam.speaking("es").get("/staff/events?from=x&state=y").await
            .shows(&["Llegados desde: no es un día", "elija una opción de la lista"]);
    }

    async fn the_pages_of_the_mails_keep_their_filter_and_repeat_none(portal: Portal) {
        let [norte, sur] = [portal.tenant("Norte").await, portal.tenant("Sur").await];
        for number in 0..180 {
            let (tenant, kind) = (if number % 3 == 0 { &sur } else { &norte }, if number % 2 == 0 { "receipt" } else { "upcoming_invoice" });
            // Three of the same second in a row: a page may end between them.
            portal.run(&format!(
                "insert into mails (id, cause, kind, tenant_id, data, state, due_at, created_at)
                 values ('mail_{number:03}', 'c{number}', '{kind}', '{}', '{{}}', 'kept', 1, {})", tenant.id, 1_795_000_000 + number / 3
            )).await;
        }
        let mut sam = portal.staff("Sam").await;
        let (mut seen, mut next) = (Vec::new(), format!("/staff/mails?kind=receipt&state=kept&tenant={}", norte.id));
        loop {
            let body = sam.get(&next).await.expect(StatusCode::OK).body;
            seen.extend(body.split("href=\"/staff/mails/mail_").skip(1).map(|rest| rest[..3].parse::<i64>().unwrap()));
            let link = |words: &str| {
                let (before, _) = body.split_once(&format!("\">{words}</a>"))?;
                Some(before.rsplit_once("href=\"")?.1.replace("&#38;", "&").replace("&amp;", "&"))
            };
            assert_eq!(link("Newest"), seen.get(50).map(|_| format!("/staff/mails?kind=receipt&state=kept&tenant={}", norte.id)));
            match link("Older") {
                Some(older) => next = older,
                None => break,
            }
        }
        let expected: Vec<i64> = (0..180).rev().filter(|number| number % 3 != 0 && number % 2 == 0).collect();
        assert_eq!(seen, expected);
    }

    async fn a_filter_that_means_nothing_replays_nothing(portal: Portal) {
        portal.run(
            "insert into webhook_events (id, type, livemode, created_at, payload, payload_hash, state, due_at, received_at)
             values ('evt_1', 'invoice.paid', false, 1, '{}', '', 'parked', 1, 1)",
        ).await;
        let parked = "select count(*) from webhook_events where state = 'parked'";
        let mut sam = portal.staff("Sam").await;
        sam.get("/staff/events").await;
        for fields in [[("from", "31/12/2026")], [("state", "prked")], [("to", "soon")]] {
            sam.post("/staff/events/replay", &fields).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(portal.count(parked).await, 1, "{fields:?}");
        }
        sam.post("/staff/events/replay", &[("state", "parked")]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(portal.count(parked).await, 0);
    }
}
