//! A person's own page: the sessions that are theirs, and no other.

use billing_portal::auth::Role;
use http::StatusCode;

use crate::support::browser::Answer;
use crate::support::portal::Portal;

/// The names of the sessions that the page offers to end.
fn offered(page: &Answer) -> Vec<String> {
    let after = page.body.split("name=\"session\" value=\"").skip(1);
    after.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

both_databases! {
    async fn somebody_sees_where_they_are_signed_in_and_ends_what_they_do_not_know(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&norte, Role::Supervisor)]).await;
        let mut browser = portal.signed_in(&ana).await;
        let alone = browser.get("/account").await.expect(StatusCode::OK);
        let alone = alone.shows(&["ana@people.example", "Norte", "Supervisor", "This device", "192.0.2.1"]);
        assert!(offered(&alone).is_empty() && !alone.body.contains("end-others"));
        let mut lost = portal.browser().at("203.0.113.9");
        lost.sign_in("ana@people.example", crate::support::portal::PASSWORD, "/account").await;
        lost.get("/account").await.expect(StatusCode::OK);
        let page = browser.get("/account").await.shows(&["203.0.113.9"]);
        let [other] = offered(&page).try_into().unwrap();
        let answer = browser.post("/account/sessions/end", &[("session", &other)]).await;
        browser.follow(&answer).await.shows(&["The session has been ended."]);
        lost.get("/account").await.expect(StatusCode::SEE_OTHER);
        browser.post("/account/sessions/end", &[("session", &other)]).await.expect(StatusCode::NOT_FOUND);
        assert_eq!(portal.count("select count(*) from audit_entries where action = 'session.ended_elsewhere'").await, 1);
    }

    async fn all_others_end_and_this_one_stays(portal: Portal) {
        let ana = portal.user("Ana", &[]).await;
        let (mut first, mut second) = (portal.signed_in(&ana).await, portal.signed_in(&ana).await);
        let mut third = portal.signed_in(&ana).await;
        first.get("/account").await.expect(StatusCode::OK);
        let answer = first.post("/account/sessions/end-others", &[]).await;
        first.follow(&answer).await.expect(StatusCode::OK).shows(&["All other sessions have been ended."]);
        second.get("/account").await.expect(StatusCode::SEE_OTHER);
        third.get("/account").await.expect(StatusCode::SEE_OTHER);
    }

    async fn nobody_ends_the_session_of_another(portal: Portal) {
        let (ana, eve) = (portal.user("Ana", &[]).await, portal.user("Eve", &[]).await);
        let mut victim = portal.signed_in(&ana).await;
        let theirs = portal.app.auth.sessions.of_user(ana.id.as_str()).await.unwrap().remove(0).id;
        let mut eve = portal.signed_in(&eve).await;
        eve.get("/account").await.expect(StatusCode::OK);
        let foreign = eve.post("/account/sessions/end", &[("session", &theirs)]).await.expect(StatusCode::NOT_FOUND);
        let random = eve.post("/account/sessions/end", &[("session", "nonsense")]).await;
        assert_eq!((foreign.status, foreign.body.len()), (random.status, random.body.len()));
        eve.post("/account/sessions/end-others", &[]).await.expect(StatusCode::SEE_OTHER);
        victim.get("/account").await.expect(StatusCode::OK);
    }

    async fn somebody_says_what_they_are_called_and_how_dates_are_for_them(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let mut browser = portal.signed_in(&ana).await;
        browser.get("/account").await.shows(&["value=\"Ana\"", "As the browser", "As the company", "05:00", "UTC"]);
        let fields = [("name", " Ana Ruiz "), ("language", "es"), ("time_zone", "America/Bogota")];
        let answer = browser.post("/account", &fields).await.expect(StatusCode::SEE_OTHER);
        let page = browser.follow(&answer).await.shows(&["lang=\"es\"", "Su perfil se ha guardado.", "value=\"Ana Ruiz\"", "0:00"]);
        page.shows(&["<option value=\"America/Bogota\" selected>", "<option value=\"es\" lang=\"es\" selected>"]);
        browser.post("/account", &fields).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(portal.audited("user.changed").await, 1, "the same again is no change");
        browser.get("/account").await;
        let none = [("name", "Ana Ruiz"), ("language", ""), ("time_zone", "")];
        browser.post("/account", &none).await.expect(StatusCode::SEE_OTHER);
        browser.get("/account").await.shows(&["<html lang=\"en\">", "UTC"]);
    }

    async fn each_field_that_cannot_be_is_named_and_nothing_is_kept(portal: Portal) {
        let ana = portal.user("Ana", &[]).await;
        let mut browser = portal.signed_in(&ana).await;
        browser.get("/account").await;
        let fields = [("name", " "), ("language", "fr"), ("time_zone", "Mars/Base")];
        let page = browser.post("/account", &fields).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        page.shows(&["<title>Error: ", "href=\"#name\"", "href=\"#language\"", "href=\"#time_zone\"", "This device"]);
        assert_eq!(portal.count("select count(*) from users where name = 'Ana' and language is null and time_zone is null").await, 1);
    }
}
