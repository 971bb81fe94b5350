//! Billing details: shown and edited before the first invoice and after, at Stripe and back.

use billing_portal::auth::Role;
use http::StatusCode;
use serde_json::json;

use super::{PAYS, hidden};
use crate::support::world::World;

const FILLED: [(&str, &str); 8] = [
    ("name", "Norte, S.L."),
    ("email", "cuentas@norte.example"),
    ("line1", "Calle Mayor 1"),
    ("line2", ""),
    ("postal_code", "28013"),
    ("city", "Madrid"),
    ("state", ""),
    ("country", "ES"),
];

both_databases! {
    async fn details_are_entered_before_the_first_invoice_and_stand_on_it(world: World) {
        let (tenant, mut owner) = world.owner_of("Norte").await;
        let page = owner.get("/billing-details").await.expect(StatusCode::OK);
        page.shows(&["value=\"Norte\"", "value=\"billing@norte.example\"", "<option value=\"ES\">Spain</option>", "None yet."]);
        let saved = owner.post("/billing-details", &FILLED).await;
        let page = owner.follow(&saved).await.expect(StatusCode::OK);
        page.shows(&["Your billing details are saved.", "value=\"Norte, S.L.\"", "<option value=\"ES\" selected>Spain</option>"]);
        let customer = world.customer_of(&tenant).await;
        let kept = world.read(&format!("/customers/{customer}")).await;
        assert_eq!((&kept["name"], &kept["email"]), (&json!("Norte, S.L."), &json!("cuentas@norte.example")));
        assert_eq!((&kept["address"]["country"], &kept["address"]["line2"]), (&json!("ES"), &json!(null)));
        let mail = world.texts(&format!("select email from tenants where id = '{}'", tenant.id)).await;
        assert_eq!(mail, ["cuentas@norte.example"], "the portal's own mails go there too");

        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        let again = world.customer_of(&tenant).await;
        assert_eq!(again, customer, "the same customer buys");
        let entries = world.texts("select after from audit_entries where action = 'details.changed'").await;
        assert_eq!(entries.len(), 1);
        assert!(entries[0].contains("country") && !entries[0].contains("Mayor"), "which fields, not what they say: {entries:?}");
    }

    async fn what_cannot_be_is_named_field_by_field_and_stays_as_it_was_typed(world: World) {
        let (_, mut owner) = world.owner_of("Norte").await;
        owner.get("/billing-details").await;
        let before = world.stripe.exchanges().len();
        let wrong = [("name", " "), ("email", "nobody"), ("line1", "Calle \"Mayor\""), ("line2", ""), ("postal_code", ""), ("city", ""), ("state", ""), ("country", "")];
        let page = owner.post("/billing-details", &wrong).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        page.shows(&[
            "<title>Error:",
            "href=\"#name\"", "href=\"#email\"", "href=\"#country\"",
            "id=\"name-error\"", "id=\"email-error\"", "id=\"country-error\"",
            "value=\"nobody\"", "Calle &#34;Mayor&#34;",
        ]);
        assert_eq!(world.stripe.exchanges().len(), before, "nothing was asked of Stripe");
        assert_eq!(world.portal.count("select count(*) from customers").await, 0);
    }

    async fn tax_ids_are_added_refused_and_removed(world: World) {
        let (_, mut owner) = world.owner_of("Norte").await;
        let (_, mut stranger) = world.owner_of("Sur").await;
        owner.get("/billing-details").await;
        let page = owner.post("/billing-details/tax-ids", &[("kind", "eu_vat"), ("value", "12345678")]).await;
        let page = page.expect(StatusCode::UNPROCESSABLE_ENTITY);
        page.shows(&["Stripe does not accept this number", "id=\"value-error\"", "value=\"12345678\"", "<option value=\"eu_vat\" selected>European Union: VAT</option>"]);
        let added = owner.post("/billing-details/tax-ids", &[("kind", "eu_vat"), ("value", "ESB12345678")]).await;
        let page = owner.follow(&added).await.shows(&["The tax id is added.", "ESB12345678", "European Union: VAT", "being checked"]);
        let id = hidden(&page.body, "tax_id").to_owned();
        let twice = owner.post("/billing-details/tax-ids", &[("kind", "eu_vat"), ("value", "ESB12345678")]).await;
        twice.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(&["on the list already"]);
        stranger.get("/billing-details").await;
        stranger.post("/billing-details/tax-ids/remove", &[("tax_id", &id)]).await.expect(StatusCode::NOT_FOUND);
        stranger.post("/billing-details/tax-ids/remove", &[("tax_id", "txi_nothing")]).await.expect(StatusCode::NOT_FOUND);
        let removed = owner.post("/billing-details/tax-ids/remove", &[("tax_id", &id)]).await;
        let page = owner.follow(&removed).await.shows(&["The tax id is removed.", "None yet."]);
        assert!(!page.body.contains("ESB12345678"));
        owner.post("/billing-details/tax-ids/remove", &[("tax_id", &id)]).await.expect(StatusCode::NOT_FOUND);
        let actions = world.texts("select action from audit_entries where action like 'details.%' order by action").await;
        assert_eq!(actions, ["details.tax_id_added", "details.tax_id_removed"]);
    }

    async fn taxes_follow_from_the_details_before_the_next_invoice(world: World) {
        let (_, mut owner) = world.owner_of("Norte").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        owner.get("/").await.shows(&["€119.79"]);
        let german = FILLED.map(|(name, value)| (name, if name == "country" { "DE" } else { value }));
        owner.get("/billing-details").await.shows(&["<option value=\"ES\" selected>"]);
        owner.post("/billing-details", &german).await.expect(StatusCode::SEE_OTHER);
        owner.get("/").await.shows(&["€117.81"]);
        owner.get("/billing-details").await;
        owner.post("/billing-details/tax-ids", &[("kind", "eu_vat"), ("value", "DE123456789")]).await.expect(StatusCode::SEE_OTHER);
        owner.get("/").await.shows(&["€99.00"]);
        world.days(31).await;
        let newest = world.texts("select cast(total as text) from invoices order by created_at desc, id limit 1").await;
        assert_eq!(newest, ["9900"], "the invoice that follows is the one that was shown");
    }

    async fn who_may_only_read_sees_the_details_and_changes_nothing(world: World) {
        let (tenant, mut owner) = world.owner_of("Norte").await;
        owner.get("/billing-details").await;
        owner.post("/billing-details", &FILLED).await.expect(StatusCode::SEE_OTHER);
        let reader = world.portal.user("Eva", &[(&tenant, Role::Supervisor)]).await;
        let mut reader = world.portal.signed_in(&reader).await;
        let page = reader.get("/billing-details").await.expect(StatusCode::OK).shows(&["Norte, S.L.", "Calle Mayor 1<br>28013 Madrid<br>Spain", "An owner or admin"]);
        assert!(!page.body.contains("action=\"/billing-details"), "no form of the page");
        for path in ["/billing-details", "/billing-details/tax-ids", "/billing-details/tax-ids/remove"] {
            reader.post(path, &FILLED).await.expect(StatusCode::FORBIDDEN);
        }
        let operator = world.portal.user("Leo", &[(&tenant, Role::Operator)]).await;
        world.portal.signed_in(&operator).await.get("/billing-details").await.expect(StatusCode::FORBIDDEN);
        let mut spanish = owner.speaking("es");
        spanish.get("/billing-details").await.shows(&["Datos de facturación", ">España</option>", "Unión Europea: VAT"]);
    }

    async fn a_stripe_that_is_down_leaves_the_details_as_they_were(world: World) {
        let mut world = world;
        let (_, mut owner) = world.owner_of("Norte").await;
        owner.get("/billing-details").await;
        world.stop_stripe().await;
        owner.post("/billing-details", &FILLED).await.expect(StatusCode::SERVICE_UNAVAILABLE).shows(&["Nothing was changed"]);
        owner.get("/billing-details").await.shows(&["value=\"Norte\""]);
    }
}
