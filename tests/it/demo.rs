//! The demo's own pages: they are there in a demo, and nowhere else.

use std::sync::Arc;

use billing_portal::auth::{NewUser, Role};
use billing_portal::clock::Clock;
use billing_portal::db::Db;
use billing_portal::demo::cast::{Company, Person};
use billing_portal::demo::{self, Control, TimeMachine};
use billing_portal::mail::{self, Kind, Letter};
use http::StatusCode;

use crate::support::portal::{BEGINNING, Portal};

/// A demo of one company and the operator's staff, with one mail to read.
async fn stage(db: Db) -> Portal {
    let nowhere: url::Url = "http://127.0.0.1:9/".parse().unwrap();
    let clock = Clock::fixed(BEGINNING.parse().unwrap());
    let machine = Arc::new(TimeMachine::new(Control::new(nowhere.clone()), clock));
    let portal = Portal::with_pages(db, nowhere, "http://billing.test/", demo::pages(&machine));
    let tenant = portal.tenant("Birch").await;
    let owner = portal.user("Bruno", &[(&tenant, Role::Owner)]).await;
    let sam = portal
        .create(NewUser::new("sam@people.example".parse().unwrap(), "Sam").unwrap().staff(true), &[])
        .await;
    let mut tx = portal.db.write().await.unwrap();
    let letter = Letter::sample(Kind::Receipt);
    let mail = mail::New::of(&letter, "in_1".to_owned()).tenant(tenant.id.as_str());
    assert!(mail::stage(&mut tx, &mail, portal.clock.now()).await.unwrap());
    tx.commit().await.unwrap();
    let company = |tenant, name, people| Company { tenant, name, story: "demo-free", people };
    let person = |user, name, role| vec![Person { user, name, role }];
    machine.introduce(vec![
        company(Some(tenant), "Birch", person(owner.id, "Bruno", Some(Role::Owner))),
        company(None, "Staff", person(sam.id, "Sam", None)),
    ]);
    portal
}

both_databases! {
    async fn the_outbox_shows_every_mail_to_whoever_opens_it(db: Db) {
        let portal = stage(db).await;
        let mut browser = portal.browser();
        browser.get("/demo").await.expect(StatusCode::OK).shows(&["action=\"/demo/outbox\"", "Bruno"]);
        let opened = browser.post("/demo/outbox", &[]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(opened.location(), "/staff/mails");
        browser.follow(&opened).await.expect(StatusCode::OK).shows(&["Sam", "Birch"]);
        let as_sam = "select count(*) from audit_entries e join users u on u.id = e.actor_id
            where e.action = 'session.started' and u.name = 'Sam'";
        assert_eq!(portal.count(as_sam).await, 1, "and the audit says as whom");
        // From somebody else's session, too: it becomes the staff's.
        let mut bruno = portal.browser();
        let page = bruno.get("/demo").await.expect(StatusCode::OK);
        let value = |name: &str| {
            let (_, rest) = page.body.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let who = [("user", value("user")), ("tenant", value("tenant"))];
        let who: Vec<_> = who.iter().map(|(name, value)| (*name, value.as_str())).collect();
        bruno.post("/demo/sign-in", &who).await.expect(StatusCode::SEE_OTHER);
        bruno.get("/staff/mails").await.expect(StatusCode::NOT_FOUND);
        bruno.get("/demo").await;
        bruno.post("/demo/outbox", &[]).await.expect(StatusCode::SEE_OTHER);
        bruno.get("/staff/mails").await.expect(StatusCode::OK);
    }

    async fn the_outbox_opens_to_a_form_of_ours_alone(db: Db) {
        let portal = stage(db).await;
        // Without having seen a page of ours there is no token to send.
        let mut stranger = portal.browser();
        stranger.post("/demo/outbox", &[]).await.expect(StatusCode::FORBIDDEN);
        stranger.get("/staff/mails").await.expect(StatusCode::SEE_OTHER);
        stranger.get("/demo/outbox").await.expect(StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(portal.count("select count(*) from audit_entries where action = 'session.started'").await, 0);
        assert_eq!(portal.count("select count(*) from audit_entries where action = 'access.refused'").await, 1);
    }

    async fn none_of_it_is_there_outside_the_demo(portal: Portal) {
        let mut staff = portal.staff("Sam").await;
        staff.get("/staff/mails").await.expect(StatusCode::OK);
        staff.post("/demo/outbox", &[]).await.expect(StatusCode::NOT_FOUND);
        staff.post("/demo/sign-in", &[("user", "usr_1"), ("tenant", "")]).await.expect(StatusCode::NOT_FOUND);
        staff.get("/demo").await.expect(StatusCode::NOT_FOUND);
    }
}
