//! What a tenant may do is decided in one place, and everybody asks there: each page and each endpoint that changes something, at
//! each level. What gets a tenant out of trouble stays open.

use billing_portal::access::{self, Level};
use billing_portal::api::{BASE, Scope};
use billing_portal::auth::Role;
use billing_portal::staff::store::{Search, search};
use billing_portal::subscription;
use billing_portal::tenants::Tenant;
use http::{Method, StatusCode};
use serde_json::json;

use crate::matrix;
use crate::support::portal::Portal;
use crate::support::world::World;

const DAY: i64 = 86_400;

/// Whether a door asks for full access.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    /// It changes something.
    Asks,
    /// It looks, or it is a way out of trouble.
    Open,
}

use Door::{Asks, Open};

/// Every page of owners and admins.
const PAGES: &[(&str, &str, Door)] = &[
    ("GET", "/audit", Open),
    ("GET", "/audit.csv", Open),
    ("GET", "/audit.jsonl", Open),
    ("POST", "/billing-details", Open),
    ("POST", "/billing-details/tax-ids", Open),
    ("POST", "/billing-details/tax-ids/remove", Open),
    ("POST", "/billing-portal", Open),
    ("POST", "/checkout", Asks),
    ("POST", "/invoices/{id}/pay", Open),
    ("GET", "/members", Open),
    ("POST", "/members", Asks),
    ("POST", "/members/{user}/role", Asks),
    ("POST", "/members/{user}/remove", Open),
    ("POST", "/members/invitations/{id}/resend", Asks),
    ("POST", "/members/invitations/{id}/withdraw", Open),
    ("GET", "/settings", Open),
    ("POST", "/settings", Asks),
    ("GET", "/subscription/cancel", Open),
    ("POST", "/subscription/cancel", Open),
    ("POST", "/subscription/change", Asks),
    ("POST", "/subscription/change/review", Asks),
    ("POST", "/subscription/change/undo", Asks),
    ("GET", "/subscription/collect", Open),
    ("POST", "/subscription/collect", Open),
    ("GET", "/subscription/pause", Asks),
    ("POST", "/subscription/pause", Asks),
    ("GET", "/subscription/resume", Open),
    ("POST", "/subscription/resume", Open),
];

/// Every endpoint that changes the billing of a tenant.
const CALLS: &[(&str, &str, Door)] = &[
    ("POST", "/portal", Open),
    ("POST", "/subscription/cancel", Open),
    ("POST", "/subscription/create", Asks),
    ("POST", "/subscription/preview", Asks),
    ("POST", "/subscription/resume", Open),
    ("PUT", "/subscription/update", Asks),
];

type Trouble = (&'static str, Option<i64>, Level, &'static str, &'static str, &'static str);

/// Stripe's status and the days since the payment failed; then the level, the reason in the API's word and the page's, and the
/// way out.
const LEVELS: &[Trouble] = &[
    ("active", None, Level::Full, "active", "", ""),
    ("past_due", Some(6), Level::Full, "past_due", "", ""),
    (
        "past_due",
        Some(7),
        Level::ReadOnly,
        "overdue",
        "everything can be seen, nothing can be changed",
        "/payment",
    ),
    ("active", Some(21), Level::Blocked, "unpaid", "access is blocked until it arrives", "/payment"),
    ("unpaid", Some(1), Level::Blocked, "unpaid", "access is blocked until it arrives", "/payment"),
    ("paused", None, Level::ReadOnly, "paused", "The subscription is paused", "/subscription/resume"),
];

async fn put(portal: &Portal, tenant: &Tenant, status: &str, days: Option<i64>) {
    let (id, now) = (&tenant.id, portal.clock.now().as_second());
    portal.run("delete from dunning_cases").await;
    portal.run("delete from subscriptions").await;
    portal
        .run(&format!(
            "insert into subscriptions (id, tenant_id, customer_id, status, currency, livemode, started_at, created_at, seen_at)
             values ('sub_1', '{id}', 'cus_1', '{status}', 'eur', false, {now}, {now}, {now})"
        ))
        .await;
    if let Some(days) = days {
        portal
            .run(&format!(
                "insert into dunning_cases (invoice_id, tenant_id, customer_id, currency, amount, state, opened_at)
                 values ('in_norte', '{id}', 'cus_1', 'eur', 2900, 'open', {})",
                now - days * DAY
            ))
            .await;
    }
}

#[test]
fn the_tables_leave_no_door_out() {
    let pages: Vec<_> = PAGES.iter().map(|row| (row.0, row.1)).collect();
    for row in matrix::managers() {
        assert!(pages.contains(&row), "{row:?} has no row here");
    }
    let calls: Vec<_> = CALLS.iter().map(|row| (row.0, row.1)).collect();
    for row in matrix::writers() {
        assert!(calls.contains(&row), "{row:?} has no row here");
    }
}

both_databases! {
    async fn every_page_asks_what_the_tenant_may_do(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let owner = portal.user("owner", &[(&tenant, Role::Owner)]).await;
        let mut browser = portal.signed_in(&owner).await;
        let mut wrong = Vec::new();
        for (status, days, level, _, words, way_out) in LEVELS {
            put(&portal, &tenant, status, *days).await;
            for (method, path, door) in PAGES {
                let path = path.replace("{id}", "in_norte").replace("{user}", "usr_nobody");
                let answer = if *method == "GET" {
                    browser.get(&path).await
                } else {
                    browser.get("/plans").await;
                    browser.post(&path, &[]).await
                };
                let refused = answer.status == StatusCode::FORBIDDEN;
                let expected = *door == Asks && *level != Level::Full;
                if refused != expected {
                    wrong.push(format!("{method} {path} at {status}, day {days:?}: {}", answer.status));
                } else if refused {
                    let answer = answer.shows(&["Nothing can be changed right now", words, &format!("href=\"{way_out}\"")]);
                    let pays = answer.body.contains("action=\"/invoices/in_norte/pay\"");
                    assert_eq!(pays, days.is_some(), "{path}: the button that pays");
                }
            }
            let who = browser.get("/account").await;
            who.expect(StatusCode::OK);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn every_endpoint_asks_what_the_tenant_may_do(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let callers = [
            ("the host", portal.host(&[Scope::BillingWrite]).await.tenant(&tenant)),
            ("its owner", portal.user_of(&tenant, "owner")),
        ];
        for (status, days, level, reason, words, _) in LEVELS {
            put(&portal, &tenant, status, *days).await;
            for (method, path, door) in CALLS {
                for (who, program) in &callers {
                    let method: Method = method.parse().unwrap();
                    let answer = program.send(method, &format!("{BASE}{path}"), Some("{}".to_owned())).await;
                    let about = format!("{path} at {status}, day {days:?}, by {who}: {}", answer.body);
                    let refused = answer.body["code"] == "access_restricted";
                    assert_eq!(refused, *door == Asks && *level != Level::Full, "{about}");
                    if refused {
                        assert_eq!(answer.status.as_u16(), 403, "{about}");
                        let why = json!({ "level": level.as_str(), "reason": reason });
                        assert_eq!(answer.body["details"], why, "{about}");
                        assert!(answer.body["error"].as_str().unwrap().contains(words), "{about}");
                    } else {
                        assert_ne!(answer.status.as_u16(), 403, "{about}");
                    }
                }
            }
        }
    }

    async fn a_newer_subscription_whose_first_payment_is_missing_takes_nothing_from_the_one_in_force(world: World) {
        let (tenant, mut browser) = world.owner_of("Norte").await;
        let (customer, live) = world.subscription(&tenant, "professional_month", json!({})).await;
        world.pass(60).await;
        let price = world.read("/prices?lookup_keys[]=starter_month").await["data"][0]["id"].clone();
        let form = json!({
            "customer": customer.as_str(), "items": [{ "price": price }], "payment_behavior": "default_incomplete",
            "metadata": { "tenant_id": tenant.id.as_str() },
        });
        assert_eq!(world.post("/subscriptions", form).await["status"], "incomplete");
        world.settle().await;
        let portal = &world.portal;
        assert_eq!(portal.count("select count(*) from subscriptions where status = 'incomplete'").await, 1);
        let mut tx = portal.db.read().await.unwrap();
        let standing = access::store::standing(&mut tx, tenant.id.as_str()).await.unwrap();
        assert_eq!((standing.status.unwrap().as_str(), standing.plan.as_deref()), ("active", Some("professional")));
        let billing = subscription::store::billing(&mut tx, tenant.id.as_str()).await.unwrap();
        assert_eq!(billing.live().unwrap().id.as_str(), live["id"]);
        let found = search(&mut tx, &Search::default(), 10).await.unwrap();
        assert_eq!(found[0].status.as_deref(), Some("active"), "in the staff's list");
        drop(tx);
        let mut staff = portal.staff("Sam").await;
        staff.get(&format!("/staff/tenants/{}", tenant.id)).await.shows(&["The subscription is in order."]);
        browser.get("/").await.shows(&["Professional"]);
        let answer = portal.host(&[Scope::AccessRead]).await.tenant(&tenant).get("/access").await.expect(200);
        assert_eq!((&answer.body["reason"], &answer.body["plan"]), (&json!("active"), &json!("professional")));
    }
}
