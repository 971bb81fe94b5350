//! New passwords: by the link of a mail, and with the old one.

use billing_portal::auth::{NewUser, Role, User};
use http::StatusCode;

use crate::support::browser::Browser;
use crate::support::portal::{PASSWORD, Portal};

const NEW: &str = "three blind mice ran";

/// The path of a fresh link to choose a new password.
async fn asked(portal: &Portal, email: &str) -> String {
    portal.run("delete from mails").await;
    let mut browser = portal.browser();
    browser.get("/password").await;
    browser.post("/password", &[("email", email)]).await.expect(StatusCode::SEE_OTHER);
    portal.answer_requests().await;
    portal.link("password_reset").await
}

async fn signs_in(portal: &Portal, user: &User, password: &str) -> bool {
    portal.browser().sign_in(user.email.as_str(), password, "/").await.status == StatusCode::SEE_OTHER
}

async fn change(browser: &mut Browser, old: &str, new: &str) -> crate::support::browser::Answer {
    browser.get("/account/password").await.expect(StatusCode::OK);
    browser.post("/account/password", &[("old", old), ("password", new)]).await
}

both_databases! {
    async fn who_forgot_the_password_chooses_another_by_mail(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let mut lost = portal.signed_in(&ana).await;
        let (other, path) = (asked(&portal, "ana@people.example").await, asked(&portal, "ana@people.example").await);
        let mut browser = portal.browser();
        let page = browser.get(&path).await.expect(StatusCode::OK);
        page.shows(&["autocomplete=\"new-password\"", "autocomplete=\"username\"", "ana@people.example"]);
        for (bad, words) in [
            ("short", "at least 8 characters."), ("password1", "among the first that strangers try"),
            ("ana@people.example", "among the first"), (&"x".repeat(129), "at most 128"),
        ] {
            let page = browser.post(&path, &[("password", bad)]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
            let page = page.shows(&["<title>Error: ", "href=\"#password\"", words]);
            assert!(!page.body.contains(&format!("value=\"{bad}\"")) || bad.contains('@'), "a password is not shown again");
        }
        lost.get("/account").await.expect(StatusCode::OK);
        let answer = browser.post(&path, &[("password", NEW)]).await;
        assert_eq!(answer.location(), "/sign-in");
        browser.follow(&answer).await.shows(&["Your password has been changed."]);
        lost.get("/account").await.expect(StatusCode::SEE_OTHER);
        assert!(!signs_in(&portal, &ana, PASSWORD).await && signs_in(&portal, &ana, NEW).await);
        for used in [path, other] {
            browser.get("/sign-in").await;
            browser.post(&used, &[("password", "yet another password")]).await.expect(StatusCode::GONE);
            browser.get(&used).await.expect(StatusCode::GONE);
        }
        assert!(signs_in(&portal, &ana, NEW).await);
        for (action, times) in [("password.asked", 2), ("password.changed", 1), ("link.used", 1), ("link.refused", 2)] {
            assert_eq!(portal.audited(action).await, times, "{action}");
        }
    }

    async fn a_link_chooses_one_password_whoever_is_as_fast(portal: Portal) {
        let ana = portal.user("Ana", &[]).await;
        let path = asked(&portal, "ana@people.example").await;
        let mut browser = portal.browser();
        browser.get(&path).await.expect(StatusCode::OK);
        let tries: Vec<_> = (0..4).map(|number| {
            let (mut browser, path) = (browser.clone(), path.clone());
            tokio::spawn(async move {
                let password = format!("password of try {number}");
                (browser.post(&path, &[("password", &password)]).await.status, password)
            })
        }).collect();
        let (mut won, mut lost) = (Vec::new(), 0);
        for one in tries {
            match one.await.unwrap() {
                (StatusCode::SEE_OTHER, password) => won.push(password),
                (status, _) => { assert_eq!(status, StatusCode::GONE); lost += 1 }
            }
        }
        assert_eq!((won.len(), lost), (1, 3));
        assert!(signs_in(&portal, &ana, &won[0]).await, "the one who was told so");
    }

    async fn a_link_to_choose_a_password_lives_ten_minutes(portal: Portal) {
        portal.user("Ana", &[]).await;
        let path = asked(&portal, "ana@people.example").await;
        let mut browser = portal.browser();
        portal.clock.pass(599);
        browser.get(&path).await.expect(StatusCode::OK);
        portal.clock.pass(1);
        browser.post(&path, &[("password", NEW)]).await.expect(StatusCode::GONE);
        browser.get(&path).await.expect(StatusCode::GONE);
    }

    async fn who_has_no_password_chooses_the_first_by_mail(portal: Portal) {
        let eva = portal.create(NewUser::new("eva@people.example".parse().unwrap(), "Eva").unwrap(), &[]).await;
        let path = asked(&portal, "eva@people.example").await;
        let mut browser = portal.browser();
        browser.get(&path).await;
        browser.post(&path, &[("password", NEW)]).await.expect(StatusCode::SEE_OTHER);
        assert!(signs_in(&portal, &eva, NEW).await);
    }

    async fn with_the_old_password_one_sets_a_new_one_and_all_other_sessions_end(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let (mut browser, mut elsewhere) = (portal.signed_in(&ana).await, portal.signed_in(&ana).await);
        let link = asked(&portal, "ana@people.example").await;
        let before = browser.cookie("billing_session").unwrap().to_owned();
        for (old, new, words) in [
            ("not the old one", NEW, &["This is not your present password."][..]),
            (PASSWORD, "password", &["among the first that strangers try"]),
            (PASSWORD, "short", &["at least 8"]),
            ("nor this", "short", &["This is not your present password.", "at least 8"]),
        ] {
            let refused = change(&mut browser, old, new).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
            refused.shows(&["<title>Error: "]).shows(words);
        }
        elsewhere.get("/account").await.expect(StatusCode::OK);
        let answer = change(&mut browser, PASSWORD, NEW).await.expect(StatusCode::SEE_OTHER);
        browser.follow(&answer).await.expect(StatusCode::OK).shows(&["All other sessions have been ended."]);
        assert_ne!(browser.cookie("billing_session").unwrap(), before, "and this one has another id");
        elsewhere.get("/account").await.expect(StatusCode::SEE_OTHER);
        assert!(!signs_in(&portal, &ana, PASSWORD).await && signs_in(&portal, &ana, NEW).await);
        portal.browser().get(&link).await.expect(StatusCode::GONE);
        assert_eq!((portal.audited("password.changed").await, portal.audited("password.refused").await), (1, 2));
    }

    async fn a_stolen_session_cannot_guess_the_password(portal: Portal) {
        let ana = portal.user("Ana", &[]).await;
        let mut browser = portal.signed_in(&ana).await;
        for _ in 0..5 {
            change(&mut browser, "a guess", NEW).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        }
        let waiting = change(&mut browser, PASSWORD, NEW).await.expect(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(waiting.header("retry-after"), "15");
    }

    async fn who_has_no_password_is_led_to_the_mail(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let eva = portal.user("Eva", &[(&norte, Role::Owner)]).await;
        let mut browser = portal.signed_in(&eva).await;
        portal.run("update users set password_hash = null").await;
        browser.get("/account/password").await.shows(&["You have no password yet", "action=\"/password\""]);
        browser.post("/password", &[("email", "eva@people.example")]).await.expect(StatusCode::SEE_OTHER);
        browser.get("/account").await;
        let fields = [("old", ""), ("password", NEW)];
        browser.post("/account/password", &fields).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    }
}
