//! The overview, and the way into Stripe's customer portal.

use billing_portal::app;
use billing_portal::auth::Role;
use billing_portal::clock::Clock;
use billing_portal::db::Db;
use billing_portal::web::Site;
use http::StatusCode;

use super::DAY;
use crate::support::portal::{BEGINNING, Portal};
use crate::support::script::{Answer, Script, answer};

both_databases! {
    async fn the_overview_shows_plan_price_dates_payment_method_and_next_invoice(portal: Portal) {
        portal.stock().await;
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "active").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let page = browser.get("/").await.expect(StatusCode::OK);
        page.shows(&["Professional", "€99.00", "per month", "Active", "Dec 21, 2026", "in 30 days", "€119.79", "Visa •••• 4242", "Expires 04/30", "As of Nov 21, 2026"]);
        let page = browser.speaking("es").get("/").await;
        page.shows(&["Profesional", "99,00\u{a0}€", "al mes", "Activa", "21 dic 2026", "dentro de 30 días", "119,79\u{a0}€"]);
    }

    async fn every_state_has_its_word_its_banner_and_its_next_step_in_both_languages(portal: Portal) {
        portal.stock().await;
        let cases = [
            ("trialing", "Trial", "Your trial runs until Nov 28, 2026", "Prueba", "<a class=\"button\" href=\"/plans\">Change plan"),
            ("active", "Active", "", "Activa", "href=\"/plans\">Change plan"),
            ("past_due", "Past due", "Your last payment failed", "Pago atrasado", "/pay\""),
            ("unpaid", "Unpaid", "Several payments failed", "Impagada", "/pay\""),
            ("incomplete", "Waiting for payment", "Your first payment is not complete", "Pendiente de pago", "/pay\""),
            ("paused", "Paused", "Pay the open invoice, and it goes on", "En pausa", "/pay\""),
            ("brand_new_state", "Being checked", "We are checking the state", "En comprobación", "<a class=\"button\" href=\"/invoices\">All invoices"),
            ("canceled", "", "Your subscription has ended", "", "Choose Professional"),
            ("incomplete_expired", "", "Your first payment was never completed", "", "Choose Professional"),
        ];
        for (status, badge, banner, spanish, step) in cases {
            let tenant = portal.tenant(&format!("T {status}")).await;
            portal.subscription(&tenant, status).await;
            portal.invoice(&tenant, 0, "open", "eur", 0).await;
            let mut browser = portal.signed_in(&portal.user(&status.replace('_', ""), &[(&tenant, Role::Owner)]).await).await;
            let home = browser.get("/").await;
            let is_over = badge.is_empty();
            let page = if is_over { browser.follow(&home).await } else { home };
            let page = page.expect(StatusCode::OK).shows(&[banner, badge, step]);
            assert_eq!(page.body.contains("class=\"banner"), !banner.is_empty(), "{status}");
            if !is_over {
                browser.speaking("es").get("/").await.expect(StatusCode::OK).shows(&[spanish]);
            }
        }
    }

    async fn the_next_step_fits_what_is_on_file(portal: Portal) {
        portal.stock().await;
        let cases = [
            ("trialing", false, "Add a payment method", "payment_method_update"),
            ("past_due", true, "Your last payment failed", "payment_method_update"),
            ("unpaid", false, "Several payments failed", "payment_method_update"),
            ("incomplete", false, "Your first payment is not complete", "payment_method_update"),
            ("paused", false, "no payment method is on file", "payment_method_update"),
            ("paused", true, "Resume it, and a new period begins", "<a class=\"button\" href=\"/subscription/resume\">"),
        ];
        for (number, (status, has_card, banner, step)) in cases.into_iter().enumerate() {
            let tenant = portal.tenant(&format!("T {number}")).await;
            portal.subscription(&tenant, status).await;
            if !has_card {
                portal.run(&format!("update customers set payment_method = null where tenant_id = '{}'", tenant.id)).await;
            }
            let mut browser = portal.signed_in(&portal.user(&format!("user{number}"), &[(&tenant, Role::Owner)]).await).await;
            let page = browser.get("/").await.expect(StatusCode::OK);
            let banner_of = page.body.split("class=\"banner").nth(1).and_then(|rest| rest.split("page-head").next()).unwrap_or_default();
            assert!(banner_of.contains(banner) && banner_of.contains(step), "{status}: {banner_of}");
            let resumes = page.body.contains("href=\"/subscription/resume\"");
            assert_eq!(resumes, status == "paused" && has_card, "{status}: waking is offered where it can be paid");
        }
    }

    async fn who_can_write_to_support_is_told_so_where_a_state_is_unknown(db: Db) {
        let script = Script::start(Vec::new()).await;
        let mut site = Site::new("https://billing.test/".parse().unwrap(), Clock::fixed(BEGINNING.parse().unwrap()));
        site.support_email = Some("help@billing.test".to_owned());
        let portal = Portal::with_site(db, script.url.clone(), site, app::pages());
        portal.stock().await;
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "brand_new_state").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        browser.get("/").await.expect(StatusCode::OK).shows(&["href=\"mailto:help@billing.test\">Write to us"]);
    }

    async fn a_pause_of_payments_is_told_in_every_state(portal: Portal) {
        portal.stock().await;
        for status in ["active", "trialing", "past_due"] {
            let tenant = portal.tenant(&format!("T {status}")).await;
            portal.subscription(&tenant, status).await;
            portal.run("update subscriptions set pause_behavior = 'void'").await;
            let mut browser = portal.signed_in(&portal.user(&status.replace('_', ""), &[(&tenant, Role::Owner)]).await).await;
            let page = browser.get("/").await.shows(&["Payments are paused. Nothing is charged", "href=\"/subscription/collect\""]);
            assert_eq!(page.body.matches("Payments are paused. Nothing").count(), 1, "{status}: once");
            assert!(!page.body.contains("€119.79"), "{status}: no invoice asks for anything meanwhile");
        }
    }

    async fn what_is_ahead_is_told(portal: Portal) {
        portal.stock().await;
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "active").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let at = portal.clock.now().as_second() + 30 * DAY;
        portal.run(&format!("update subscriptions set pending_change = '{{\"price\":\"price_starter_month\",\"quantity\":1,\"at\":{at}}}'")).await;
        browser.get("/").await.shows(&["From Dec 21, 2026: Starter, €29.00 per month."]);
        portal.run("update subscriptions set cancel_at_period_end = true, pending_change = null").await;
        let page = browser.get("/").await.shows(&["Your subscription ends on Dec 21, 2026", "Ends soon"]);
        assert!(!page.body.contains("€119.79"), "no invoice follows");
        portal.run("update subscriptions set cancel_at_period_end = false, pause_behavior = 'void'").await;
        browser.get("/").await.shows(&["Payments are paused"]);
    }

    async fn a_subscription_to_something_unknown_is_still_shown(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "active").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        browser.get("/").await.expect(StatusCode::OK).shows(&["Your own plan", "Dec 21, 2026"]);
    }

    async fn the_live_subscription_counts_not_the_latest_one(portal: Portal) {
        portal.stock().await;
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "active").await;
        let id = norte.id.as_str();
        portal.run(&format!(
            "insert into subscriptions (id, tenant_id, customer_id, status, currency, livemode, started_at, created_at, seen_at)\
             values ('sub_later', '{id}', 'cus_{id}', 'canceled', 'eur', false, 9999999999, 9999999999, 1)"
        ))
        .await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        browser.get("/").await.expect(StatusCode::OK).shows(&["Professional", "Active"]);
    }

    async fn who_may_only_read_sees_no_buttons_and_an_operator_nothing(portal: Portal) {
        portal.stock().await;
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "past_due").await;
        portal.invoice(&norte, 0, "open", "eur", 0).await;
        let mut supervisor = portal.signed_in(&portal.user("Eva", &[(&norte, Role::Supervisor)]).await).await;
        let page = supervisor.get("/").await.expect(StatusCode::OK).shows(&["Past due"]);
        assert!(!page.body.contains("/billing-portal") && !page.body.contains("/pay\""), "{}", page.body);
        supervisor.post("/billing-portal", &[]).await.expect(StatusCode::FORBIDDEN);
        let mut operator = portal.signed_in(&portal.user("Leo", &[(&norte, Role::Operator)]).await).await;
        operator.get("/").await.expect(StatusCode::FORBIDDEN);
        portal.browser().get("/").await.expect(StatusCode::SEE_OTHER);
    }

    async fn the_customer_portal_opens_at_the_task_and_comes_back(db: Db) {
        let session = r#"{"id":"bps_1","customer":"cus_1","url":"https://billing.stripe.com/p/session/1"}"#;
        let script = Script::start(vec![answer(200, &[], session), answer(200, &[], session)]).await;
        let portal = Portal::with_stripe(db, script.url.clone(), "https://billing.test/");
        portal.stock().await;
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "active").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        browser.get("/").await;
        let answer = browser.post("/billing-portal", &[("flow", "subscription_cancel"), ("next", "/invoices?status=open")]).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "https://billing.stripe.com/p/session/1"));
        let asked = &script.asked()[0];
        assert_eq!(asked.line, "POST /v1/billing_portal/sessions");
        let fields: Vec<(String, String)> = form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
        let field = |name: &str| fields.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
        assert_eq!(field("customer"), format!("cus_{}", norte.id));
        let back = "https://billing.test/billing-portal/return?next=%2Finvoices%3Fstatus%3Dopen";
        assert_eq!(field("return_url"), back);
        assert_eq!(field("flow_data[after_completion][redirect][return_url]"), back);
        assert_eq!(field("flow_data[type]"), "subscription_cancel");
        assert_eq!(field("flow_data[subscription_cancel][subscription]"), format!("sub_{}", norte.id));
        assert_eq!(field("locale"), "en");
        browser.post("/billing-portal", &[("next", "https://evil.test/")]).await.expect(StatusCode::SEE_OTHER);
        let body = &script.asked()[1].body;
        let elsewhere = form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "return_url").expect("a way back").1;
        assert_eq!(elsewhere, "https://billing.test/billing-portal/return?next=%2F", "never to another site");
    }

    async fn an_address_of_stripes_that_is_not_listed_is_refused(db: Db) {
        let session = r#"{"id":"bps_1","customer":"cus_1","url":"https://billing.stripe.com.evil.test/"}"#;
        let script = Script::start(vec![answer(200, &[], session)]).await;
        let portal = Portal::with_stripe(db, script.url.clone(), "http://billing.test/");
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "active").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        browser.get("/").await;
        browser.post("/billing-portal", &[]).await.expect(StatusCode::SERVICE_UNAVAILABLE);
    }

    async fn without_a_customer_or_a_known_task_the_customer_portal_stays_closed(portal: Portal) {
        portal.stock().await;
        let norte = portal.tenant("Norte").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        browser.get("/plans").await;
        let answer = browser.post("/billing-portal", &[]).await.expect(StatusCode::CONFLICT);
        answer.shows(&["your company has not subscribed", "href=\"/plans\""]);
        browser.post("/billing-portal", &[("flow", "subscription_update")]).await.expect(StatusCode::CONFLICT);
        browser.post("/billing-portal", &[("flow", "everything")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn a_stripe_that_does_not_answer_gets_its_page(db: Db) {
        let script = Script::start(vec![Answer::Cut(Vec::new()); 20]).await;
        let portal = Portal::with_stripe(db, script.url.clone(), "http://billing.test/");
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "active").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        browser.get("/").await;
        let answer = browser.post("/billing-portal", &[]).await.expect(StatusCode::SERVICE_UNAVAILABLE);
        answer.shows(&["Our payment provider does not answer", "nothing was charged"]);
    }
}
