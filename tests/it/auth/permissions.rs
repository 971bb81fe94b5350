//! Permissions: what a handler names in its signature, each role gets or does not.

use axum::Router;
use axum::routing::get;
use billing_portal::app::{self, App};
use billing_portal::auth::{Manager, NewUser, Reader, Role, SignedIn, Staff, Visitor};
use billing_portal::db::Db;
use billing_portal::web::{Html, Page};
use http::StatusCode;

use crate::support::browser::Browser;
use crate::support::databases::FromDb;
use crate::support::portal::{Portal, hash};

/// A page that says whom it was made for.
#[derive(askama::Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}{% block main %}<p>for {{ whom }}</p>{{ page.csrf() }}{% endblock %}"#
)]
struct Probe {
    page: Page,
    whom: String,
}

/// The portal with a page behind each permission.
struct Guarded(Portal);

impl FromDb for Guarded {
    async fn from_db(db: Db) -> Self {
        let probe = |page: Page, whom: String| Html(Probe { page, whom });
        let of =
            |visitor: &Visitor| visitor.0.as_ref().map_or("nobody".to_owned(), |one| one.user().name.clone());
        let routes: Router<App> = app::pages()
            .route(
                "/visitor",
                get(move |page: Page, visitor: Visitor| async move { probe(page, of(&visitor)) }),
            )
            .route(
                "/signed-in",
                get(move |page: Page, one: SignedIn| async move { probe(page, one.user().name.clone()) }),
            )
            .route("/reader", get(move |page: Page, one: Reader| async move { probe(page, one.tenant.name) }))
            .route(
                "/manager",
                get(move |page: Page, one: Manager| async move { probe(page, one.role.as_str().to_owned()) }),
            )
            .route(
                "/staff-only",
                get(move |page: Page, one: Staff| async move { probe(page, one.user.name) }),
            );
        Self(Portal::with_pages(db, "http://127.0.0.1:9/".parse().unwrap(), "http://billing.test/", routes))
    }
}

const PAGES: [&str; 5] = ["/visitor", "/signed-in", "/reader", "/manager", "/staff-only"];

async fn statuses(browser: &mut Browser) -> [u16; 5] {
    let mut statuses = [0; 5];
    for (status, path) in statuses.iter_mut().zip(PAGES) {
        *status = browser.get(path).await.status.as_u16();
    }
    statuses
}

both_databases! {
    async fn each_role_gets_what_it_may(guarded: Guarded) {
        let portal = guarded.0;
        let norte = portal.tenant("Norte").await;
        assert_eq!(statuses(&mut portal.browser()).await, [200, 303, 303, 303, 303]);
        for (role, expected) in [
            (Role::Owner, [200, 200, 200, 200, 404]),
            (Role::Admin, [200, 200, 200, 200, 404]),
            (Role::Supervisor, [200, 200, 200, 403, 404]),
            (Role::Operator, [200, 200, 403, 403, 404]),
        ] {
            let user = portal.user(role.as_str(), &[(&norte, role)]).await;
            assert_eq!(statuses(&mut portal.signed_in(&user).await).await, expected, "{role:?}");
        }
        let new = NewUser::new("staff@people.example".parse().unwrap(), "Staff").unwrap();
        let staff = portal.create(new.password_hash(hash().await).staff(true), &[]).await;
        assert_eq!(statuses(&mut portal.signed_in(&staff).await).await, [200, 200, 403, 403, 200]);
    }

    async fn who_must_sign_in_comes_back_to_where_they_were(guarded: Guarded) {
        let portal = guarded.0;
        let mut browser = portal.browser();
        let answer = browser.get("/reader?a=1&b=2").await;
        assert_eq!(answer.location(), "/sign-in?next=%2Freader%3Fa%3D1%26b%3D2");
        browser.follow(&answer).await.shows(&["value=\"/reader?a=1&#38;b=2\""]);
        let answer = browser.post("/tenants/switch", &[("tenant", "x")]).await;
        assert_eq!(answer.location(), "/sign-in?next=%2F", "a post is not repeated");
    }

    async fn an_operator_is_told_clearly_and_can_still_leave(guarded: Guarded) {
        let portal = guarded.0;
        let norte = portal.tenant("Norte & Sur").await;
        let olga = portal.user("Olga", &[(&norte, Role::Operator)]).await;
        let mut browser = portal.signed_in(&olga).await;
        let page = browser.get("/reader").await.expect(StatusCode::FORBIDDEN);
        let page = page.shows(&["This is not open to you", "Olga", "Norte &#38; Sur", "Operator", "action=\"/sign-out\""]);
        assert!(!page.body.contains("href=\"/invoices\""), "no link to what is not open");
        browser.post("/sign-out", &[]).await.expect(StatusCode::SEE_OTHER);
    }

    async fn a_role_that_was_taken_away_is_gone_at_once(guarded: Guarded) {
        let portal = guarded.0;
        let norte = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let mut browser = portal.signed_in(&ana).await;
        browser.get("/manager").await.expect(StatusCode::OK);
        portal.run("update memberships set role = 'supervisor'").await;
        browser.get("/manager").await.expect(StatusCode::FORBIDDEN);
        portal.run("delete from memberships").await;
        browser.get("/reader").await.expect(StatusCode::FORBIDDEN);
        portal.run("delete from users").await;
        assert_eq!(statuses(&mut browser).await, [200, 303, 303, 303, 303]);
    }

    async fn a_member_of_several_tenants_goes_from_one_to_another(guarded: Guarded) {
        let portal = guarded.0;
        let (norte, sur, otra) = (portal.tenant("Norte").await, portal.tenant("Sur").await, portal.tenant("Otra").await);
        let ana = portal.user("Ana", &[(&sur, Role::Owner), (&norte, Role::Operator)]).await;
        let mut browser = portal.signed_in(&ana).await;
        browser.get("/reader").await.shows(&["for Sur", "action=\"/tenants/switch\"", "Norte"]);
        let before = browser.cookie("billing_session").unwrap().to_owned();
        for foreign in [otra.id.as_str(), "ten_00000000000000000000000000", "", "a b"] {
            browser.post("/tenants/switch", &[("tenant", foreign)]).await.expect(StatusCode::NOT_FOUND);
        }
        browser.get("/reader").await.shows(&["for Sur"]);
        let answer = browser.post("/tenants/switch", &[("tenant", norte.id.as_str())]).await;
        assert_eq!(answer.location(), "/");
        assert_ne!(browser.cookie("billing_session").unwrap(), before, "other rights, other session");
        browser.get("/reader").await.expect(StatusCode::FORBIDDEN);
        browser.get("/visitor").await.shows(&["Sur"]);
        browser.post("/tenants/switch", &[("tenant", sur.id.as_str())]).await.expect(StatusCode::SEE_OTHER);
        browser.get("/reader").await.shows(&["for Sur"]);
        assert_eq!(portal.app.auth.sessions.of_user(ana.id.as_str()).await.unwrap().len(), 1);
    }

    async fn going_elsewhere_does_not_renew_the_sign_in(guarded: Guarded) {
        let portal = guarded.0;
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        let ana = portal.user("Ana", &[(&norte, Role::Owner), (&sur, Role::Owner)]).await;
        let mut browser = portal.signed_in(&ana).await;
        for hour in 1..24 * 7 {
            portal.clock.pass(3_600);
            browser.get("/reader").await.expect(StatusCode::OK);
            let to = if hour % 2 == 0 { &norte } else { &sur };
            browser.post("/tenants/switch", &[("tenant", to.id.as_str())]).await.expect(StatusCode::SEE_OTHER);
        }
        portal.clock.pass(3_600);
        browser.get("/reader").await.expect(StatusCode::SEE_OTHER);
    }
}
