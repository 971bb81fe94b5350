//! The list of invoices, one invoice, the accountant's file, and the ways to Stripe's pages.

use billing_portal::auth::Role;
use billing_portal::db::Db;
use http::StatusCode;

use crate::support::portal::Portal;
use crate::support::script::{Script, answer};

/// The numbers of the invoices that a list shows, in its order.
fn numbers(page: &str) -> Vec<&str> {
    page.split("<th scope=\"row\"><a href=\"/invoices/")
        .skip(1)
        .filter_map(|rest| rest.split(['>', '<']).nth(1))
        .collect()
}

both_databases! {
    async fn the_list_is_paged_by_key_and_shows_the_newest_first(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        for days_ago in 0..45 {
            portal.invoice(&norte, days_ago, "paid", "eur", 0).await;
        }
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Supervisor)]).await).await;
        let mut seen = Vec::new();
        let mut next = Some("/invoices".to_owned());
        for expected in [20, 20, 5] {
            let page = browser.get(&next.expect("another page")).await.expect(StatusCode::OK);
            assert_eq!(numbers(&page.body).len(), expected);
            seen.extend(numbers(&page.body).into_iter().map(str::to_owned));
            let older = page.body.split_once("\" rel=\"next\"").and_then(|(before, _)| before.rsplit("href=\"").next());
            next = older.map(|path| path.replace("&#38;", "&"));
        }
        assert_eq!(next, None, "the last page has no next");
        let expected: Vec<_> = (0..45).map(|days_ago| format!("NS-{days_ago:04}")).collect();
        assert_eq!(seen, expected);
    }

    async fn filters_narrow_by_status_and_by_days_of_the_tenant(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.invoice(&norte, 0, "open", "eur", 0).await;
        portal.invoice(&norte, 1, "paid", "eur", 0).await;
        portal.invoice(&norte, 2, "void", "eur", 0).await;
        portal.invoice(&norte, 3, "draft", "eur", 0).await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let mut list = async |query: &str| {
            let page = browser.get(&format!("/invoices?{query}")).await.expect(StatusCode::OK);
            numbers(&page.body).join(" ")
        };
        assert_eq!(list("").await, "NS-0000 NS-0001 NS-0002", "drafts are not shown");
        assert_eq!(list("status=paid&from=&to=").await, "NS-0001");
        assert_eq!(list("from=2026-11-20").await, "NS-0000 NS-0001");
        assert_eq!(list("to=2026-11-20").await, "NS-0001 NS-0002");
        assert_eq!(list("from=2026-11-20&to=2026-11-20&status=open").await, "");
        // At five in the morning UTC, the days of Los Angeles are still those before.
        portal.run("update tenants set time_zone = 'America/Los_Angeles'").await;
        assert_eq!(list("from=2026-11-20").await, "NS-0000");
    }

    async fn a_filter_that_cannot_be_understood_is_named_and_kept(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let page = browser.get("/invoices?status=lost&from=30.2.2026&to=2026-01-01").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        page.shows(&["<title>Error: ", "href=\"#status\"", "href=\"#from\"", "value=\"30.2.2026\"", "value=\"2026-01-01\""]);
        browser.get("/invoices?after=1.x%27y").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn sums_are_kept_by_currency(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.invoice(&norte, 0, "open", "eur", 0).await;
        portal.invoice(&norte, 1, "paid", "eur", 0).await;
        portal.invoice(&norte, 2, "paid", "usd", 0).await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let page = browser.get("/invoices").await;
        page.shows(&["Sum of this page, EUR", "€239.58", "Sum of this page, USD", "$119.79", "$0.00"]);
    }

    async fn an_invoice_shows_its_lines_taxes_payments_and_refunds(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.invoice(&norte, 1, "paid", "eur", 5000).await;
        portal.invoice(&norte, 2, "paid", "eur", 11979).await;
        portal.invoice(&norte, 3, "open", "eur", 0).await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let page = browser.get(&format!("/invoices/in_{}_1", norte.id)).await.expect(StatusCode::OK);
        let page = page.shows(&["Invoice NS-0001", "1 × Professional", "€99.00", "€20.79", "€119.79", "€50.00 refunded", "Partly refunded", "Received"]);
        assert!(!page.body.contains("/pay\""), "what is paid is not paid again");
        let page = browser.get(&format!("/invoices/in_{}_3", norte.id)).await.shows(&["Payment failed", "Pay €119.79", "Failed"]);
        assert!(!page.body.contains("refunded"));
        browser.get("/invoices").await.shows(&[">Refunded<", ">Partly refunded<"]);
        browser.speaking("es").get(&format!("/invoices/in_{}_1", norte.id)).await.shows(&["Factura NS-0001", "50,00\u{a0}€ reembolsados"]);
    }

    async fn another_tenants_invoice_is_not_there(portal: Portal) {
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        portal.invoice(&sur, 1, "paid", "eur", 0).await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let theirs = format!("/invoices/in_{}_1", sur.id);
        browser.get("/invoices").await.shows(&["No invoices yet"]);
        for path in [theirs.as_str(), "/invoices/in_random", "/invoices/..%2F..%2Fcustomers"] {
            browser.get(path).await.expect(StatusCode::NOT_FOUND);
        }
        for task in ["pdf", "hosted", "pay"] {
            browser.post(&format!("{theirs}/{task}"), &[]).await.expect(StatusCode::NOT_FOUND);
        }
        assert!(!browser.get("/invoices.csv").await.body.contains("NS-"));
    }

    async fn documents_are_fetched_fresh_from_stripe(db: Db) {
        let invoice = r#"{"id":"in_1","customer":"cus_1","currency":"eur","status":"open","subtotal":1,"total":1,"amount_due":1,
            "amount_paid":0,"amount_remaining":1,"period_start":1,"period_end":1,"created":1,"lines":{"data":[]},
            "hosted_invoice_url":"https://invoice.stripe.com/i/1","invoice_pdf":"https://pay.stripe.com/invoice/1/pdf"}"#;
        let none = invoice.replace("\"https://pay.stripe.com/invoice/1/pdf\"", "null");
        let script = Script::start(vec![answer(200, &[], invoice), answer(200, &[], invoice), answer(200, &[], invoice), answer(200, &[], &none)]).await;
        let portal = Portal::with_stripe(db, script.url.clone(), "http://billing.test/");
        let norte = portal.tenant("Norte").await;
        portal.invoice(&norte, 1, "open", "eur", 0).await;
        let path = format!("/invoices/in_{}_1", norte.id);
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        browser.get(&path).await;
        assert!(script.asked().is_empty(), "no page asks Stripe while it is looked at");
        assert_eq!(browser.post(&format!("{path}/pdf"), &[]).await.location(), "https://pay.stripe.com/invoice/1/pdf");
        assert_eq!(browser.post(&format!("{path}/hosted"), &[]).await.location(), "https://invoice.stripe.com/i/1");
        assert_eq!(browser.post(&format!("{path}/pay"), &[]).await.location(), "https://invoice.stripe.com/i/1");
        let answer = browser.post(&format!("{path}/pdf"), &[]).await.expect(StatusCode::CONFLICT);
        answer.shows(&["Stripe has no such document", &format!("href=\"{path}\"")]);
        let mut supervisor = portal.signed_in(&portal.user("Eva", &[(&norte, Role::Supervisor)]).await).await;
        supervisor.get(&path).await.expect(StatusCode::OK);
        supervisor.post(&format!("{path}/pay"), &[]).await.expect(StatusCode::FORBIDDEN);
    }

    async fn the_accountants_file_has_every_invoice_and_no_formula(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        for days_ago in 0..25 {
            portal.invoice(&norte, days_ago, "paid", "eur", if days_ago == 1 { 5000 } else { 0 }).await;
        }
        portal.run(&format!("update invoices set number = '=cmd|'' /C calc''!A0' where id = 'in_{}_0'", norte.id)).await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Supervisor)]).await).await;
        let file = browser.get("/invoices.csv").await.expect(StatusCode::OK);
        assert_eq!(file.header("content-type"), "text/csv; charset=utf-8; header=present");
        assert_eq!(file.header("content-disposition"), "attachment; filename=\"invoices.csv\"");
        assert_eq!(file.header("cache-control"), "no-store");
        let lines: Vec<&str> = file.body.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 26);
        assert!(lines[0].starts_with("number,id,status,created,") && lines[0].ends_with(",amount_refunded"));
        assert!(lines[1].starts_with("'=cmd|' /C calc'!A0,"), "{}", lines[1]);
        assert!(lines[2].starts_with(&format!("NS-0001,in_{}_1,paid,2026-11-20,", norte.id)), "{}", lines[2]);
        assert!(lines[2].ends_with(",EUR,99.00,0.00,20.79,119.79,0.00,119.79,119.79,0.00,50.00"), "{}", lines[2]);
        assert_eq!(browser.get("/invoices.csv?from=2026-11-20&to=2026-11-20").await.body.lines().count(), 2);
        browser.get("/invoices.csv?from=x").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    }
}
