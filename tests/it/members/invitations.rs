//! Invitations: by mail, for one address, once.

use billing_portal::auth::{NewUser, Role};
use billing_portal::worker;
use http::StatusCode;

use crate::support::portal::{PASSWORD, Portal};

const BEN: &str = "ben@people.example";
const NEW: &str = "three blind mice ran";

/// The id of the only open invitation.
async fn open(portal: &Portal) -> String {
    let mut tx = portal.db.read().await.unwrap();
    let sql = "select id from invitations where state = 'pending'".to_owned();
    tx.query_built(sql).one::<(String,)>().await.unwrap().0
}

both_databases! {
    async fn somebody_new_is_invited_by_mail_and_joins_with_a_name_and_a_password(portal: Portal) {
        let (norte, _, mut ana) = portal.with_owner().await;
        let answer = ana.post("/members", &[("email", " Ben@people.example"), ("role", "supervisor")]).await;
        let page = ana.follow(&answer).await.expect(StatusCode::OK);
        page.shows(&["The invitation is on its way.", BEN, "Invited", "until Nov 28, 2026", "/resend", "/withdraw"]);
        let path = portal.link("invitation").await;
        worker::settle(&portal.app).await;
        let mailed = "select count(*) from mails where kind = 'invitation' and state = 'kept' and address = 'ben@people.example'";
        assert_eq!(portal.count(mailed).await, 1);

        let mut ben = portal.browser();
        let page = ben.get(&path).await.expect(StatusCode::OK);
        let page = page.shows(&["Join Norte", "Ana invites you", "Supervisor", "autocomplete=\"new-password\"", BEN]);
        assert_eq!(page.header("referrer-policy"), "strict-origin");
        assert_eq!(portal.count("select count(*) from users").await, 1, "a look makes nobody");
        let page = ben.post(&path, &[("name", " "), ("password", "short")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        page.shows(&["href=\"#name\"", "href=\"#password\"", "<title>Error: "]);
        let answer = ben.post(&path, &[("name", "Ben Ott"), ("password", NEW)]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(answer.location(), "/");
        ben.get("/account").await.expect(StatusCode::OK).shows(&["Welcome. You are a member now.", "Ben Ott", "Supervisor"]);
        ben.get("/members").await.expect(StatusCode::FORBIDDEN);
        assert_eq!(portal.browser().sign_in(BEN, NEW, "/").await.status, StatusCode::SEE_OTHER);
        let page = ana.get("/members").await.shows(&["Ben Ott"]);
        assert!(!page.body.contains("/resend"));

        let mut again = portal.browser();
        again.get(&path).await.expect(StatusCode::GONE).shows(&["has been accepted or withdrawn"]);
        again.get("/sign-in").await;
        again.post(&path, &[("name", "Eve"), ("password", NEW)]).await.expect(StatusCode::GONE);
        for (action, times) in [("member.invited", 1), ("user.created", 1), ("member.added", 1), ("invitation.refused", 1)] {
            let told = format!("select count(*) from audit_entries where action = '{action}' and tenant_id = '{}'", norte.id);
            assert_eq!(portal.count(&told).await, times, "{action}");
        }
    }

    async fn who_has_an_account_shows_its_password(portal: Portal) {
        let (norte, _, mut ana) = portal.with_owner().await;
        let sur = portal.tenant("Sur").await;
        let ben = portal.user("Ben", &[(&sur, Role::Owner)]).await;
        ana.post("/members", &[("email", BEN), ("role", "operator")]).await.expect(StatusCode::SEE_OTHER);
        let path = portal.link("invitation").await;
        let mut browser = portal.browser();
        let page = browser.get(&path).await.shows(&["There is an account with this address already.", "current-password"]);
        assert!(!page.body.contains("id=\"name\""));
        let wrong = browser.post(&path, &[("name", "Eve"), ("password", NEW)]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        wrong.shows(&["This is not the password of this account."]);
        assert_eq!(portal.role_of(&norte, &ben).await, None);
        let answer = browser.post(&path, &[("password", PASSWORD)]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(answer.location(), "/account", "an operator has no billing to see");
        browser.follow(&answer).await.expect(StatusCode::OK).shows(&["Norte", "Sur", "Operator"]);
        assert_eq!(portal.role_of(&norte, &ben).await, Some(Role::Operator));
        assert_eq!(portal.audited("session.refused").await, 1);
        // A link in the hands of somebody else guesses no password either.
        ana.get("/members").await;
        portal.user("Eva", &[]).await;
        portal.run("delete from mails").await;
        ana.post("/members", &[("email", "eva@people.example"), ("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
        let path = portal.link("invitation").await;
        let mut thief = portal.browser().at("203.0.113.9");
        thief.get(&path).await;
        for _ in 0..5 {
            thief.post(&path, &[("password", "a guess")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        }
        thief.post(&path, &[("password", PASSWORD)]).await.expect(StatusCode::TOO_MANY_REQUESTS);
    }

    async fn who_signed_in_by_links_alone_chooses_a_password_and_keeps_the_name(portal: Portal) {
        let (norte, _, mut ana) = portal.with_owner().await;
        let ben = portal.create(NewUser::new(BEN.parse().unwrap(), "Ben").unwrap(), &[]).await;
        ana.post("/members", &[("email", BEN), ("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
        let path = portal.link("invitation").await;
        let mut browser = portal.browser();
        let page = browser.get(&path).await.shows(&["new-password"]);
        assert!(!page.body.contains("id=\"name\""));
        browser.post(&path, &[("password", NEW)]).await.expect(StatusCode::SEE_OTHER);
        browser.get("/members").await.expect(StatusCode::OK);
        assert_eq!(portal.role_of(&norte, &ben).await, Some(Role::Admin));
        assert_eq!(portal.browser().sign_in(BEN, NEW, "/").await.status, StatusCode::SEE_OTHER);
    }

    async fn who_is_signed_in_joins_with_a_click_and_nobody_else_can(portal: Portal) {
        let (norte, _, mut ana) = portal.with_owner().await;
        let (ben, eve) = (portal.user("Ben", &[]).await, portal.user("Eve", &[]).await);
        ana.post("/members", &[("email", BEN), ("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
        let path = portal.link("invitation").await;
        let mut other = portal.signed_in(&eve).await;
        other.get(&path).await.expect(StatusCode::OK).shows(&["eve@people.example is signed in", "action=\"/sign-out\""]);
        other.post(&path, &[("password", PASSWORD)]).await.expect(StatusCode::CONFLICT).shows(&["This invitation is for somebody else."]);
        assert_eq!(portal.role_of(&norte, &eve).await, None);
        let mut browser = portal.signed_in(&ben).await;
        let before = browser.cookie("billing_session").unwrap().to_owned();
        browser.get(&path).await.expect(StatusCode::OK).shows(&["Accept the invitation"]);
        browser.post(&path, &[]).await.expect(StatusCode::SEE_OTHER);
        assert_ne!(browser.cookie("billing_session").unwrap(), before, "other rights, other session");
        browser.get("/members").await.expect(StatusCode::OK);
        assert_eq!(portal.app.auth.sessions.of_user(ben.id.as_str()).await.unwrap().len(), 1);
    }

    async fn of_many_who_accept_at_once_one_joins(portal: Portal) {
        let (_, _, mut ana) = portal.with_owner().await;
        ana.post("/members", &[("email", BEN), ("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
        let path = portal.link("invitation").await;
        let mut browser = portal.browser();
        browser.get(&path).await.expect(StatusCode::OK);
        let tries: Vec<_> = (0..6).map(|number| {
            let (mut browser, path) = (browser.clone(), path.clone());
            tokio::spawn(async move {
                let name = format!("Ben {number}");
                let answer = browser.post(&path, &[("name", &name), ("password", NEW)]).await;
                (answer.status, answer.location().to_owned())
            })
        }).collect();
        let mut joined = 0;
        for one in tries {
            let (status, location) = one.await.unwrap();
            joined += usize::from(status == StatusCode::SEE_OTHER && location == "/");
            assert!(!status.is_server_error(), "{status}");
        }
        assert_eq!(joined, 1);
        assert_eq!(portal.count("select count(*) from users where email = 'ben@people.example'").await, 1);
        assert_eq!(portal.audited("member.added").await, 1);
    }

    async fn sending_again_makes_another_link_and_the_first_is_dead(portal: Portal) {
        let (_, _, mut ana) = portal.with_owner().await;
        ana.post("/members", &[("email", BEN), ("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
        let first = portal.link("invitation").await;
        portal.clock.pass(7 * 86_400);
        let mut ben = portal.browser();
        ben.get(&first).await.expect(StatusCode::GONE);
        let mut ana = portal.browser();
        ana.sign_in("ana@people.example", PASSWORD, "/").await;
        ana.get("/members").await.shows(&["Expired", "until Nov 28, 2026"]);
        let id = open(&portal).await;
        ana.post(&format!("/members/invitations/{id}/resend"), &[]).await.expect(StatusCode::SEE_OTHER);
        ana.get("/members").await.shows(&["Invited", "until Dec 5, 2026"]);
        let second = portal.links("invitation").await.pop().unwrap();
        assert_ne!(first, second);
        ben.get(&first).await.expect(StatusCode::GONE);
        ben.get(&second).await.expect(StatusCode::OK);
        assert_eq!(portal.links("invitation").await.len(), 2, "a mail for each sending");
        ana.post(&format!("/members/invitations/{id}/withdraw"), &[]).await.expect(StatusCode::SEE_OTHER);
        ben.post(&second, &[("name", "Ben"), ("password", NEW)]).await.expect(StatusCode::GONE);
        for deed in ["resend", "withdraw"] {
            ana.get("/members").await;
            ana.post(&format!("/members/invitations/{id}/{deed}"), &[]).await.expect(StatusCode::NOT_FOUND);
        }
        for (action, times) in [("member.invited", 1), ("invitation.resent", 1), ("invitation.withdrawn", 1), ("invitation.refused", 1)] {
            assert_eq!(portal.audited(action).await, times, "{action}");
        }
        // Withdrawn, the address can be invited anew.
        ana.post("/members", &[("email", BEN), ("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
    }

    async fn what_cannot_be_sent_is_explained_at_its_field(portal: Portal) {
        let (norte, _, mut ana) = portal.with_owner().await;
        portal.user("Carl", &[(&norte, Role::Operator)]).await;
        ana.post("/members", &[("email", BEN), ("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
        ana.get("/members").await;
        for (email, role, field, words) in [
            ("nonsense", "admin", "email", "Enter an e-mail address such as"),
            (BEN, "admin", "email", "An invitation for this address is open already."),
            ("Carl@people.example", "admin", "email", "This address belongs to a member already."),
            ("dan@people.example", "boss", "role", "Choose one of the roles offered."),
        ] {
            let page = ana.post("/members", &[("email", email), ("role", role)]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
            let page = page.shows(&["<title>Error: ", &format!("href=\"#{field}\""), words]);
            assert!(page.body.contains(&format!("value=\"{email}\"")), "what was typed is kept");
        }
        ana.post("/members", &[("email", "x")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(portal.count("select count(*) from invitations").await, 1);
        assert_eq!(portal.links("invitation").await.len(), 1);
    }

    async fn one_tenant_cannot_flood_the_world_with_mail(portal: Portal) {
        let (_, _, mut ana) = portal.with_owner().await;
        for number in 0..50 {
            let email = format!("guest{number}@people.example");
            ana.post("/members", &[("email", &email), ("role", "operator")]).await.expect(StatusCode::SEE_OTHER);
        }
        ana.get("/members").await;
        let late = ana.post("/members", &[("email", "guest50@people.example"), ("role", "operator")]).await;
        assert_eq!((late.status, late.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "15"));
        assert_eq!(portal.links("invitation").await.len(), 50);
        portal.clock.pass(15);
        ana.get("/members").await;
        ana.post("/members", &[("email", "guest50@people.example"), ("role", "operator")]).await.expect(StatusCode::SEE_OTHER);
    }
}
