//! One-time links: a look uses nothing up, the button lets in once, and nobody learns who has an account.

use std::sync::{Arc, Mutex};

use billing_portal::audit::Actor;
use billing_portal::auth::cli::SignInLink;
use billing_portal::auth::link::{Minted, Refusal, Whom, Wish};
use billing_portal::auth::{Asker, NewUser, Role};
use billing_portal::db::Db;
use billing_portal::tenants::Tenant;
use billing_portal::{mail, worker};
use clap::Subcommand as _;
use http::StatusCode;
use serde_json::Value;

use crate::support::databases::{FromDb as _, fresh_sqlite};
use crate::support::portal::{PASSWORD, Portal};

const SESSION: &str = "billing_session";

fn wish(tenant: &Tenant, email: &str, role: Option<Role>) -> Wish {
    let whom = Whom::Email(email.parse().unwrap());
    Wish { tenant: tenant.id.clone(), whom, name: None, role, return_to: None }
}

/// A link, made for a key of the host application.
async fn mint(portal: &Portal, wish: &Wish) -> Result<Minted, Refusal> {
    let by = Asker { actor: Actor::Key("key_1".to_owned()), address: Some("192.0.2.9".to_owned()) };
    let mut tx = portal.db.write().await.unwrap();
    let minted = portal.app.auth.mint(&mut tx, wish, &by).await.unwrap();
    tx.commit().await.unwrap();
    minted
}

/// `sign-in-link create` with these words.
async fn create(portal: &Portal, line: &[&str]) -> Result<String, String> {
    let command = SignInLink::augment_subcommands(clap::Command::new("portal"));
    let words = [&["portal", "create"], line].concat();
    let matches = command.try_get_matches_from(words).map_err(|error| error.to_string())?;
    let command = <SignInLink as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
    let mut output = Vec::new();
    let done = command.run_with(&portal.db, &portal.clock, &mut output).await;
    done.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(output).unwrap())
}

both_databases! {
    async fn a_link_is_looked_at_as_often_as_one_likes_and_lets_in_once(portal: Portal) {
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        let ana = portal.user("Ana", &[(&norte, Role::Owner), (&sur, Role::Supervisor)]).await;
        let wish = Wish { return_to: Some("/invoices?status=open".to_owned()), ..wish(&sur, "ana@people.example", None) };
        let link = mint(&portal, &wish).await.unwrap();
        assert_eq!((link.user.id.as_str(), link.is_new_user, link.is_new_member), (ana.id.as_str(), false, false));
        let mut browser = portal.browser();
        for _ in 0..3 {
            let page = browser.get(&link.path.0).await.expect(StatusCode::OK);
            let page = page.shows(&["ana@people.example", "Sur", "This link works once"]);
            assert_eq!((page.header("cache-control"), page.header("referrer-policy")), ("no-store", "strict-origin"));
            assert!(browser.cookie(SESSION).is_none());
        }
        let mut thief = browser.clone();
        let answer = browser.post(&link.path.0, &[]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(answer.location(), "/invoices?status=open");
        browser.get("/account").await.expect(StatusCode::OK).shows(&["<span class=\"tenant\">Sur</span>"]);
        for again in [thief.post(&link.path.0, &[]).await, thief.get(&link.path.0).await] {
            again.expect(StatusCode::GONE).shows(&["This link has been used, has expired, or never was one", "href=\"/sign-in\""]);
        }
        assert!(thief.cookie(SESSION).is_none());
        for (action, times) in [("link.created", 1), ("link.used", 1), ("link.refused", 1), ("session.started", 1)] {
            assert_eq!(portal.audited(action).await, times, "{action}");
        }
        let by_key = "select count(*) from audit_entries where action = 'link.created' and actor_kind = 'key' and actor_id = 'key_1'\
                      and address = '192.0.2.9'";
        assert_eq!(portal.count(&format!("{by_key} and tenant_id = '{}'", sur.id)).await, 1);
    }

    async fn of_many_who_press_the_button_at_once_one_gets_in(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let link = mint(&portal, &wish(&norte, "ana@people.example", None)).await.unwrap();
        let mut browser = portal.browser();
        browser.get(&link.path.0).await.expect(StatusCode::OK);
        let tries: Vec<_> = (0..8).map(|_| {
            let (mut browser, path) = (browser.clone(), link.path.0.clone());
            tokio::spawn(async move { browser.post(&path, &[]).await.status })
        }).collect();
        let mut statuses = Vec::new();
        for one in tries {
            statuses.push(one.await.unwrap());
        }
        assert_eq!(statuses.iter().filter(|status| **status == StatusCode::SEE_OTHER).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == StatusCode::GONE).count(), 7, "{statuses:?}");
        assert_eq!(portal.app.auth.sessions.of_user(ana.id.as_str()).await.unwrap().len(), 1);
    }

    async fn a_link_lives_five_minutes_and_not_beyond_the_membership(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let (first, second) = (
            mint(&portal, &wish(&norte, "ana@people.example", None)).await.unwrap(),
            mint(&portal, &wish(&norte, "ana@people.example", None)).await.unwrap(),
        );
        portal.clock.pass(299);
        let mut browser = portal.browser();
        browser.get(&first.path.0).await.expect(StatusCode::OK);
        portal.clock.pass(1);
        browser.post(&first.path.0, &[]).await.expect(StatusCode::GONE);
        portal.clock.pass(-10);
        browser.get(&second.path.0).await.expect(StatusCode::OK);
        portal.run("delete from memberships").await;
        browser.get("/sign-in").await;
        browser.post(&second.path.0, &[]).await.expect(StatusCode::GONE);
        assert!(browser.cookie(SESSION).is_none());
        // Forgotten a day after, and told as before.
        portal.clock.pass(86_400 + 300);
        assert!(billing_portal::auth::work::sweep(&portal.app.auth).await.unwrap() >= 2);
        assert_eq!(portal.count("select count(*) from one_time_links").await, 0);
        browser.get(&second.path.0).await.expect(StatusCode::GONE);
    }

    async fn a_link_does_what_it_was_made_for_and_nothing_else(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let link = mint(&portal, &wish(&norte, "ana@people.example", None)).await.unwrap();
        let token = link.path.0.rsplit('/').next().unwrap();
        let mut browser = portal.browser();
        browser.get("/sign-in").await;
        for path in [format!("/password/{token}"), format!("/invitations/{token}")] {
            browser.get(&path).await.expect(StatusCode::GONE);
            browser.get("/sign-in").await;
            browser.post(&path, &[("password", "a better password"), ("name", "Eve")]).await.expect(StatusCode::GONE);
        }
        for nonsense in ["x", "00000000000000000000000000", "%2e%2e", "'"] {
            browser.get(&format!("/sign-in/link/{nonsense}")).await.expect(StatusCode::GONE);
        }
        browser.get(&link.path.0).await.expect(StatusCode::OK);
    }

    async fn with_a_role_whoever_is_named_is_let_in_and_members_stay_what_they_are(portal: Portal) {
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        portal.user("Ana", &[(&norte, Role::Supervisor)]).await;
        let refused = [
            (wish(&norte, "nobody@people.example", None), Refusal::NoSuchUser),
            (wish(&sur, "ana@people.example", None), Refusal::NoMember),
            (Wish { name: Some("a\nb".to_owned()), ..wish(&sur, "new@people.example", Some(Role::Admin)) }, Refusal::Name),
            (Wish { whom: Whom::User("usr_nobody".parse().unwrap()), ..wish(&sur, "x@y.example", Some(Role::Admin)) }, Refusal::NoSuchUser),
        ];
        for (wish, refusal) in refused {
            assert_eq!(mint(&portal, &wish).await.unwrap_err(), refusal, "{wish:?}");
        }
        assert_eq!(portal.count("select (select count(*) from one_time_links) + (select count(*) from users)").await, 1);
        let kept = mint(&portal, &wish(&norte, "ana@people.example", Some(Role::Owner))).await.unwrap();
        assert!(!kept.is_new_member);
        assert_eq!(portal.count("select count(*) from memberships where role = 'supervisor'").await, 1);
        let joined = mint(&portal, &wish(&sur, "ana@people.example", Some(Role::Admin))).await.unwrap();
        assert!(joined.is_new_member && !joined.is_new_user);
        let made = mint(&portal, &wish(&sur, "Eva.Sol@people.example", Some(Role::Operator))).await.unwrap();
        assert_eq!((made.is_new_user, made.user.name.as_str()), (true, "eva.sol"));
        let mut browser = portal.browser();
        browser.get(&made.path.0).await;
        browser.post(&made.path.0, &[]).await.expect(StatusCode::SEE_OTHER);
        browser.get("/invoices").await.expect(StatusCode::FORBIDDEN);
        assert_eq!(portal.audited("member.added").await, 2);
        assert_eq!(portal.audited("user.created").await, 1);
    }

    async fn no_key_opens_the_doors_of_the_staff(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.create(NewUser::new("sam@people.example".parse().unwrap(), "Sam").unwrap().staff(true), &[]).await;
        let asked = wish(&norte, "sam@people.example", Some(Role::Owner));
        assert_eq!(mint(&portal, &asked).await.unwrap_err(), Refusal::Staff);
        assert_eq!(portal.count("select count(*) from memberships").await, 0);
        let line = ["--tenant", norte.id.as_str(), "--email", "sam@people.example", "--role", "owner"];
        create(&portal, &line).await.expect("the operator may");
    }

    async fn who_is_signed_in_as_somebody_else_is_told_and_then_is_the_other(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let eve = portal.user("Eve", &[(&norte, Role::Operator)]).await;
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let link = mint(&portal, &wish(&norte, "ana@people.example", None)).await.unwrap();
        let mut browser = portal.signed_in(&eve).await;
        let before = browser.cookie(SESSION).unwrap().to_owned();
        browser.get(&link.path.0).await.shows(&["In this browser eve@people.example is signed in."]);
        browser.post(&link.path.0, &[]).await.expect(StatusCode::SEE_OTHER);
        assert_ne!(browser.cookie(SESSION).unwrap(), before, "another session id");
        let sessions = &portal.app.auth.sessions;
        assert_eq!(sessions.of_user(eve.id.as_str()).await.unwrap().len(), 0);
        assert_eq!(sessions.of_user(ana.id.as_str()).await.unwrap().len(), 1);
    }

    async fn a_script_gets_a_link_as_json(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let base = ["--tenant", norte.id.as_str(), "--email", "ana@people.example"];
        let with = |more: &[&'static str]| [&base[..], more].concat();
        let line = with(&["--role", "admin", "--name", "Ana Ruiz", "--return-to", "/usage", "--public-url",
            "https://billing.example.com", "--format", "json"]);
        let made: Value = serde_json::from_str(&create(&portal, &line).await.unwrap()).unwrap();
        let url = made["url"].as_str().unwrap();
        let path = url.strip_prefix("https://billing.example.com").expect("a link to the portal");
        assert_eq!((&made["email"], &made["tenant"]), (&"ana@people.example".into(), &norte.id.as_str().into()));
        assert_eq!(made["expires_at"], "2026-11-21T05:05:00Z");
        let mut browser = portal.browser();
        browser.get(path).await.expect(StatusCode::OK);
        assert_eq!(browser.post(path, &[]).await.location(), "/usage");
        for (line, words) in [
            (with(&["--return-to", "https://evil.example/"]), "a path of the portal"),
            (with(&["--role", "boss"]), "owner, admin, supervisor, operator"),
            (vec!["--tenant", "nowhere", "--email", "a@b.example"], "there is no tenant nowhere"),
            (vec!["--tenant", norte.id.as_str(), "--email", "nobody@people.example"], "name a role"),
        ] {
            let error = create(&portal, &line).await.unwrap_err();
            assert!(error.contains(words), "{line:?}: {error}");
        }
    }

    async fn nobody_learns_by_asking_who_has_an_account(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.user("Ana", &[(&norte, Role::Owner)]).await;
        for page in ["/sign-in/link", "/password"] {
            let mut told = Vec::new();
            for email in [" ANA@people.example ", "nobody@people.example"] {
                let mut browser = portal.browser();
                browser.get(page).await.expect(StatusCode::OK);
                let kept = "select (select count(*) from link_requests) + (select count(*) from sign_in_attempts) + (select count(*) from mails)\
                            + (select count(*) from audit_entries) + (select count(*) from one_time_links)";
                let before = portal.count(kept).await;
                let answer = browser.post(page, &[("email", email)]).await.expect(StatusCode::SEE_OTHER);
                let rows = portal.count(kept).await - before;
                let shown = browser.follow(&answer).await.shows(&["If this address has an account here"]);
                told.push((answer.location().to_owned(), rows, shown.body.lines().count()));
                // Each time from another address, so that the count of addresses is new for both.
                portal.run("delete from sign_in_attempts").await;
                portal.answer_requests().await;
            }
            assert_eq!(told[0], told[1], "what is answered and what is written is the same");
        }
        assert_eq!((portal.links("sign_in_link").await.len(), portal.links("password_reset").await.len()), (1, 1));
        for action in ["link.asked", "password.asked"] {
            assert_eq!(portal.audited(action).await, 2, "of both, {action}");
        }
        let mut browser = portal.browser();
        browser.get("/password").await;
        browser.post("/password", &[("email", "no address")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY)
            .shows(&["<title>Error: ", "href=\"#email\"", "value=\"no address\""]);
    }

    async fn mails_to_one_address_are_few_whoever_asks_and_wherever_from(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.user("Ana", &[(&norte, Role::Owner)]).await;
        for email in ["ana@people.example", "nobody@people.example"] {
            let mut statuses = Vec::new();
            for number in 0..5 {
                let mut browser = portal.browser().at(&format!("203.0.113.{number}"));
                let page = if number % 2 == 0 { "/password" } else { "/sign-in/link" };
                browser.get(page).await;
                statuses.push(browser.post(page, &[("email", email)]).await.status.as_u16());
            }
            assert_eq!(statuses, [303, 303, 303, 429, 429], "{email}");
        }
        portal.answer_requests().await;
        assert_eq!(portal.links("password_reset").await.len() + portal.links("sign_in_link").await.len(), 3);
        let mut browser = portal.browser();
        browser.get("/password").await;
        for number in 0..20 {
            let email = format!("user{number}@people.example");
            browser.post("/password", &[("email", &email)]).await.expect(StatusCode::SEE_OTHER);
            browser.get("/password").await;
        }
        let answer = browser.post("/password", &[("email", "user20@people.example")]).await;
        answer.expect(StatusCode::TOO_MANY_REQUESTS).shows(&["Too many tries"]);
    }

    async fn a_link_that_came_by_mail_signs_in_and_its_mail_goes_out_once(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let mut browser = portal.browser();
        browser.get("/sign-in").await.shows(&["href=\"/password\"", "href=\"/sign-in/link\""]);
        browser.get("/sign-in/link").await;
        browser.post("/sign-in/link", &[("email", "ana@people.example")]).await.expect(StatusCode::SEE_OTHER);
        portal.answer_requests().await;
        portal.answer_requests().await;
        let path = portal.link("sign_in_link").await;
        worker::settle(&portal.app).await;
        assert_eq!(portal.count("select count(*) from mails where kind = 'sign_in_link' and state = 'kept'").await, 1);
        portal.clock.pass(599);
        browser.get(&path).await.expect(StatusCode::OK);
        let answer = browser.post(&path, &[]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(answer.location(), "/");
    }

    async fn what_the_portal_keeps_lets_nobody_in(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let link = mint(&portal, &wish(&norte, "ana@people.example", None)).await.unwrap();
        assert!(!format!("{link:?}").contains(&link.path.0));
        let mut browser = portal.browser();
        browser.get("/password").await;
        browser.post("/password", &[("email", "ana@people.example")]).await;
        portal.answer_requests().await;
        let mailed = portal.link("password_reset").await;
        while mail::work::step(&portal.app).await.unwrap() {}
        let token = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let mut tx = portal.db.read().await.unwrap();
        let all = "select coalesce(object_id, '') || coalesce(before, '') || coalesce(after, '') || coalesce(cause, '') from audit_entries \
                   union all select id || digest || coalesce(return_to, '') from one_time_links union all select cause || data from mails";
        let rows: Vec<(String,)> = tx.query_built(all.to_owned()).all().await.unwrap();
        assert!(rows.len() > 4);
        let kept = format!("{rows:?}");
        for secret in [token(&link.path.0), token(&mailed)] {
            assert!(!kept.contains(&secret));
        }
    }
}

/// What was logged, for a look at it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// On one thread, so that all that is logged on the way is heard.
#[tokio::test]
async fn neither_the_log_nor_a_referrer_tells_a_link() {
    let (db, _folder): (Db, _) = fresh_sqlite().await;
    let portal = Portal::from_db(db.clone()).await;
    let norte = portal.tenant("Norte").await;
    let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
    let log = Log::default();
    // With a single subscriber, whatever thread first comes by a place in the code decides for all whether it is heard.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let link = mint(&portal, &wish(&norte, "ana@people.example", None)).await.unwrap();
    let mut browser = portal.browser();
    browser.get(&link.path.0).await.expect(StatusCode::OK);
    browser.post(&link.path.0, &[]).await.expect(StatusCode::SEE_OTHER);
    browser.get(&link.path.0).await.expect(StatusCode::GONE);
    let mut browser = portal.browser();
    browser.get("/password").await;
    browser.post("/password", &[("email", "ana@people.example")]).await;
    portal.answer_requests().await;
    let reset = portal.link("password_reset").await;
    let page = browser.get(&reset).await.expect(StatusCode::OK);
    assert_eq!(page.header("referrer-policy"), "strict-origin");
    browser.post(&reset, &[("password", "short")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    browser.post(&reset, &[("password", "a new one, and long")]).await.expect(StatusCode::SEE_OTHER);
    drop(guard);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("/sign-in/link/{token}") && logged.contains("/password/{token}"), "{logged}");
    let session = browser.cookie(SESSION).unwrap_or("no session").to_owned();
    for secret in [link.path.0.as_str(), &reset, "a new one, and long", PASSWORD, &session] {
        let secret = secret.rsplit('/').next().unwrap();
        assert!(!logged.contains(secret), "{secret}");
    }
    assert!(!logged.contains(ana.email.as_str()), "ids, no people");
    db.close().await;

    let (db, _folder) = fresh_sqlite().await;
    let portal = Portal::with_stripe(db, "http://127.0.0.1:9/".parse().unwrap(), "https://billing.test/");
    let norte = portal.tenant("Norte").await;
    portal.user("Ana", &[(&norte, Role::Owner)]).await;
    let link = mint(&portal, &wish(&norte, "ana@people.example", None)).await.unwrap();
    let page = portal.browser().get(&link.path.0).await.expect(StatusCode::OK);
    assert_eq!(page.header("referrer-policy"), "no-referrer");
}
