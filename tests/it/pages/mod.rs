//! The pages that tenants look at: plans, overview, invoices, over rows as `sync` writes them.

mod invoices;
mod overview;
mod plans;

use billing_portal::auth::Role;
use billing_portal::catalog::policy::Catalog;
use billing_portal::tenants::Tenant;
use http::StatusCode;

use crate::support::portal::Portal;

/// A day, in seconds.
const DAY: i64 = 86_400;

impl Portal {
    /// The default catalogue, as `sync` writes it.
    async fn stock(&self) {
        let catalog = Catalog::load(None).unwrap();
        for (place, plan) in catalog.plans.iter().enumerate() {
            let facts = catalog.facts_of_plan(plan);
            let json = |value: serde_json::Value| value.to_string().replace('\'', "''");
            self.run(&format!(
                "insert into products (id, name, description, active, livemode, plan, position, highlighted, features, limits,\
                 marketing_features, translations, seen_at) values ('prod_{slug}', '{name}', '{about}', true, false, '{slug}',\
                 {place}, {highlighted}, '{features}', '{limits}', '{marketing}', '{translations}', 1)",
                slug = plan.slug,
                name = plan.name,
                about = plan.description,
                highlighted = plan.highlighted,
                features = json(facts.features.into()),
                limits = json(serde_json::to_value(facts.limits).unwrap()),
                marketing = json(plan.marketing_features.clone().into()),
                translations = json(serde_json::to_value(facts.translations).unwrap()),
            ))
            .await;
            for (interval, amounts) in [("month", &plan.prices.month), ("year", &plan.prices.year)] {
                let minor = amounts.as_ref().unwrap()[&catalog.currency];
                self.price(
                    &format!("price_{}_{interval}", plan.slug),
                    &format!("prod_{}", plan.slug),
                    interval,
                    minor,
                )
                .await;
            }
        }
        self.run(
            "insert into products (id, name, active, livemode, metric, seen_at) values ('prod_tokens', 'AI tokens', true, false,\
             'ai_tokens', 1)",
        )
        .await;
        self.run(
            "insert into prices (id, product_id, active, livemode, currency, unit_amount_decimal, recurring_interval, usage_type,\
             seen_at) values ('price_tokens', 'prod_tokens', true, false, 'eur', '0.0003', 'month', 'metered', 1)",
        )
        .await;
    }

    /// A price, in minor units of EUR.
    async fn price(&self, id: &str, product: &str, interval: &str, minor: i64) {
        self.run(&format!(
            "insert into prices (id, product_id, active, livemode, currency, unit_amount, recurring_interval, usage_type, seen_at)\
             values ('{id}', '{product}', true, false, 'eur', {minor}, '{interval}', 'licensed', 1)"
        ))
        .await;
    }

    /// A customer of the tenant, with a card and a next invoice.
    pub(super) async fn customer(&self, tenant: &Tenant) {
        let now = self.clock.now().as_second();
        let id = tenant.id.as_str();
        self.run(&format!(
            "insert into customers (id, tenant_id, currency, livemode, payment_method, next_invoice, details_seen_at, seen_at)\
             values ('cus_{id}', '{id}', 'eur', false,\
             '{{\"id\":\"pm_1\",\"type\":\"card\",\"brand\":\"visa\",\"last4\":\"4242\",\"exp_month\":4,\"exp_year\":2030}}',\
             '{{\"total\":11979,\"amount_due\":11979,\"currency\":\"eur\",\"at\":{}}}', {now}, {now})",
            now + 30 * DAY
        ))
        .await;
    }

    /// A subscription of the tenant to Professional by the month, in this state.
    pub(super) async fn subscription(&self, tenant: &Tenant, status: &str) {
        let now = self.clock.now().as_second();
        let id = tenant.id.as_str();
        self.customer(tenant).await;
        self.run(&format!(
            "insert into subscriptions (id, tenant_id, customer_id, status, currency, price_id, product_id, quantity,\
             current_period_end, trial_end, latest_invoice_id, livemode, started_at, created_at, seen_at)\
             values ('sub_{id}', '{id}', 'cus_{id}', '{status}', 'eur', 'price_professional_month', 'prod_professional', 1,\
             {}, {}, 'in_{id}_0', false, {now}, {now}, {now})",
            now + 30 * DAY,
            now + 7 * DAY,
        ))
        .await;
    }

    /// An invoice of 119.79 of the tenant, made so many days ago, and its charge.
    pub(super) async fn invoice(
        &self,
        tenant: &Tenant,
        days_ago: i64,
        status: &str,
        currency: &str,
        refunded: i64,
    ) {
        let (id, at) = (tenant.id.as_str(), self.clock.now().as_second() - days_ago * DAY);
        let (paid, remaining) = if status == "paid" { (11979, 0) } else { (0, 11979) };
        self.run(&format!(
            "insert into invoices (id, tenant_id, customer_id, number, status, currency, subtotal, tax, total, amount_due,\
             amount_paid, amount_remaining, period_start, period_end, created_at, attempt_count, lines, taxes, payments, seen_at)\
             values ('in_{id}_{days_ago}', '{id}', 'cus_{id}', 'NS-{days_ago:04}', '{status}', '{currency}', 9900, 2079, 11979, 11979,\
             {paid}, {remaining}, {at}, {at}, {at}, 1,\
             '[{{\"id\":\"il_1\",\"description\":\"1 × Professional\",\"amount\":9900,\"quantity\":1,\"period_start\":{at},\"period_end\":{at}}}]',\
             '[{{\"amount\":2079,\"inclusive\":false}}]', '[{{\"id\":\"inpay_1\",\"payment_intent\":\"pi_{id}_{days_ago}\"}}]', {at})"
        ))
        .await;
        let charge = if status == "paid" { "succeeded" } else { "failed" };
        self.run(&format!(
            "insert into charges (id, tenant_id, customer_id, payment_intent_id, amount, amount_refunded, currency, status,\
             created_at, refunded_at, seen_at) values ('ch_{id}_{days_ago}', '{id}', 'cus_{id}', 'pi_{id}_{days_ago}', 11979,\
             {refunded}, '{currency}', '{charge}', {at}, {at}, {at})"
        ))
        .await;
    }
}

both_databases! {
    async fn the_language_that_was_chosen_stays_with_the_browser_or_the_person(portal: Portal) {
        let mut visitor = portal.browser();
        visitor.get("/plans").await.shows(&["<html lang=\"en\"", "name=\"next\" value=\"/plans\""]);
        let answer = visitor.post("/language", &[("language", "es"), ("next", "/plans")]).await;
        visitor.follow(&answer).await.shows(&["<html lang=\"es\""]);
        let answer = visitor.post("/language", &[("language", "en"), ("next", "https://evil.test/")]).await;
        assert_eq!(answer.location(), "/", "never to another site");
        visitor.post("/language", &[("language", "tlh"), ("next", "/")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);

        let norte = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let mut here = portal.signed_in(&ana).await;
        here.get("/plans").await.shows(&["<html lang=\"en\""]);
        here.post("/language", &[("language", "es"), ("next", "/plans")]).await.expect(StatusCode::SEE_OTHER);
        let mut elsewhere = portal.signed_in(&ana).await;
        elsewhere.get("/plans").await.shows(&["<html lang=\"es\""]);
    }

    async fn an_address_that_leads_nowhere_still_knows_who_asks(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let mut browser = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let page = browser.get("/nowhere").await.expect(StatusCode::NOT_FOUND);
        page.shows(&["There is nothing here", "action=\"/sign-out\"", "Norte"]);
        portal.browser().get("/nowhere").await.expect(StatusCode::NOT_FOUND).shows(&["href=\"/sign-in\""]);
    }
}
