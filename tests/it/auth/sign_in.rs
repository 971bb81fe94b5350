//! Signing in and out, by the forms of the real pages.

use std::collections::HashSet;
use std::time::Instant;

use billing_portal::auth::{self, NewUser, Role};
use billing_portal::db::Db;
use http::StatusCode;
use tower_sessions::SessionStore as _;

use crate::support::browser::{Answer, Browser};
use crate::support::portal::{PASSWORD, Portal};

const SESSION: &str = "billing_session";

/// Tries so many wrong passwords.
async fn guess(browser: &mut Browser, email: &str, times: usize) -> Vec<StatusCode> {
    let mut statuses = Vec::new();
    browser.get("/sign-in").await;
    for number in 0..times {
        let guess = format!("guess number {number}");
        statuses.push(browser.post("/sign-in", &[("email", email), ("password", &guess)]).await.status);
    }
    statuses
}

/// A page without what differs by nature: tokens, nonces, numbers of requests.
fn told(answer: &Answer) -> String {
    let mut text = String::new();
    for line in answer.body.lines().filter(|line| !line.contains("csrf") && !line.contains("nonce")) {
        text.push_str(line);
    }
    text
}

both_databases! {
    async fn signing_in_leads_to_the_page_that_was_wanted(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&tenant, Role::Owner)]).await;
        let mut browser = portal.browser();
        let page = browser.get("/sign-in?next=/plans%3Finterval%3Dyear").await.expect(StatusCode::OK);
        let page = page.shows(&["autocomplete=\"username\"", "autocomplete=\"current-password\"", "value=\"/plans?interval=year\""]);
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(browser.cookie(SESSION).is_none(), "looking at a form makes no session");
        let fields = [("email", " ANA@people.example "), ("password", PASSWORD), ("next", "/plans?interval=year")];
        let answer = browser.post("/sign-in", &fields).await;
        assert_eq!(answer.location(), "/plans?interval=year");
        assert!(browser.cookie(SESSION).is_some());
        let session = portal.app.auth.sessions.of_user(ana.id.as_str()).await.unwrap();
        assert_eq!(session.len(), 1);
        assert_eq!((session[0].address.as_str(), session[0].agent.as_str()), ("192.0.2.1", "Browser/1"));
        let answer = browser.get("/sign-in?next=/plans").await;
        assert_eq!(answer.location(), "/plans", "who is signed in has no need of the form");
    }

    async fn nobody_is_sent_to_another_site(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        portal.user("Ana", &[(&tenant, Role::Owner)]).await;
        for foreign in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
            let mut browser = portal.browser();
            let answer = browser.sign_in("ana@people.example", PASSWORD, foreign).await;
            assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/"), "{foreign}");
        }
    }

    async fn who_is_wrong_and_who_is_nobody_are_told_the_same(portal: Portal) {
        portal.user("Ana", &[]).await;
        portal.create(NewUser::new("link@people.example".parse().unwrap(), "Link").unwrap(), &[]).await;
        let mut told_each = HashSet::new();
        for (email, password) in [
            ("ana@people.example", "not the password"), ("nobody@people.example", "not the password"),
            ("link@people.example", "not the password"), ("link@people.example", ""), ("nobody", PASSWORD),
            ("ana@people.example", &PASSWORD.repeat(11)), ("ana@people.example", ""),
        ] {
            let mut browser = portal.browser();
            let answer = browser.sign_in(email, password, "/").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
            let answer = answer.shows(&["<title>Error: ", "href=\"#email\"", "The e-mail address or the password is not right."]);
            assert!(answer.body.contains(&format!("value=\"{email}\"")), "what was typed is kept");
            assert!(!answer.body.contains(PASSWORD));
            assert!(browser.cookie(SESSION).is_none());
            told_each.insert(told(&answer).replace(email, ""));
        }
        assert_eq!(told_each.len(), 1, "{told_each:#?}");
        let refused = "select count(*) from audit_entries where action = 'session.refused' and address = '192.0.2.1'";
        assert_eq!(portal.count(refused).await, 7);
    }

    async fn after_five_wrong_passwords_one_has_to_wait_and_the_wait_ends(portal: Portal) {
        portal.user("Ana", &[]).await;
        let mut browser = portal.browser();
        let statuses = guess(&mut browser, "ana@people.example", 6).await;
        assert_eq!(statuses, [422, 422, 422, 422, 422, 429].map(|code| StatusCode::from_u16(code).unwrap()));
        let answer = browser.sign_in("Ana@people.example", PASSWORD, "/").await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "15"));
        answer.shows(&["Too many tries. Please wait a minute", "value=\"Ana@people.example\""]);
        portal.clock.pass(14);
        assert_eq!(browser.sign_in("ana@people.example", PASSWORD, "/").await.header("retry-after"), "1");
        portal.clock.pass(1);
        browser.sign_in("ana@people.example", PASSWORD, "/").await.expect(StatusCode::SEE_OTHER);
        assert_eq!(guess(&mut portal.browser(), "ana@people.example", 5).await, [StatusCode::UNPROCESSABLE_ENTITY; 5]);
    }

    async fn unknown_accounts_are_slowed_like_known_ones(portal: Portal) {
        let statuses = guess(&mut portal.browser(), "nobody@people.example", 6).await;
        assert_eq!(statuses[4..], [StatusCode::UNPROCESSABLE_ENTITY, StatusCode::TOO_MANY_REQUESTS]);
    }

    async fn a_stranger_cannot_keep_the_owner_out(portal: Portal) {
        portal.user("Ana", &[]).await;
        let mut stranger = portal.browser().at("203.0.113.9");
        // For half a day, as soon as each wait is over.
        for _ in 0..50 {
            guess(&mut stranger, "ana@people.example", 6).await;
            portal.clock.pass(900);
        }
        guess(&mut stranger, "ana@people.example", 2).await;
        let mut owner = portal.browser();
        let waiting = owner.sign_in("ana@people.example", PASSWORD, "/").await.expect(StatusCode::TOO_MANY_REQUESTS);
        let wait: i64 = waiting.header("retry-after").parse().unwrap();
        assert!(wait <= 900, "{wait}");
        portal.clock.pass(wait);
        owner.sign_in("ana@people.example", PASSWORD, "/").await.expect(StatusCode::SEE_OTHER);
        // From now on this is home, and the stranger does not count here.
        guess(&mut stranger, "ana@people.example", 7).await;
        portal.browser().sign_in("ana@people.example", PASSWORD, "/").await.expect(StatusCode::SEE_OTHER);
    }

    async fn where_an_account_is_at_home_strangers_elsewhere_do_not_count(portal: Portal) {
        let ana = portal.user("Ana", &[]).await;
        portal.signed_in(&ana).await;
        guess(&mut portal.browser().at("203.0.113.9"), "ana@people.example", 6).await;
        portal.browser().sign_in("ana@people.example", PASSWORD, "/").await.expect(StatusCode::SEE_OTHER);
        // At home one is slowed as well, by one's own wrong passwords.
        let statuses = guess(&mut portal.browser(), "ana@people.example", 6).await;
        assert_eq!(statuses[5], StatusCode::TOO_MANY_REQUESTS);
    }

    async fn one_address_cannot_try_one_password_on_everybody(portal: Portal) {
        let mut browser = portal.browser();
        browser.get("/sign-in").await;
        for number in 0..20 {
            let email = format!("user{number}@people.example");
            let answer = browser.post("/sign-in", &[("email", &email), ("password", "Winter 2026!")]).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{number}");
        }
        let answer = browser.post("/sign-in", &[("email", "user20@people.example"), ("password", "x")]).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        guess(&mut portal.browser().at("198.51.100.7"), "user20@people.example", 1).await;
    }

    async fn guesses_at_the_same_moment_are_all_counted(portal: Portal) {
        portal.user("Ana", &[]).await;
        let mut browser = portal.browser();
        browser.get("/sign-in").await;
        let guesses: Vec<_> = (0..12).map(|number| {
            let mut browser = browser.clone();
            tokio::spawn(async move {
                let guess = format!("guess number {number}");
                browser.post("/sign-in", &[("email", "ana@people.example"), ("password", &guess)]).await.status
            })
        }).collect();
        let mut looked_at = 0;
        for guess in guesses {
            if guess.await.unwrap() == StatusCode::UNPROCESSABLE_ENTITY { looked_at += 1 }
        }
        assert_eq!(looked_at, 5);
    }

    async fn a_session_id_is_never_the_one_that_came_in(portal: Portal) {
        let ana = portal.user("Ana", &[]).await;
        let mut victim = portal.browser();
        let planted = tower_sessions::session::Id::default().to_string();
        victim.plant(SESSION, &planted);
        // Not a page that would notice: the planted cookie comes with the very post.
        victim.get("/no-such-page").await;
        let fields = [("email", "ana@people.example"), ("password", PASSWORD)];
        victim.post("/sign-in", &fields).await.expect(StatusCode::SEE_OTHER);
        let first = victim.cookie(SESSION).unwrap().to_owned();
        assert_ne!(first, planted);
        assert!(portal.app.auth.sessions.load(&planted.parse().unwrap()).await.unwrap().is_none());
        // Signing in over a living session, from a form in another window, ends that one.
        victim.get("/no-such-page").await;
        victim.post("/sign-in", &fields).await.expect(StatusCode::SEE_OTHER);
        assert_ne!(victim.cookie(SESSION).unwrap(), first);
        assert!(portal.app.auth.sessions.load(&first.parse().unwrap()).await.unwrap().is_none());
        assert_eq!(portal.app.auth.sessions.of_user(ana.id.as_str()).await.unwrap().len(), 1);
    }

    async fn signing_out_ends_the_session_for_good(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&tenant, Role::Owner)]).await;
        let mut browser = portal.signed_in(&ana).await;
        let thief = browser.clone();
        browser.get("/sign-in").await;
        browser.get("/no-such-page").await;
        let answer = browser.post("/sign-out", &[]).await;
        assert_eq!(answer.location(), "/sign-in");
        assert!(browser.cookie(SESSION).is_none());
        browser.follow(&answer).await.expect(StatusCode::OK).shows(&["You are signed out."]);
        let mut thief = thief;
        thief.get("/sign-in").await.expect(StatusCode::OK);
        let told = "select count(*) from audit_entries where action in ('session.started', 'session.ended') and actor_id = '";
        assert_eq!(portal.count(&format!("{told}{}' and tenant_id = '{}'", ana.id.as_str(), tenant.id)).await, 2);
    }

    async fn who_comes_back_with_an_old_session_can_sign_in_at_once(portal: Portal) {
        let ana = portal.user("Ana", &[]).await;
        let mut browser = portal.signed_in(&ana).await;
        portal.clock.pass(12 * 3_600);
        browser.get("/sign-in").await.expect(StatusCode::OK);
        assert!(browser.cookie(SESSION).is_none());
        let fields = [("email", "ana@people.example"), ("password", PASSWORD)];
        browser.post("/sign-in", &fields).await.expect(StatusCode::SEE_OTHER);
    }

    async fn forms_that_are_not_ours_change_nothing(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&tenant, Role::Owner)]).await;
        let mut victim = portal.signed_in(&ana).await;
        let held = victim.cookie(SESSION).unwrap().to_owned();
        // The token that it carries is of the form before it signed in.
        for path in ["/sign-out", "/sign-in", "/tenants/switch"] {
            let fields = [("email", "ana@people.example"), ("password", PASSWORD), ("tenant", tenant.id.as_str())];
            victim.clone().post(path, &fields).await.expect(StatusCode::FORBIDDEN);
        }
        victim.get("/sign-in").await.expect(StatusCode::SEE_OTHER);
        assert_eq!(victim.cookie(SESSION), Some(held.as_str()));
        assert_eq!(portal.app.auth.sessions.of_user(ana.id.as_str()).await.unwrap().len(), 1);
    }

    async fn an_old_hash_is_made_anew_when_its_owner_signs_in(portal: Portal) {
        // Made with m=1024, t=1 of the same password.
        let ana = portal.user("Ana", &[]).await;
        let weak = {
            use argon2::PasswordHasher as _;
            let weak = argon2::Argon2::from(argon2::Params::new(1_024, 1, 1, None).unwrap());
            weak.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
        };
        portal.run(&format!("update users set password_hash = '{weak}'")).await;
        portal.signed_in(&ana).await;
        assert_eq!(portal.count("select count(*) from users where password_hash like '$argon2id$v=19$m=19456,t=2,p=1$%'").await, 1);
        portal.signed_in(&ana).await;
    }

    async fn without_a_database_nobody_gets_in_and_the_answer_comes_soon(portal: Portal) {
        portal.user("Ana", &[]).await;
        let mut browser = portal.browser();
        browser.get("/sign-in").await;
        portal.db.close().await;
        let started = Instant::now();
        let fields = [("email", "ana@people.example"), ("password", PASSWORD)];
        browser.post("/sign-in", &fields).await.expect(StatusCode::SERVICE_UNAVAILABLE).shows(&["We will be right back"]);
        assert!(started.elapsed().as_secs() < 5);
        assert!(browser.cookie(SESSION).is_none());
    }

    async fn what_is_over_is_swept_and_what_counts_is_kept(portal: Portal) {
        let ana = portal.user("Ana", &[]).await;
        portal.signed_in(&ana).await;
        guess(&mut portal.browser().at("203.0.113.9"), "nobody@people.example", 1).await;
        assert_eq!(auth::work::sweep(&portal.app.auth).await.unwrap(), 1, "a success leaves no count of its account");
        assert_eq!(auth::work::sweep(&portal.app.auth).await.unwrap(), 0);
        portal.clock.pass(24 * 3_600 + 1);
        portal.signed_in(&ana).await;
        let kept = "select (select count(*) from sessions) + (select count(*) from sign_in_attempts)";
        let before = portal.count(kept).await;
        let swept = auth::work::sweep(&portal.app.auth).await.unwrap();
        assert_eq!(swept, 4, "a session, the stranger's account and address, the account that has just succeeded");
        assert_eq!(before - portal.count(kept).await, 4);
        assert_eq!(auth::work::sweep(&portal.app.auth).await.unwrap(), 0);
    }

    async fn the_trail_holds_no_password_and_no_session(portal: Portal) {
        let ana = portal.user("Ana", &[]).await;
        let mut browser = portal.signed_in(&ana).await;
        guess(&mut browser, "ana@people.example", 1).await;
        let mut tx = portal.db.read().await.unwrap();
        let all = "select action || coalesce(object_id, '') || coalesce(before, '') || coalesce(after, '') from audit_entries";
        let rows: Vec<(String,)> = tx.query_built(all.to_owned()).all().await.unwrap();
        let trail = format!("{rows:?}");
        assert!(trail.contains("session.started"));
        for secret in [PASSWORD, "guess", browser.cookie(SESSION).unwrap(), "ana@people.example"] {
            assert!(!trail.contains(secret), "{secret}");
        }
    }

    async fn on_https_the_session_is_held_to_this_host(db: Db) {
        let portal = Portal::with_stripe(db, "http://127.0.0.1:9/".parse().unwrap(), "https://billing.test/");
        let ana = portal.user("Ana", &[]).await;
        let mut browser = portal.browser();
        let answer = browser.sign_in(ana.email.as_str(), PASSWORD, "/").await.expect(StatusCode::SEE_OTHER);
        let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
        let session = lines.iter().find(|line| line.starts_with("__Host-billing_session=")).expect("a session");
        for flag in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=604800"] {
            assert!(session.contains(flag), "{flag}: {session}");
        }
        assert!(!session.contains("Domain"));
    }

    async fn the_form_speaks_the_language_of_the_browser(portal: Portal) {
        let mut browser = portal.browser().speaking("es");
        browser.get("/sign-in").await.shows(&["lang=\"es\"", "Contraseña", "Iniciar sesión"]);
        browser.post("/sign-in", &[("email", "x"), ("password", "y")]).await.shows(&["no son correctos"]);
    }
}
