//! Who gets what, of every route that there is: the routes are read from the source and from the description of the API, so
//! that a route without a row fails here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use billing_portal::api::{BASE, Scope, document};
use billing_portal::auth::{NewUser, Role};
use billing_portal::tenants::Tenant;
use http::Method;
use serde_json::{Value, json};

use crate::support::api::{Program, sign};
use crate::support::browser::Browser;
use crate::support::portal::{Portal, hash};

/// For whom a page is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum For {
    /// Everybody.
    All,
    /// Who is signed in.
    SignedIn,
    /// Owner, admin, supervisor.
    Readers,
    /// Owner and admin.
    Managers,
    /// The operator's staff.
    Staff,
}

use For::{All, Managers, Readers, SignedIn, Staff};

/// Method, path, for whom, and what these get. Posts come with the token of the page and no other field.
type Row = (&'static str, &'static str, For, u16);

/// Pages and doors. What is of one tenant (`{id}` of an invoice) is another owner's 404.
const PAGES: &[Row] = &[
    ("GET", "/", SignedIn, 303),
    ("GET", "/account", SignedIn, 200),
    ("POST", "/account", SignedIn, 422),
    ("GET", "/account/password", SignedIn, 200),
    ("POST", "/account/password", SignedIn, 422),
    ("POST", "/account/sessions/end", SignedIn, 422),
    ("POST", "/account/sessions/end-others", SignedIn, 303),
    ("POST", "/api/billing/webhooks/payment", All, 400),
    ("GET", "/api/docs", All, 200),
    ("GET", "/api/openapi.json", All, 200),
    ("GET", "/api/{*elsewhere}", All, 404),
    ("GET", "/audit", Managers, 200),
    ("GET", "/audit.csv", Managers, 200),
    ("GET", "/audit.jsonl", Managers, 200),
    ("GET", "/billing-details", Readers, 200),
    ("POST", "/billing-details", Managers, 422),
    ("POST", "/billing-details/tax-ids", Managers, 422),
    ("POST", "/billing-details/tax-ids/remove", Managers, 422),
    ("POST", "/billing-portal", Managers, 409),
    ("GET", "/billing-portal/return", Readers, 303),
    ("POST", "/checkout", Managers, 422),
    ("GET", "/checkout/cancelled", SignedIn, 303),
    ("GET", "/checkout/return", SignedIn, 404),
    ("GET", "/healthz", All, 200),
    ("GET", "/invitations/{token}", All, 410),
    ("POST", "/invitations/{token}", All, 410),
    ("GET", "/invoices", Readers, 200),
    ("GET", "/invoices.csv", Readers, 200),
    ("GET", "/invoices/{id}", Readers, 200),
    ("POST", "/invoices/{id}/hosted", Readers, 503),
    ("POST", "/invoices/{id}/pay", Managers, 503),
    ("POST", "/invoices/{id}/pdf", Readers, 503),
    ("POST", "/language", All, 422),
    ("GET", "/members", Managers, 200),
    ("POST", "/members", Managers, 422),
    ("POST", "/members/invitations/{id}/resend", Managers, 404),
    ("POST", "/members/invitations/{id}/withdraw", Managers, 404),
    ("POST", "/members/{user}/remove", Managers, 404),
    ("POST", "/members/{user}/role", Managers, 422),
    ("GET", "/password", All, 200),
    ("POST", "/password", All, 422),
    ("GET", "/password/{token}", All, 410),
    ("POST", "/password/{token}", All, 422),
    ("GET", "/payment", Readers, 200),
    ("GET", "/plans", All, 200),
    ("GET", "/readyz", All, 200),
    ("GET", "/settings", Managers, 200),
    ("POST", "/settings", Managers, 422),
    ("GET", "/sign-in", All, 200),
    ("POST", "/sign-in", All, 422),
    ("GET", "/sign-in/link", All, 200),
    ("POST", "/sign-in/link", All, 422),
    ("GET", "/sign-in/link/{token}", All, 410),
    ("POST", "/sign-in/link/{token}", All, 410),
    ("POST", "/sign-out", All, 303),
    ("GET", "/staff", Staff, 200),
    ("GET", "/staff/api-keys", Staff, 200),
    ("POST", "/staff/api-keys", Staff, 422),
    ("POST", "/staff/api-keys/{id}/revoke", Staff, 404),
    ("GET", "/staff/audit", Staff, 200),
    ("GET", "/staff/audit.csv", Staff, 200),
    ("GET", "/staff/audit.jsonl", Staff, 200),
    ("GET", "/staff/behalf", Staff, 404),
    ("POST", "/staff/behalf/changes", Staff, 404),
    ("POST", "/staff/behalf/end", SignedIn, 303),
    ("GET", "/staff/dunning", Staff, 200),
    ("GET", "/staff/dunning/{invoice}", Staff, 404),
    ("GET", "/staff/events", Staff, 200),
    ("POST", "/staff/events/recover", Staff, 503),
    ("POST", "/staff/events/replay", Staff, 422),
    ("GET", "/staff/events/{id}", Staff, 404),
    ("POST", "/staff/events/{id}/replay", Staff, 404),
    ("GET", "/staff/figures.csv", Staff, 200),
    ("GET", "/staff/health.csv", Staff, 200),
    ("GET", "/staff/event-days.csv", Staff, 200),
    ("GET", "/staff/mails", Staff, 200),
    ("GET", "/staff/mails/samples/{kind}", Staff, 200),
    ("GET", "/staff/mails/{id}", Staff, 404),
    ("GET", "/staff/mails/{id}/html", Staff, 404),
    ("POST", "/staff/mails/{id}/resend", Staff, 404),
    ("GET", "/staff/mrr-changes.csv", Staff, 200),
    ("GET", "/staff/reconciliation", Staff, 200),
    ("POST", "/staff/reconciliation", Staff, 422),
    ("GET", "/staff/reconciliation/findings/{id}", Staff, 404),
    ("POST", "/staff/reconciliation/findings/{id}", Staff, 404),
    ("GET", "/staff/reconciliation/{run}", Staff, 404),
    ("POST", "/staff/reconciliation/{run}/repair", Staff, 404),
    ("GET", "/staff/reconciliation/{run}/report.csv", Staff, 404),
    ("GET", "/staff/reconciliation/{run}/report.json", Staff, 404),
    ("GET", "/staff/subscriptions.csv", Staff, 200),
    ("GET", "/staff/tenants", Staff, 200),
    ("GET", "/staff/tenants/{id}", Staff, 200),
    ("POST", "/staff/tenants/{id}/behalf", Staff, 422),
    ("POST", "/staff/tenants/{id}/plans", Staff, 422),
    ("POST", "/staff/tenants/{id}/resync", Staff, 303),
    ("GET", "/staff/tenants/{id}/timeline", Staff, 200),
    ("GET", "/staff/usage", Staff, 200),
    ("POST", "/staff/usage/retry", Staff, 422),
    ("GET", "/staff/validation", Staff, 200),
    ("GET", "/staff/validation/{id}", Staff, 404),
    ("GET", "/staff/validation/{id}/report.csv", Staff, 404),
    ("GET", "/staff/validation/{id}/report.json", Staff, 404),
    ("GET", "/static/{name}", All, 404),
    ("GET", "/subscription/cancel", Managers, 409),
    ("POST", "/subscription/cancel", Managers, 409),
    ("POST", "/subscription/change", Managers, 422),
    ("POST", "/subscription/change/review", Managers, 409),
    ("POST", "/subscription/change/undo", Managers, 409),
    ("GET", "/subscription/collect", Managers, 409),
    ("POST", "/subscription/collect", Managers, 409),
    ("GET", "/subscription/pause", Managers, 409),
    ("POST", "/subscription/pause", Managers, 409),
    ("GET", "/subscription/resume", Managers, 409),
    ("POST", "/subscription/resume", Managers, 409),
    ("POST", "/tenants/switch", SignedIn, 422),
    ("GET", "/usage", Readers, 200),
    ("GET", "/usage/days.csv", Readers, 200),
    ("GET", "/usage/{metric}", Readers, 200),
    ("POST", "/webhooks/stripe", All, 400),
];

/// Method, path, the scope that a key must have (none: public), the roles whose tokens are taken, and what these get with an
/// empty body.
type Call = (&'static str, &'static str, Option<Scope>, &'static [&'static str], u16);

/// Every role.
const EVERY: &[&str] = &["owner", "admin", "supervisor", "operator"];

/// Who reads billing.
const READS: &[&str] = &["owner", "admin", "supervisor"];
/// Who changes it.
const WRITES: &[&str] = &["owner", "admin"];

const CALLS: &[Call] = &[
    ("GET", "/access", Some(Scope::AccessRead), EVERY, 200),
    ("GET", "/invoices", Some(Scope::BillingRead), READS, 200),
    ("GET", "/invoices/{id}", Some(Scope::BillingRead), READS, 200),
    ("POST", "/invoices/{id}/download", Some(Scope::BillingRead), READS, 503),
    ("GET", "/plans", None, EVERY, 200),
    ("GET", "/plans/{id}", None, EVERY, 404),
    ("POST", "/portal", Some(Scope::BillingWrite), WRITES, 409),
    ("POST", "/sign-in-links", Some(Scope::SignInLinksWrite), &[], 400),
    ("GET", "/subscription", Some(Scope::BillingRead), READS, 200),
    ("POST", "/subscription/cancel", Some(Scope::BillingWrite), WRITES, 409),
    ("POST", "/subscription/create", Some(Scope::BillingWrite), WRITES, 400),
    ("POST", "/subscription/preview", Some(Scope::BillingWrite), WRITES, 400),
    ("POST", "/subscription/resume", Some(Scope::BillingWrite), WRITES, 409),
    ("PUT", "/subscription/update", Some(Scope::BillingWrite), WRITES, 400),
    ("POST", "/tenants", Some(Scope::TenantsWrite), &[], 400),
    ("GET", "/tenants/{id}", Some(Scope::TenantsRead), &[], 200),
    ("PUT", "/tenants/{id}", Some(Scope::TenantsWrite), &[], 200),
    ("GET", "/usage", Some(Scope::UsageRead), READS, 200),
    ("POST", "/usage/check", Some(Scope::UsageRead), EVERY, 400),
    ("GET", "/usage/history", Some(Scope::UsageRead), READS, 200),
    ("POST", "/usage/increment", Some(Scope::UsageWrite), &[], 400),
];

/// The pages of owners and admins.
pub(crate) fn managers() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.iter().filter(|row| row.2 == Managers).map(|row| (row.0, row.1))
}

/// The endpoints that change the billing of a tenant.
pub(crate) fn writers() -> impl Iterator<Item = (&'static str, &'static str)> {
    CALLS.iter().filter(|call| call.2 == Some(Scope::BillingWrite)).map(|call| (call.0, call.1))
}

/// The routes of the source, each with its methods, but those of the sandbox and the demo, which are no part of a portal, and of
/// the metrics, which have a listener of their own.
fn routes() -> Vec<(String, String)> {
    let mut routes = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut routes);
    routes.sort();
    routes
}

fn walk(folder: &Path, routes: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !["sandbox", "demo", "metrics"].iter().any(|apart| path.ends_with(apart)) {
                walk(&path, routes);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            read(&fs::read_to_string(&path).unwrap(), routes);
        }
    }
}

/// `.route("/path", get(…).post(…))`, however it is broken over lines.
fn read(source: &str, routes: &mut Vec<(String, String)>) {
    for rest in source.split(".route(").skip(1) {
        let Some(rest) = rest.trim_start().strip_prefix('"') else { continue };
        let (path, rest) = rest.split_once('"').unwrap();
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let handlers = &rest[..end.unwrap()];
        for (word, method) in [
            ("get(", "GET"),
            ("post(", "POST"),
            ("put(", "PUT"),
            ("delete(", "DELETE"),
            ("patch(", "PATCH"),
            ("any(", "GET"),
        ] {
            let is_word = |at: usize| !handlers[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if handlers.match_indices(word).any(|(at, _)| is_word(at)) {
                routes.push((path.to_owned(), method.to_owned()));
            }
        }
    }
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let mut rows: Vec<_> = PAGES.iter().map(|row| (row.1.to_owned(), row.0.to_owned())).collect();
    rows.sort();
    assert_eq!(routes(), rows);
    let mut described = Vec::new();
    for (path, item) in document::value()["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.push((path.clone(), method.to_ascii_uppercase()));
        }
    }
    described.sort();
    let mut rows: Vec<_> = CALLS.iter().map(|row| (row.1.to_owned(), row.0.to_owned())).collect();
    rows.sort();
    assert_eq!(described, rows);
}

#[test]
fn the_description_says_who_may_as_it_is() {
    for (method, path, scope, roles, _) in CALLS {
        let operation = &document::value()["paths"][path][method.to_ascii_lowercase()];
        let mut expected = Vec::new();
        match scope {
            None => expected.push(json!({})),
            Some(scope) => expected.push(json!({ "key": [scope.as_str()] })),
        }
        if scope.is_some() && !roles.is_empty() {
            expected.push(json!({ "token": roles }));
        }
        assert_eq!(operation["security"], Value::Array(expected), "{method} {path}");
    }
}

/// A path with its places filled in: an invoice of the tenant, or what there is not.
fn fill(path: &str, tenant: &Tenant) -> String {
    let id = if path.contains("/tenants/") { tenant.id.as_str() } else { "in_norte" };
    path.replace("{id}", id)
        .replace("{invoice}", "in_nobody")
        .replace("{metric}", "messages")
        .replace("{kind}", "receipt")
        .replace("{name}", "nothing.css")
        .replace("{*elsewhere}", "nowhere")
        .replace("{user}", "usr_nobody")
        .replace("{token}", "nothing")
        .replace("{run}", "rec_nobody")
}

/// What somebody gets; `None` as a role is who is not signed in.
fn expected(row: &Row, who: &str) -> u16 {
    let (method, path, class, status) = *row;
    let is_theirs = who != "other" || !path.contains("/invoices/{id}");
    let passes = match class {
        All => true,
        SignedIn => who != "anonymous",
        Readers => matches!(who, "owner" | "admin" | "supervisor" | "other"),
        Managers => matches!(who, "owner" | "admin" | "other"),
        Staff => who == "staff",
    };
    match (passes, who) {
        (true, _) if is_theirs => exception(method, path, who).unwrap_or(status),
        (true, _) => 404,
        (false, "anonymous") => 303,
        (false, _) if class == Staff => 404,
        (false, _) => 403,
    }
}

/// Who gets something else than the others for whom a page is.
fn exception(method: &str, path: &str, who: &str) -> Option<u16> {
    match (method, path, who) {
        // Who is signed in has no need to.
        ("GET", "/sign-in", _) if who != "anonymous" => Some(303),
        // To the plans, for who has none yet; nothing to look over for who sees no billing.
        ("GET", "/", "operator" | "staff") => Some(403),
        ("GET", "/checkout/return" | "/checkout/cancelled", "operator" | "staff") => Some(403),
        _ => None,
    }
}

async fn people(portal: &Portal, norte: &Tenant, sur: &Tenant) -> BTreeMap<&'static str, Browser> {
    let mut people = BTreeMap::from([("anonymous", portal.browser())]);
    for role in Role::ALL {
        let user = portal.user(role.as_str(), &[(norte, role)]).await;
        people.insert(role.as_str(), portal.signed_in(&user).await);
    }
    let other = portal.user("other", &[(sur, Role::Owner)]).await;
    people.insert("other", portal.signed_in(&other).await);
    let staff = NewUser::new("staff@people.example".parse().unwrap(), "Staff").unwrap();
    let staff = portal.create(staff.password_hash(hash().await).staff(true), &[]).await;
    people.insert("staff", portal.signed_in(&staff).await);
    people
}

async fn invoice_of(portal: &Portal, tenant: &Tenant) {
    let sql = format!(
        "insert into invoices (id, tenant_id, customer_id, status, currency, subtotal, total, amount_due, amount_paid,
         amount_remaining, period_start, period_end, created_at, seen_at)
         values ('in_norte', '{}', 'cus_norte', 'open', 'eur', 2900, 2900, 2900, 0, 2900, 0, 0, 0, 0)",
        tenant.id
    );
    portal.run(&sql).await;
}

/// The callers of the API, each with what tells the table about them.
async fn callers(portal: &Portal, norte: &Tenant, sur: &Tenant) -> Vec<(String, Program)> {
    let token = |tenant: &Tenant, role: &str| {
        let mut claims = portal.claims(tenant, role);
        claims["sub"] = json!(role);
        portal.program().bearer(&sign(&claims))
    };
    let mut callers = vec![("anonymous".to_owned(), portal.program())];
    let owner = portal.user("cookie", &[(norte, Role::Owner)]).await;
    let cookie =
        format!("billing_session={}", portal.signed_in(&owner).await.cookie("billing_session").unwrap());
    callers.push(("session".to_owned(), portal.program().at([192, 0, 2, 8]).with("cookie", &cookie)));
    for role in Role::ALL {
        callers.push((role.as_str().to_owned(), token(norte, role.as_str())));
    }
    callers.push(("other".to_owned(), token(sur, "owner").tenant(norte)));
    for scope in Scope::ALL {
        let host = portal.host(&[scope]).await.tenant(norte);
        callers.push((scope.as_str().to_owned(), host));
    }
    callers
}

fn expected_call(call: &Call, who: &str) -> u16 {
    let (_, _, scope, roles, status) = *call;
    let Some(scope) = scope else { return status };
    match who.parse::<Scope>() {
        Ok(own) if own.covers(scope) => status,
        Ok(_) => 403,
        Err(_) if matches!(who, "anonymous" | "session") => 401,
        // An owner, of another tenant than the one that the header names.
        Err(_) if who == "other" => {
            if roles.contains(&"owner") {
                404
            } else {
                403
            }
        }
        Err(_) => {
            if roles.contains(&who) {
                status
            } else {
                403
            }
        }
    }
}

both_databases! {
    async fn every_page_answers_each_of_them_as_the_table_says(portal: Portal) {
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        invoice_of(&portal, &norte).await;
        let mut people = people(&portal, &norte, &sur).await;
        let mut wrong = Vec::new();
        // Who signs out is gone: that comes last.
        let (last, first): (Vec<&Row>, Vec<&Row>) = PAGES.iter().partition(|row| row.1 == "/sign-out");
        for row in first.into_iter().chain(last) {
            let path = fill(row.1, &norte);
            for (who, browser) in &mut people {
                let answer = if row.0 == "GET" {
                    browser.get(&path).await
                } else {
                    browser.get("/plans").await;
                    browser.post(&path, &[]).await
                };
                let (got, wanted) = (answer.status.as_u16(), expected(row, who));
                if got != wanted {
                    wrong.push(format!("{} {path} as {who}: {got}, not {wanted}", row.0));
                }
                if got == 303 && wanted == 303 && *who == "anonymous" && row.2 != All {
                    assert!(answer.location().starts_with("/sign-in"), "{path}: {}", answer.location());
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn every_endpoint_answers_each_of_them_as_the_table_says(portal: Portal) {
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        invoice_of(&portal, &norte).await;
        let callers = callers(&portal, &norte, &sur).await;
        let mut wrong = Vec::new();
        for call in CALLS {
            let path = format!("{BASE}{}", fill(call.1, &norte));
            for (who, program) in &callers {
                let method: Method = call.0.parse().unwrap();
                let body = (method != Method::GET).then(|| "{}".to_owned());
                let got = program.send(method, &path, body).await.status.as_u16();
                let wanted = expected_call(call, who);
                if got != wanted {
                    wrong.push(format!("{} {path} as {who}: {got}, not {wanted}", call.0));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
