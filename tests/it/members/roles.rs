//! Roles of members: who may change whom, and that one owner always remains.

use billing_portal::auth::{NewUser, Role, User};
use http::StatusCode;

use crate::support::portal::{PASSWORD, Portal, hash};

fn role(user: &User) -> String {
    format!("/members/{}/role", user.id.as_str())
}

fn removal(user: &User) -> String {
    format!("/members/{}/remove", user.id.as_str())
}

both_databases! {
    async fn the_page_is_for_owners_and_admins(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.browser().get("/members").await.expect(StatusCode::SEE_OTHER);
        for (own, status) in [(Role::Owner, 200), (Role::Admin, 200), (Role::Supervisor, 403), (Role::Operator, 403)] {
            let user = portal.user(own.as_str(), &[(&norte, own)]).await;
            let mut browser = portal.signed_in(&user).await;
            assert_eq!(browser.get("/members").await.status.as_u16(), status, "{own:?}");
            browser.get("/account").await;
            let target = role(&user);
            for (path, fields) in [
                (target.as_str(), &[("role", "owner")][..]), ("/members", &[("email", "x@people.example"), ("role", "admin")]),
                ("/members/invitations/inv_x/resend", &[]), ("/members/invitations/inv_x/withdraw", &[]),
            ] {
                if status == 403 {
                    browser.post(path, fields).await.expect(StatusCode::FORBIDDEN);
                }
            }
        }
        assert_eq!(portal.count("select count(*) from memberships where role = 'owner'").await, 1);
        let staff = NewUser::new("staff@people.example".parse().unwrap(), "Staff").unwrap();
        let staff = portal.create(staff.password_hash(hash().await).staff(true), &[]).await;
        portal.signed_in(&staff).await.get("/members").await.expect(StatusCode::FORBIDDEN);
    }

    async fn an_owner_changes_roles_and_removes_and_the_audit_says_so(portal: Portal) {
        let (norte, _, mut ana) = portal.with_owner().await;
        let ben = portal.user("Ben", &[(&norte, Role::Operator)]).await;
        let mut his = portal.signed_in(&ben).await;
        his.get("/invoices").await.expect(StatusCode::FORBIDDEN);
        ana.get("/members").await.shows(&["Role of Ben", "The only owner: make somebody else an owner first."]);
        let answer = ana.post(&role(&ben), &[("role", "supervisor")]).await;
        ana.follow(&answer).await.shows(&["The role has been changed."]);
        his.get("/invoices").await.expect(StatusCode::OK);
        ana.post(&role(&ben), &[("role", "supervisor")]).await.expect(StatusCode::SEE_OTHER);
        ana.get("/members").await;
        ana.post(&role(&ben), &[("role", "boss")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        ana.get("/members").await;
        let answer = ana.post(&removal(&ben), &[]).await;
        ana.follow(&answer).await.shows(&["The member has been removed."]);
        his.get("/invoices").await.expect(StatusCode::FORBIDDEN);
        ana.post(&removal(&ben), &[]).await.expect(StatusCode::NOT_FOUND);
        let changed = format!(
            "select count(*) from audit_entries where action = 'member.changed' and object_id = '{}' and tenant_id = '{}'\
             and before = '{{\"role\":\"operator\"}}' and after = '{{\"role\":\"supervisor\"}}' and address = '192.0.2.1'",
            ben.id.as_str(), norte.id
        );
        assert_eq!(portal.count(&changed).await, 1);
        assert_eq!((portal.audited("member.changed").await, portal.audited("member.removed").await), (1, 1));
    }

    async fn who_is_removed_loses_the_tenant_at_once_and_keeps_the_others(portal: Portal) {
        let (norte, _, mut ana) = portal.with_owner().await;
        let sur = portal.tenant("Sur").await;
        let ben = portal.user("Ben", &[(&norte, Role::Admin), (&sur, Role::Owner)]).await;
        let mut his = portal.signed_in(&ben).await;
        his.get("/members").await;
        his.post("/members", &[("email", "accomplice@people.example"), ("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
        let door = portal.link("invitation").await;
        his.get("/members").await.shows(&["accomplice@people.example"]);
        ana.get("/members").await;
        ana.post(&removal(&ben), &[]).await.expect(StatusCode::SEE_OTHER);
        let page = his.get("/members").await.expect(StatusCode::OK).shows(&["<span class=\"tenant\">Sur</span>"]);
        assert!(!page.body.contains("Norte") && !page.body.contains("accomplice"));
        his.post("/tenants/switch", &[("tenant", norte.id.as_str())]).await.expect(StatusCode::NOT_FOUND);
        portal.browser().get(&door).await.expect(StatusCode::GONE);
        assert_eq!(portal.audited("invitation.withdrawn").await, 1);
    }

    async fn who_may_invite_no_more_leaves_no_invitation_behind(portal: Portal) {
        let (norte, _, mut ana) = portal.with_owner().await;
        let ben = portal.user("Ben", &[(&norte, Role::Owner)]).await;
        let mut his = portal.signed_in(&ben).await;
        his.get("/members").await;
        for (email, role) in [("one@people.example", "owner"), ("two@people.example", "admin")] {
            his.post("/members", &[("email", email), ("role", role)]).await.expect(StatusCode::SEE_OTHER);
        }
        ana.get("/members").await;
        ana.post(&role(&ben), &[("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
        let open = "select count(*) from invitations where state = 'pending' and email = 'two@people.example'";
        assert_eq!((portal.count(open).await, portal.audited("invitation.withdrawn").await), (1, 1), "an admin makes no owner");
        ana.get("/members").await;
        ana.post(&role(&ben), &[("role", "supervisor")]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!((portal.count(open).await, portal.audited("invitation.withdrawn").await), (0, 2));
    }

    async fn an_admin_neither_makes_nor_changes_nor_removes_an_owner(portal: Portal) {
        let (norte, ana, mut hers) = portal.with_owner().await;
        let dora = portal.user("Dora", &[(&norte, Role::Owner)]).await;
        let adam = portal.user("Adam", &[(&norte, Role::Admin)]).await;
        let ben = portal.user("Ben", &[(&norte, Role::Operator)]).await;
        hers.post("/members", &[("email", "new@people.example"), ("role", "owner")]).await.expect(StatusCode::SEE_OTHER);
        let mut tx = portal.db.read().await.unwrap();
        let (invitation,): (String,) = tx.query_built("select id from invitations".to_owned()).one().await.unwrap();
        drop(tx);
        let mut his = portal.signed_in(&adam).await;
        let page = his.get("/members").await.expect(StatusCode::OK);
        assert!(!page.body.contains("value=\"owner\"") && !page.body.contains(&role(&ana)) && !page.body.contains(&invitation));
        for (path, fields) in [
            (role(&dora), vec![("role", "operator")]), (removal(&dora), vec![]), (role(&ben), vec![("role", "owner")]),
            (role(&adam), vec![("role", "owner")]), (format!("/members/invitations/{invitation}/withdraw"), vec![]),
            (format!("/members/invitations/{invitation}/resend"), vec![]),
        ] {
            his.get("/members").await;
            his.post(&path, &fields).await.expect(StatusCode::FORBIDDEN);
        }
        his.get("/members").await;
        his.post("/members", &[("email", "x@people.example"), ("role", "owner")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(portal.count("select count(*) from memberships where role = 'owner'").await, 2);
        assert_eq!(portal.links("invitation").await.len(), 1);
        his.get("/members").await;
        his.post(&role(&ben), &[("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(portal.role_of(&norte, &ben).await, Some(Role::Admin));
    }

    async fn the_last_owner_stays_one(portal: Portal) {
        let (norte, ana, mut browser) = portal.with_owner().await;
        let ben = portal.user("Ben", &[(&norte, Role::Admin)]).await;
        for (path, fields) in [(role(&ana), vec![("role", "admin")]), (removal(&ana), vec![])] {
            browser.get("/members").await;
            let page = browser.post(&path, &fields).await.expect(StatusCode::CONFLICT);
            page.shows(&["At least one owner has to remain.", "href=\"/members\""]);
        }
        assert_eq!(portal.role_of(&norte, &ana).await, Some(Role::Owner));
        browser.get("/members").await;
        browser.post(&role(&ben), &[("role", "owner")]).await.expect(StatusCode::SEE_OTHER);
        let before = browser.cookie("billing_session").unwrap().to_owned();
        browser.get("/members").await;
        let answer = browser.post(&role(&ana), &[("role", "supervisor")]).await;
        assert_eq!(answer.location(), "/account", "the page of members is closed to them now");
        assert_ne!(browser.cookie("billing_session").unwrap(), before, "other rights, other session");
        browser.follow(&answer).await.expect(StatusCode::OK);
        browser.get("/members").await.expect(StatusCode::FORBIDDEN);
    }

    async fn two_owners_who_turn_on_each_other_leave_one(portal: Portal) {
        for round in 0..6 {
            let tenant = portal.tenant(&format!("Tenant {round}")).await;
            let one = portal.user(&format!("One{round}"), &[(&tenant, Role::Owner)]).await;
            let two = portal.user(&format!("Two{round}"), &[(&tenant, Role::Owner)]).await;
            let (mut first, mut second) = (portal.signed_in(&one).await, portal.signed_in(&two).await);
            first.get("/members").await;
            second.get("/members").await;
            let (at_two, at_one) = if round % 2 == 0 { (removal(&two), removal(&one)) } else { (role(&two), role(&one)) };
            let fields = [("role", "operator")];
            let (a, b) = tokio::join!(
                tokio::spawn(async move { first.post(&at_two, &fields).await.status }),
                tokio::spawn(async move { second.post(&at_one, &fields).await.status }),
            );
            let statuses = [a.unwrap(), b.unwrap()];
            assert_eq!(statuses.iter().filter(|status| **status == StatusCode::SEE_OTHER).count(), 1, "{statuses:?}");
            assert!(statuses.contains(&StatusCode::FORBIDDEN), "the other was too late: {statuses:?}");
            let owners = format!("select count(*) from memberships where role = 'owner' and tenant_id = '{}'", tenant.id);
            assert_eq!(portal.count(&owners).await, 1);
        }
    }

    async fn two_owners_who_both_step_down_do_not_both(portal: Portal) {
        for round in 0..6 {
            let tenant = portal.tenant(&format!("Tenant {round}")).await;
            let one = portal.user(&format!("One{round}"), &[(&tenant, Role::Owner)]).await;
            let two = portal.user(&format!("Two{round}"), &[(&tenant, Role::Owner)]).await;
            let (mut first, mut second) = (portal.signed_in(&one).await, portal.signed_in(&two).await);
            first.get("/members").await;
            second.get("/members").await;
            let (mine, theirs) = (role(&one), removal(&two));
            let (a, b) = tokio::join!(
                tokio::spawn(async move { first.post(&mine, &[("role", "admin")]).await.status }),
                tokio::spawn(async move { second.post(&theirs, &[]).await.status }),
            );
            let statuses = [a.unwrap(), b.unwrap()];
            assert!(statuses.contains(&StatusCode::SEE_OTHER) && statuses.contains(&StatusCode::CONFLICT), "{statuses:?}");
            let owners = format!("select count(*) from memberships where role = 'owner' and tenant_id = '{}'", tenant.id);
            assert_eq!(portal.count(&owners).await, 1);
        }
    }

    async fn members_and_invitations_of_another_tenant_do_not_exist(portal: Portal) {
        let (_, _, mut ana) = portal.with_owner().await;
        let sur = portal.tenant("Sur").await;
        let zoe = portal.user("Zoe", &[(&sur, Role::Owner)]).await;
        let olga = portal.user("Olga", &[(&sur, Role::Operator)]).await;
        let mut hers = portal.signed_in(&zoe).await;
        hers.get("/members").await;
        hers.post("/members", &[("email", "ben@people.example"), ("role", "admin")]).await.expect(StatusCode::SEE_OTHER);
        let mut tx = portal.db.read().await.unwrap();
        let (invitation,): (String,) = tx.query_built("select id from invitations".to_owned()).one().await.unwrap();
        drop(tx);
        let page = ana.get("/members").await;
        assert!(!page.body.contains("ben@people.example") && !page.body.contains("Olga"));
        for (foreign, random, fields) in [
            (role(&olga), "/members/usr_0/role".to_owned(), vec![("role", "admin")]),
            (removal(&olga), "/members/a%20b/remove".to_owned(), vec![]),
            (format!("/members/invitations/{invitation}/resend"), "/members/invitations/inv_0/resend".to_owned(), vec![]),
            (format!("/members/invitations/{invitation}/withdraw"), "/members/invitations/inv_0/withdraw".to_owned(), vec![]),
        ] {
            ana.get("/members").await;
            let one = ana.post(&foreign, &fields).await.expect(StatusCode::NOT_FOUND);
            ana.get("/members").await;
            let other = ana.post(&random, &fields).await.expect(StatusCode::NOT_FOUND);
            // The footer's form leads back to the address itself.
            let length = |body: &str, path: &str| body.replace(path, "").len();
            assert_eq!(length(&one.body, &foreign), length(&other.body, &random));
        }
        assert_eq!(portal.role_of(&sur, &olga).await, Some(Role::Operator));
        assert_eq!(portal.links("invitation").await.len(), 1);
    }

    async fn a_long_list_goes_on_from_page_to_page(portal: Portal) {
        let (norte, _, mut ana) = portal.with_owner().await;
        let (mut users, mut members) = (Vec::new(), Vec::new());
        for number in 0..120 {
            users.push(format!("('usr_{number:03}', 'm{number:03}+x@people.example', 'Member {number:03}', false, 0)"));
            members.push(format!("('{}', 'usr_{number:03}', 'operator', 0)", norte.id));
        }
        portal.run(&format!("insert into users (id, email, name, staff, created_at) values {}", users.join(", "))).await;
        portal.run(&format!("insert into memberships (tenant_id, user_id, role, created_at) values {}", members.join(", "))).await;
        let (mut seen, mut next) = (Vec::new(), "/members".to_owned());
        loop {
            let page = ana.get(&next).await.expect(StatusCode::OK);
            seen.extend(page.body.split("Role of ").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()));
            let Some((_, rest)) = page.body.split_once("rel=\"next\" href=\"") else { break };
            rest.split('"').next().unwrap().replace("&#38;", "&").clone_into(&mut next);
        }
        let expected: Vec<_> = (0..120).map(|number| format!("Member {number:03}")).collect();
        assert_eq!(seen, expected, "the only owner has no role to choose");
    }

    async fn the_page_speaks_spanish(portal: Portal) {
        let (norte, ..) = portal.with_owner().await;
        portal.user("Ben", &[(&norte, Role::Operator)]).await;
        let mut browser = portal.browser().speaking("es");
        browser.sign_in("ana@people.example", PASSWORD, "/members").await;
        browser.get("/members").await.shows(&["Miembros", "Rol de Ben", "Enviar la invitación", "Propietario", "único propietario"]);
    }
}
