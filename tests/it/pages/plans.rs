//! The pricing page.

use billing_portal::auth::Role;
use http::StatusCode;

use crate::support::portal::Portal;

/// The column of a plan.
fn column<'a>(page: &'a str, slug: &str) -> &'a str {
    let start =
        page.find(&format!("id=\"plan-{slug}\"")).unwrap_or_else(|| panic!("{slug} is missing in {page}"));
    page[start..]
        .split("</li>\n")
        .next()
        .unwrap_or_default()
        .split("<li class=\"plan")
        .next()
        .unwrap_or_default()
}

both_databases! {
    async fn anybody_sees_the_plans_with_their_prices_limits_and_savings(portal: Portal) {
        portal.stock().await;
        let page = portal.browser().get("/plans").await.expect(StatusCode::OK);
        let page = page.shows(&["€29", "€99", "€299", "per month", "Most popular", "Save 17%", "Unlimited", "102,400"]);
        let page = page.shows(&["AI tokens: €3.00 for 1,000,000", "href=\"/sign-in?next=%2Fplans\""]);
        assert!(!page.body.contains("action=\"/checkout\""), "who is not signed in cannot buy");
        let year = portal.browser().speaking("es").get("/plans?interval=year").await;
        year.shows(&["2990\u{a0}€", "al año", "En lugar de 3588\u{a0}€", "Ahorre un 17\u{a0}%", "Profesional", "aria-current=\"true\">Anual"]);
    }

    async fn nonsense_in_the_address_shows_the_default(portal: Portal) {
        portal.stock().await;
        let page = portal.browser().get("/plans?interval=century&currency=gold").await.expect(StatusCode::OK);
        page.shows(&["€29", "per month"]);
    }

    async fn an_empty_catalogue_says_so(portal: Portal) {
        portal.browser().get("/plans").await.expect(StatusCode::OK).shows(&["No plans yet"]);
    }

    async fn an_owner_without_a_subscription_can_buy_each_plan(portal: Portal) {
        portal.stock().await;
        let norte = portal.tenant("Norte").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let page = browser.get("/plans?interval=year").await.expect(StatusCode::OK);
        for slug in ["starter", "professional", "enterprise"] {
            let column = column(&page.body, slug);
            assert!(column.contains("action=\"/checkout\"") && column.contains(&format!("value=\"{slug}\"")), "{column}");
            assert!(column.contains("name=\"interval\" value=\"year\""), "{column}");
        }
        let home = browser.get("/").await;
        assert_eq!(home.location(), "/plans", "the pricing page is the home of the free plan");
    }

    async fn who_may_only_read_is_told_whom_to_ask_and_an_operator_sees_what_a_visitor_sees(portal: Portal) {
        portal.stock().await;
        let norte = portal.tenant("Norte").await;
        let supervisor = portal.user("Eva", &[(&norte, Role::Supervisor)]).await;
        let page = portal.signed_in(&supervisor).await.get("/plans").await.shows(&["An owner or admin of your company can subscribe."]);
        assert!(!page.body.contains("/checkout"));
        portal.subscription(&norte, "active").await;
        let operator = portal.user("Leo", &[(&norte, Role::Operator)]).await;
        let page = portal.signed_in(&operator).await.get("/plans").await.expect(StatusCode::OK);
        assert!(!page.body.contains("Your plan") && !page.body.contains("/checkout"), "{}", page.body);
    }

    async fn the_current_plan_is_marked_and_not_for_sale_again(portal: Portal) {
        portal.stock().await;
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "active").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Admin)]).await).await;
        let page = browser.get("/plans").await;
        let current = column(&page.body, "professional");
        assert!(current.contains("Your plan") && !current.contains("<form"), "{current}");
        assert!(column(&page.body, "starter").contains("action=\"/subscription/change/review\""));
        assert!(!page.body.contains("action=\"/checkout\""), "one subscription is enough");
        let year = browser.get("/plans?interval=year").await;
        assert!(column(&year.body, "professional").contains("Change the interval"));
    }

    async fn a_hidden_plan_is_shown_to_the_chosen_tenant_alone(portal: Portal) {
        portal.stock().await;
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        portal.run(&format!("update products set hidden = true, tenants = '[\"{}\"]' where plan = 'enterprise'", norte.id)).await;
        let see = async |tenant| portal.signed_in(&portal.user(if tenant == &norte { "Ana" } else { "Leo" }, &[(tenant, Role::Owner)]).await).await.get("/plans").await;
        assert!(see(&norte).await.body.contains("plan-enterprise"));
        assert!(!see(&sur).await.body.contains("plan-enterprise"));
        assert!(!portal.browser().get("/plans").await.body.contains("plan-enterprise"));
    }

    async fn the_trial_is_offered_once(portal: Portal) {
        portal.stock().await;
        portal.run("update products set trial_days = 14 where plan = 'starter'").await;
        let norte = portal.tenant("Norte").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        browser.get("/plans").await.shows(&["The first 14 days are free", "Try Starter for free"]);
        portal.run(&format!("update tenants set trial_used_at = 1 where id = '{}'", norte.id)).await;
        assert!(!browser.get("/plans").await.body.contains("Try Starter for free"));
    }

    async fn several_currencies_can_be_switched_until_stripe_locks_one(portal: Portal) {
        portal.stock().await;
        portal.run("update prices set currency_options = '{\"usd\":{\"unit_amount\":3500}}' where id = 'price_starter_month'").await;
        let page = portal.browser().get("/plans?currency=usd").await.shows(&["$35", "aria-label=\"Currency\""]);
        assert!(column(&page.body, "professional").contains("Not offered for this interval and currency"));
        let norte = portal.tenant("Norte").await;
        portal.subscription(&norte, "active").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let page = browser.get("/plans?currency=usd").await.shows(&["€29", "Your company is billed in EUR."]);
        assert!(!page.body.contains("aria-label=\"Currency\""));
    }

    async fn seats_are_asked_for_where_a_plan_is_sold_by_seat(portal: Portal) {
        portal.stock().await;
        portal.run("update products set per_seat = true where plan = 'starter'").await;
        let norte = portal.tenant("Norte").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let page = browser.get("/plans").await.shows(&["per seat and month"]);
        assert!(column(&page.body, "starter").contains("name=\"quantity\""));
        assert!(!column(&page.body, "professional").contains("name=\"quantity\""));
    }
}
