//! The pages of usage, over real rows.

use billing_portal::auth::Role;
use billing_portal::catalog::product::Limit;
use billing_portal::tenants::Tenant;
use billing_portal::usage::{Report, store};
use http::StatusCode;

use super::{DAY, hard, level, more, soft};
use crate::support::portal::Portal;

impl Portal {
    /// A metered price of AI tokens, 3 EUR a million, in the tenant's subscription.
    pub(super) async fn token_price(&self, tenant: &Tenant) {
        self.run(
            "insert into products (id, name, active, livemode, metric, seen_at) values ('prod_tokens', 'Tokens', true, false,\
             'ai_tokens', 1)",
        )
        .await;
        self.run(
            "insert into prices (id, product_id, active, livemode, currency, unit_amount_decimal, recurring_interval, usage_type,\
             seen_at) values ('price_tokens', 'prod_tokens', true, false, 'eur', '0.0003', 'month', 'metered', 1)",
        )
        .await;
        let items = r#"[{"price":"price_tokens","product":"prod_tokens"}]"#;
        self.run(&format!("update subscriptions set items = '{items}' where tenant_id = '{}'", tenant.id))
            .await;
    }

    /// So much of a counter on each of the last days.
    pub(super) async fn days(&self, tenant: &Tenant, metric: &str, quantities: &[i64]) {
        for (ago, quantity) in (0..).zip(quantities.iter().rev()) {
            let occurred_at = self.at(-ago * DAY);
            let report = Report { occurred_at, ..more(metric, *quantity, format!("{metric}-{ago}")) };
            self.report(&tenant.id, vec![report]).await;
        }
    }
}

both_databases! {
    async fn a_page_shows_each_metric_with_limit_reset_price_and_outlook(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let limits = [("messages", hard(3_500)), ("conversations", soft(10)), ("users", hard(5)), ("storage_mb", hard(100))];
        portal.subscribe(&norte, 20, &limits).await;
        portal.token_price(&norte).await;
        portal.days(&norte, "messages", &[100; 21]).await;
        portal.days(&norte, "ai_tokens", &[100_000; 21]).await;
        portal
            .report(&norte.id, vec![more("conversations", 25, "c"), level("users", 4, "u"), level("storage_mb", 100, "s")])
            .await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Supervisor)]).await).await;
        let page = browser.get("/usage").await.expect(StatusCode::OK);
        page.shows(&[
            "aria-current=\"page\">Usage",
            "Nov 1, 2026 to Dec 1, 2026",
            "2,100</strong> <span class=\"muted\">of 3,500",
            "value=\"6000\"",
            "60% used",
            "At this pace ",
            "Over the limit",
            "Beyond the limit</dt><dd>15",
            "Almost used up",
            "Limit reached",
            "€3.00 per 1,000,000",
            "Cost so far</dt><dd>€6.30",
            "Not included in your plan",
        ]);
        let page = portal.signed_in(&portal.user("Eva", &[(&norte, Role::Owner)]).await).await.speaking("es").get("/usage").await;
        page.expect(StatusCode::OK).shows(&["Uso", "de 3500", "Por encima del límite", "3,00\u{a0}€ por 1.000.000"]);
    }

    async fn the_overview_names_what_is_nearest_to_its_limit_first(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let sur = portal.tenant("Sur").await;
        let limits = [("messages", hard(1_000)), ("conversations", soft(10)), ("users", hard(4)), ("storage_mb", hard(100)), ("chatbots", hard(2))];
        portal.subscribe(&norte, 20, &limits).await;
        portal.days(&norte, "messages", &[250]).await;
        portal.report(&norte.id, vec![more("conversations", 25, "c"), level("users", 3, "u"), level("storage_mb", 7, "s")]).await;
        portal.report(&sur.id, vec![level("storage_mb", 100, "s")]).await;
        let page = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Supervisor)]).await).await.get("/").await;
        let page = page.expect(StatusCode::OK).shows(&["25 of 10</span>", "3 of 4</span>", "250 of 1,000</span>", "7 of 100</span>", "value=\"10000\"", "value=\"7500\""]);
        let order = ["conversations", "users", "messages", "storage_mb"];
        let places: Vec<_> = order.map(|metric| page.body.find(&format!("href=\"/usage/{metric}\""))).to_vec();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
        assert!(!page.body.contains("/usage/chatbots"), "only the nearest four");
    }

    async fn one_metric_has_a_chart_with_words_a_table_and_its_periods(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 10, &[("messages", hard(4_000)), ("users", hard(9))]).await;
        portal.days(&norte, "messages", &[100, 100, 100, 100, 100, 100, 100, 350, 100, 100, 50]).await;
        let old = |ago: i64, value, key: &str| Report { occurred_at: portal.at(-ago * DAY), ..level("users", value, key) };
        portal.report(&norte.id, vec![old(6, 3, "a"), old(2, 5, "b")]).await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Admin)]).await).await;
        let page = browser.get("/usage/messages").await.expect(StatusCode::OK).shows(&[
            "role=\"img\" aria-labelledby=\"chart-title chart-words\"",
            "From Nov 11, 2026 to Nov 21, 2026: 1,300 in all, most on Nov 18, 2026 with 350.",
            "<rect class=\"expected\"",
            "<th scope=\"row\">Nov 18, 2026</th>",
            "Messages per month",
            "aria-current=\"true\">Nov 11, 2026 – Dec 11, 2026</a>",
        ]);
        assert_eq!(page.body.matches("<rect class=\"used\"").count(), 11);
        // A gauge keeps its level on days without news.
        let page = browser.get("/usage/users").await.expect(StatusCode::OK);
        assert_eq!(page.body.matches("<rect class=\"used\"").count(), 7);
        page.shows(&["the highest level was 5", "Level", "there is nothing to forecast"]);
        // The period before is there, and is another's business.
        let before = portal.clock.now().as_second() - 11 * DAY;
        browser.get(&format!("/usage/messages?period={before}")).await.expect(StatusCode::OK).shows(&["Back to the current period"]);
        for lost in ["/usage/nothing", "/usage/api_requests_per_minute", "/usage/messages?period=99999999999", "/usage/messages?period=0"] {
            browser.get(lost).await.expect(StatusCode::NOT_FOUND);
        }
        assert!(browser.get("/usage/messages?period=x").await.status.is_client_error());
    }

    async fn what_is_unlimited_and_what_costs_in_steps_is_said(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 20, &[("messages", Limit::UNLIMITED), ("users", Limit::UNLIMITED)]).await;
        portal.token_price(&norte).await;
        let tiers = r#"[{"up_to":1000,"unit_amount":0},{"up_to":50000,"unit_amount_decimal":"0.0125"},{"up_to":null,"unit_amount_decimal":"0.0071","flat_amount":200}]"#;
        portal
            .run(&format!("update prices set unit_amount_decimal = null, tiers_mode = 'graduated', tiers = '{tiers}' where id = 'price_tokens'"))
            .await;
        portal.report(&norte.id, vec![more("messages", 12_345, "m"), level("users", 7, "u"), more("ai_tokens", 9_000, "t")]).await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let page = browser.get("/usage").await.expect(StatusCode::OK).shows(&[
            "12,345</strong> <span class=\"muted\">Unlimited",
            "7</strong> <span class=\"muted\">Unlimited",
            "9,000</strong> <span class=\"muted\">billed after use",
            "Price</dt><dd>In steps",
            "<li>1 to 1,000: €0.00 each</li>",
            "<li>1,001 to 50,000: €0.000125 each</li>",
            "<li>From 50,001: €0.000071 each and €2.00 once</li>",
            "Cost so far</dt><dd>€1.00",
        ]);
        // What has no end is not measured against one.
        assert!(!page.body.contains("<meter"), "{}", page.body);
        browser.get("/usage/messages").await.expect(StatusCode::OK).shows(&["12,345</strong> <span class=\"muted\">Unlimited"]);
        let spanish = portal.signed_in(&portal.user("Eva", &[(&norte, Role::Owner)]).await).await.speaking("es").get("/usage").await;
        spanish.shows(&["Ilimitado", "Por tramos"]);
    }

    async fn a_level_that_was_told_long_ago_is_drawn_as_it_stands(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.clock.travel_to(portal.at(-90 * DAY).unwrap());
        portal.subscribe(&norte, 0, &[("users", hard(9))]).await;
        portal.report(&norte.id, vec![level("users", 4, "u")]).await;
        portal.clock.pass(90 * DAY);
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let page = browser.get("/usage/users").await.expect(StatusCode::OK).shows(&["4</strong>", "the highest level was 4"]);
        assert!(!page.body.contains("Nothing was used in this period"), "{}", page.body);
        assert!(page.body.matches("<rect class=\"used\"").count() > 0);
        // So was it in the period before, and before it was told there was nothing.
        let before = portal.clock.now().as_second() - 40 * DAY;
        browser.get(&format!("/usage/users?period={before}")).await.shows(&["the highest level was 4"]);
        let first = portal.clock.now().as_second() - 95 * DAY;
        browser.get(&format!("/usage/users?period={first}")).await.shows(&["Nothing was used in this period"]);
    }

    async fn without_use_and_without_a_plan_the_page_says_what_to_do(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        browser.get("/usage").await.expect(StatusCode::OK).shows(&[
            "You are on the free plan",
            "href=\"/plans\"",
            "Nothing has been used in this period yet",
            "of 100",
            "Nov 1, 2026 to Dec 1, 2026",
            "Not included in your plan",
        ]);
        browser.get("/usage/messages").await.expect(StatusCode::OK).shows(&["Nothing was used in this period.", "There is no history yet."]);
    }

    async fn who_may_not_read_billing_and_who_is_not_signed_in_see_nothing(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let sur = portal.tenant("Sur").await;
        portal.subscribe(&sur, 3, &[("messages", hard(10))]).await;
        portal.report(&sur.id, vec![more("messages", 7, "a")]).await;
        let mut operator = portal.signed_in(&portal.user("Oto", &[(&norte, Role::Operator)]).await).await;
        for path in ["/usage", "/usage/messages", "/usage/days.csv"] {
            operator.get(path).await.expect(StatusCode::FORBIDDEN);
            assert!(portal.browser().get(path).await.location().starts_with("/sign-in"), "{path}");
        }
        let mut ana = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        assert_eq!(ana.get("/usage/days.csv").await.body, "metric,name,day,quantity\r\n", "of another tenant");
    }

    async fn the_file_has_each_day_of_each_metric(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 10, &[("messages", hard(1_000)), ("users", hard(9))]).await;
        portal.days(&norte, "messages", &[3, 4]).await;
        portal.report(&norte.id, vec![level("users", 2, "u")]).await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let file = browser.get("/usage/days.csv").await.expect(StatusCode::OK);
        assert!(file.header("content-type").starts_with("text/csv"));
        assert_eq!(
            file.body,
            "metric,name,day,quantity\r\nmessages,Messages per month,2026-11-20,3\r\nmessages,Messages per month,2026-11-21,4\r\n\
             users,Team members,2026-11-21,2\r\n"
        );
        assert_eq!(browser.get("/usage/days.csv?metric=users").await.body.lines().count(), 2);
        browser.get("/usage/days.csv?metric=nothing").await.expect(StatusCode::NOT_FOUND);
    }

    async fn the_summary_says_what_the_gate_and_the_check_say(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let start = portal.clock.now().as_second() - 40 * DAY;
        portal.subscribe_for(&norte, start, start + 365 * DAY, &[("messages", soft(1_000))]).await;
        portal.days(&norte, "messages", &(0..34).map(|day| 10 + day % 7).collect::<Vec<_>>()).await;
        let (catalog, now) = (&portal.app.catalog, portal.clock.now());
        let mut tx = portal.db.read().await.unwrap();
        let summary = store::summary(&mut tx, &norte.id, catalog, now).await.unwrap().unwrap();
        let check = store::check(&mut tx, &norte.id, catalog, "messages", 1, now).await.unwrap().unwrap();
        let messages = summary.metric("messages").unwrap();
        assert_eq!(messages.standing, check.standing);
        assert_eq!(check.refusal, None);
        // A year is counted by months from its first day.
        assert!(summary.window.seconds() <= 31 * DAY);
        assert_eq!(messages.standing.reset_at, Some(summary.window.end));
        let forecast = messages.forecast.as_ref().unwrap();
        assert!(forecast.low <= forecast.expected && forecast.expected <= forecast.high);
    }
}
