//! Acting for a member: what is shown, what is refused, what is written down, and how it ends.

use billing_portal::auth::{NewUser, Role};
use http::StatusCode;

use crate::support::portal::Portal;

const REASON: (&str, &str) = ("reason", "A call about an invoice");

both_databases! {
    async fn staff_see_what_the_member_sees_and_change_nothing_until_they_say_so(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let mut sam = portal.staff("Sam").await;
        let tenant = format!("/staff/tenants/{}", norte.id);
        sam.get(&tenant).await.expect(StatusCode::OK);
        let before = sam.cookie("billing_session").map(str::to_owned);
        let session = portal.count("select count(*) from sessions").await;
        let begun = sam.post(&format!("{tenant}/behalf"), &[("member", ana.id.as_str()), REASON]).await;
        assert_eq!((begun.status, begun.location()), (StatusCode::SEE_OTHER, "/"));
        assert_eq!(portal.count("select count(*) from sessions").await, session, "the old id is gone");
        assert!(before.is_none() || before.as_deref() != sam.cookie("billing_session"));
        for page in ["/plans", "/audit", "/nowhere", "/account"] {
            sam.get(page).await.shows(&["Sam, you are acting as Ana of Norte.", "Nothing can be changed.", "action=\"/staff/behalf/end\""]);
        }
        sam.get("/audit").await.expect(StatusCode::OK).shows(&["Signed in on behalf of a member", "A call about an invoice", "Sam"]);
        for (form, fields) in [
            ("/checkout", [("plan", "starter"), ("interval", "month")]),
            ("/account/sessions/end-others", [("a", "b"), ("c", "d")]),
            ("/staff/usage/retry", [("tenant", "x"), ("metric", "y")]),
        ] {
            sam.post(form, &fields).await.expect(StatusCode::CONFLICT).shows(&["nothing can be changed"]);
        }
        sam.get("/staff/behalf").await.shows(&["Allow changes"]);
        let allowed = sam.post("/staff/behalf/changes", &[]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(allowed.location(), "/");
        sam.get("/plans").await.shows(&["Changes are allowed"]);
        let asked = sam.post("/checkout", &[("plan", "none"), ("interval", "month")]).await;
        assert_ne!(asked.status, StatusCode::CONFLICT, "it is the tenant's own form now");
        sam.post("/staff/usage/retry", &[("tenant", "x"), ("metric", "y"), ("window", "1")]).await
            .expect(StatusCode::CONFLICT).shows(&["End that first"]);
        let told = "select count(*) from audit_entries where action = 'behalf.acted' and after like '%POST /checkout%' and actor_id =\
             (select id from users where name = 'Sam') and object_id = (select id from users where name = 'Ana')";
        assert_eq!(portal.count(told).await, 1);
        let ended = sam.post("/staff/behalf/end", &[]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(ended.location(), tenant);
        let page = sam.follow(&ended).await.shows(&["You are yourself again."]);
        assert!(!page.body.contains("you are acting as"));
        let mut own = portal.signed_in(&ana).await;
        own.get("/audit").await.shows(&["Signed in on behalf of a member", "Changes on behalf allowed", "Sign-in on behalf ended"]);
    }

    async fn nobody_acts_as_another_of_the_staff_or_as_a_stranger_or_without_a_reason(portal: Portal) {
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let sul = portal.user("Sul", &[(&sur, Role::Owner)]).await;
        let pat = NewUser::new("pat@people.example".parse().unwrap(), "Pat").unwrap().staff(true);
        let pat = portal.create(pat, &[(&norte, Role::Admin)]).await;
        let mut sam = portal.staff("Sam").await;
        let form = format!("/staff/tenants/{}/behalf", norte.id);
        sam.get(&format!("/staff/tenants/{}", norte.id)).await;
        sam.post(&form, &[("member", pat.id.as_str()), REASON]).await.expect(StatusCode::CONFLICT).shows(&["belongs to the staff"]);
        sam.post(&form, &[("member", sul.id.as_str()), REASON]).await.expect(StatusCode::NOT_FOUND);
        sam.post("/staff/tenants/ten_none/behalf", &[("member", ana.id.as_str()), REASON]).await.expect(StatusCode::NOT_FOUND);
        sam.post(&form, &[("member", ana.id.as_str()), ("reason", "  ")]).await
            .expect(StatusCode::UNPROCESSABLE_ENTITY).shows(&["href=\"#reason\"", "Say in a few words why"]);
        assert_eq!(portal.count("select count(*) from audit_entries where action like 'behalf.%'").await, 0);
        sam.get("/staff/behalf").await.expect(StatusCode::NOT_FOUND);
        sam.get("/staff").await.expect(StatusCode::OK);
    }

    async fn it_ends_by_itself_and_with_the_membership(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let ana = portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let mut sam = portal.staff("Sam").await;
        let form = format!("/staff/tenants/{}/behalf", norte.id);
        let acts = "you are acting as Ana";
        sam.get("/staff").await;
        sam.post(&form, &[("member", ana.id.as_str()), REASON]).await.expect(StatusCode::SEE_OTHER);
        portal.clock.pass(1_799);
        sam.get("/plans").await.shows(&[acts]);
        portal.clock.pass(1);
        assert!(!sam.get("/plans").await.body.contains(acts), "half an hour is over");
        sam.get("/audit").await.expect(StatusCode::FORBIDDEN);
        sam.get("/staff").await;
        sam.post(&form, &[("member", ana.id.as_str()), REASON]).await.expect(StatusCode::SEE_OTHER);
        sam.get("/plans").await.shows(&[acts]);
        portal.run(&format!("delete from memberships where user_id = '{}'", ana.id.as_str())).await;
        assert!(!sam.get("/plans").await.body.contains(acts), "the member has left");
    }
}
