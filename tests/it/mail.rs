//! Mails: once for each cause, whatever happens on the way; readable in both languages.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context, Poll};

use billing_portal::app::App;
use billing_portal::audit;
use billing_portal::auth::{NewUser, Role};
use billing_portal::catalog::policy::{Catalog, EMBEDDED};
use billing_portal::clock::Clock;
use billing_portal::db::Db;
use billing_portal::i18n::Language;
use billing_portal::mail::letter::Restored;
use billing_portal::mail::render::{self, Reader};
use billing_portal::mail::samples::variants;
use billing_portal::mail::{self, Kind, Letter, New, Settings, store, work};
use billing_portal::money::{Currency, Money};
use billing_portal::tenants::Tenant;
use billing_portal::web::Site;
use http::StatusCode;
use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::support::databases::FromDb;
use crate::support::portal::{Portal, hash};
use crate::support::smtp::{MailServer, Mood};

/// A portal with a mail server, and one tenant.
struct Post {
    portal: Portal,
    /// The portal with the server in its settings.
    app: App,
    server: MailServer,
    tenant: Tenant,
}

impl FromDb for Post {
    async fn from_db(db: Db) -> Self {
        let portal = Portal::from_db(db).await;
        let server = MailServer::start().await;
        let sender = "Billing <billing@portal.example>".parse().unwrap();
        let mut config = portal.app.config.clone();
        config.mail =
            Settings { server: Some((server.url().parse().unwrap(), sender)), reveals_secrets: false };
        let app = &portal.app;
        let app =
            App::new(app.db.clone(), app.clock.clone(), app.stripe.clone(), config, app.catalog.clone());
        let tenant = portal.tenant("Norte").await;
        Self { portal, app, server, tenant }
    }
}

impl Post {
    async fn stage(&self, letter: &Letter, cause: &str) -> bool {
        let mut tx = self.app.db.write().await.unwrap();
        let mail = New::of(letter, cause).tenant(self.tenant.id.as_str());
        let is_new = mail::stage(&mut tx, &mail, self.app.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        is_new
    }

    async fn work(&self) {
        while work::step(&self.app).await.unwrap() {}
    }

    /// State, tries and error of the one mail there is.
    async fn state(&self) -> (String, i64, Option<String>) {
        let mut tx = self.app.db.read().await.unwrap();
        tx.query_built("select state, attempts, error from mails".to_owned()).one().await.unwrap()
    }

    fn sent(&self) -> usize {
        self.server.mails().len()
    }
}

/// A step of a worker that is killed after so many polls, at whatever await it stands then; whether it came to its end before.
struct KilledAfter<F> {
    step: Pin<Box<F>>,
    polls: i64,
}

impl<F: Future<Output = billing_portal::db::Result<bool>>> Future for KilledAfter<F> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        if self.polls == 0 {
            return Poll::Ready(false);
        }
        self.polls -= 1;
        self.step.as_mut().poll(context).map(|done| done.unwrap())
    }
}

fn receipt() -> Letter {
    Letter::sample(Kind::Receipt)
}

/// The head of that name.
fn head<'a>(mail: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    mail.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap_or_default()
}

both_databases! {
    async fn a_cause_mails_once_however_often_it_is_staged_and_sent(post: Post) {
        assert!(post.stage(&receipt(), "in_1").await);
        assert!(!post.stage(&receipt(), "in_1").await);
        post.work().await;
        assert!(!post.stage(&receipt(), "in_1").await, "after it was sent, too");
        post.work().await;
        assert_eq!((post.sent(), post.state().await.0.as_str()), (1, "sent"));
        assert!(post.stage(&receipt(), "in_2").await, "another cause is another mail");
        assert!(post.stage(&Letter::sample(Kind::PaymentFailed), "in_1").await, "and so is another kind");
        post.work().await;
        assert_eq!(post.sent(), 3);
    }

    async fn what_arrives_has_both_forms_and_names_the_mail_for_ever(post: Post) {
        post.stage(&receipt(), "in_1").await;
        post.work().await;
        let mail = post.server.mails().remove(0);
        let (id,): (String,) = post.app.db.read().await.unwrap()
            .query_built("select id from mails".to_owned()).one().await.unwrap();
        assert_eq!(head(&mail, "Message-ID"), format!("<{id}@portal.example>"));
        assert_eq!(head(&mail, "To"), "billing@norte.example");
        assert_eq!(head(&mail, "Auto-Submitted"), "auto-generated");
        for part in ["multipart/alternative", "text/plain", "text/html", "http://billing.test/invoices/in_sample"] {
            assert!(mail.replace("=\r\n", "").contains(part), "{part} in {mail}");
        }
        let audited = post.portal.count("select count(*) from audit_entries where action = 'mail.sent'").await;
        assert_eq!(audited, 1);
    }

    async fn two_workers_send_a_mail_once(post: Post) {
        for cause in 0..10 { post.stage(&receipt(), &format!("in_{cause}")).await; }
        tokio::join!(post.work(), post.work(), post.work());
        assert_eq!(post.sent(), 10);
        let ids: BTreeSet<String> =
            post.server.mails().iter().map(|mail| head(mail, "Message-ID").to_owned()).collect();
        assert_eq!(ids.len(), 10);
    }

    async fn killed_after_the_claim_it_is_unsent_and_sent_later(post: Post) {
        post.stage(&receipt(), "in_1").await;
        let now = post.app.clock.now();
        let mut tx = post.app.db.write().await.unwrap();
        let until = now + SignedDuration::from_secs(work::LEASE);
        store::claim(&mut tx, now, until).await.unwrap().expect("a claim");
        tx.commit().await.unwrap();
        post.work().await;
        assert_eq!((post.sent(), post.state().await.0.as_str()), (0, "sending"), "the claim holds");
        post.app.clock.pass(work::LEASE);
        post.work().await;
        assert_eq!((post.sent(), post.state().await.0.as_str()), (1, "sent"));
    }

    async fn killed_before_the_claim_commits_it_is_unsent_and_sent_later(post: Post) {
        post.stage(&receipt(), "in_1").await;
        let now = post.app.clock.now();
        let mut tx = post.app.db.write().await.unwrap();
        store::claim(&mut tx, now, now).await.unwrap().expect("a claim");
        drop(tx);
        // Postgres gives the row of a transaction that was dropped free a moment later.
        for _ in 0..100 {
            post.work().await;
            if post.sent() > 0 {
                break;
            }
        }
        assert_eq!((post.sent(), post.state().await), (1, ("sent".to_owned(), 1, None)));
    }

    async fn killed_while_it_is_handed_over_it_is_never_sent_again_by_itself(post: Post) {
        post.stage(&Letter::sample(Kind::PasswordReset), "ask_1").await;
        let now = post.app.clock.now();
        let mut tx = post.app.db.write().await.unwrap();
        let until = now + SignedDuration::from_secs(work::LEASE);
        let mail = store::claim(&mut tx, now, until).await.unwrap().expect("a claim");
        assert!(store::mark_handed(&mut tx, &mail, now).await.unwrap());
        tx.commit().await.unwrap();
        post.app.clock.pass(work::LEASE);
        post.work().await;
        post.app.clock.pass(90 * 86_400);
        post.work().await;
        let (state, _, error) = post.state().await;
        assert_eq!((post.sent(), state.as_str()), (0, "failed"));
        assert!(error.unwrap().contains("may have been sent"));
        assert_eq!(post.portal.count("select count(*) from mails where data like '%/password/%'").await, 0, "its link is erased");
        assert_eq!(post.portal.count("select count(*) from audit_entries where action = 'mail.failed'").await, 1);
        let covered = audit::store::coverage(&mut post.app.db.read().await.unwrap()).await.unwrap();
        let mails = covered.iter().find(|seen| seen.what == "mails").unwrap();
        assert_eq!((mails.rows, mails.missing), (1, 0));
    }

    async fn killed_at_any_moment_it_is_sent_once_or_known_not_to_be_and_never_twice(post: Post) {
        let (mut polls, mut aborted, mut unknown, mut number) = (0, 0, 0, 0);
        loop {
            polls += 1;
            number += 1;
            post.stage(&receipt(), &format!("in_{number}")).await;
            let step = KilledAfter { step: Box::pin(work::step(&post.app)), polls };
            if step.await {
                // How often a step is polled differs from time to time: each moment has its turn in one of several rounds.
                if unknown > 0 || number > 1_000 {
                    break;
                }
                polls = 0;
                continue;
            }
            aborted += 1;
            let (mut state, mut error): (String, Option<String>) = ("pending".to_owned(), None);
            // Postgres gives the row of a transaction that was dropped free a moment later.
            for _ in 0..100 {
                post.app.clock.pass(work::LEASE);
                post.work().await;
                post.app.clock.pass(90 * 86_400);
                post.work().await;
                (state, error) = post.app.db.read().await.unwrap()
                    .query_built(format!("select state, error from mails where cause = 'receipt:in_{number}'")).one().await.unwrap();
                if state == "sent" || state == "failed" {
                    break;
                }
            }
            match state.as_str() {
                "sent" => {}
                "failed" => {
                    assert!(error.unwrap().contains("may have been sent"), "killed after {polls} polls");
                    unknown += 1;
                }
                other => panic!("killed after {polls} polls it is {other}"),
            }
        }
        assert!(aborted > 5 && unknown > 0, "{aborted} times killed, {unknown} times while it was handed over");
        let (all, sent) = (number, post.portal.count("select count(*) from mails where state = 'sent'").await);
        let ids: Vec<String> = post.server.mails().iter().map(|mail| head(mail, "Message-ID").to_owned()).collect();
        let once: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(once.len(), ids.len(), "nobody gets a mail twice");
        assert!(i64::try_from(ids.len()).unwrap() >= sent, "what counts as sent was taken by the server");
        assert_eq!(sent + unknown, all, "and every mail has come to its end");
    }

    async fn a_worker_that_lost_its_claim_hands_nothing_over_and_notes_nothing(post: Post) {
        post.stage(&receipt(), "in_1").await;
        let now = post.app.clock.now();
        let mut tx = post.app.db.write().await.unwrap();
        let slow = store::claim(&mut tx, now, now).await.unwrap().expect("a claim");
        tx.commit().await.unwrap();
        post.work().await;
        let mut tx = post.app.db.write().await.unwrap();
        assert!(!store::mark_handed(&mut tx, &slow, now).await.unwrap());
        let failed = store::Outcome::Failed { error: "too late".to_owned() };
        store::finish(&mut tx, &slow, &failed, false, now).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!((post.sent(), post.state().await.0.as_str()), (1, "sent"));
    }

    async fn a_server_that_takes_it_without_a_word_gets_it_once(post: Post) {
        post.stage(&receipt(), "in_1").await;
        post.server.be(Mood::Silent);
        post.work().await;
        post.server.be(Mood::Willing);
        post.app.clock.pass(90 * 86_400);
        post.work().await;
        let (state, tries, error) = post.state().await;
        assert_eq!((post.sent(), state.as_str(), tries), (1, "failed", 1));
        assert!(error.unwrap().contains("did not confirm"));
    }

    async fn what_is_unsent_for_certain_is_tried_again_with_growing_waits(post: Post) {
        post.stage(&receipt(), "in_1").await;
        for (tries, (mood, wait)) in [(Mood::Absent, 60), (Mood::Busy, 300), (Mood::Absent, 1_800)].into_iter().enumerate() {
            post.server.be(mood);
            post.work().await;
            let expected = i64::try_from(tries).unwrap() + 1;
            assert_eq!((post.state().await.0.as_str(), post.state().await.1), ("waiting", expected), "{mood:?}");
            post.app.clock.pass(wait - 1);
            post.work().await;
            assert_eq!(post.state().await.1, expected, "not a second earlier");
            post.app.clock.pass(1);
        }
        post.server.be(Mood::Willing);
        post.work().await;
        assert_eq!((post.sent(), post.state().await), (1, ("sent".to_owned(), 4, None)));
    }

    async fn a_server_that_stays_away_is_given_up_after_two_days(post: Post) {
        post.stage(&receipt(), "in_1").await;
        post.server.be(Mood::Absent);
        for _ in 0..60 {
            post.work().await;
            post.app.clock.pass(3_600);
        }
        let (state, tries, error) = post.state().await;
        assert_eq!((state.as_str(), tries), ("failed", 8));
        assert!(error.is_some());
    }

    async fn a_refusal_is_final(post: Post) {
        for (cause, mood) in [("in_1", Mood::Strict), ("in_2", Mood::Picky)] {
            post.server.be(mood);
            post.stage(&receipt(), cause).await;
            post.work().await;
            post.app.clock.pass(90 * 86_400);
            post.work().await;
        }
        assert_eq!(post.sent(), 0);
        assert_eq!(post.portal.count("select count(*) from mails where state = 'failed' and attempts = 1").await, 2);
    }

    async fn what_a_server_says_before_it_knows_the_recipient_loses_no_mail(post: Post) {
        post.stage(&receipt(), "in_1").await;
        for (tries, mood) in [Mood::Closed, Mood::Deaf, Mood::Locked, Mood::Full].into_iter().enumerate() {
            post.server.be(mood);
            post.work().await;
            let (state, tried, error) = post.state().await;
            assert_eq!((state.as_str(), tried), ("waiting", i64::try_from(tries).unwrap() + 1), "{mood:?}: {error:?}");
            post.app.clock.pass(86_400);
        }
        post.server.be(Mood::Willing);
        post.work().await;
        assert_eq!((post.sent(), post.state().await.0.as_str()), (1, "sent"));
    }

    async fn a_password_that_is_wrong_is_put_right_and_the_mail_goes_out(post: Post) {
        let with = |password: &str| {
            let mut config = post.app.config.clone();
            let url = post.server.url().replace("smtp://", &format!("smtp://me:{password}@"));
            let (_, sender) = config.mail.server.clone().unwrap();
            config.mail.server = Some((url.parse().unwrap(), sender));
            let app = &post.app;
            App::new(app.db.clone(), app.clock.clone(), app.stripe.clone(), config, app.catalog.clone())
        };
        post.stage(&receipt(), "in_1").await;
        assert!(work::step(&with("guess")).await.unwrap());
        let (state, _, error) = post.state().await;
        assert_eq!((post.sent(), state.as_str()), (0, "waiting"), "{error:?}");
        post.app.clock.pass(3_600);
        assert!(work::step(&with("pw")).await.unwrap());
        assert_eq!((post.sent(), post.state().await.0.as_str()), (1, "sent"));
    }

    async fn without_a_server_mails_are_kept_for_staff_to_see_and_send(post: Post) {
        post.stage(&receipt(), "in_1").await;
        assert!(work::step(&post.portal.app).await.unwrap());
        assert!(!work::step(&post.portal.app).await.unwrap());
        assert_eq!(post.state().await.0, "kept");
        let (id,): (String,) = post.app.db.read().await.unwrap()
            .query_built("select id from mails".to_owned()).one().await.unwrap();
        let staff = NewUser::new("staff@people.example".parse().unwrap(), "Sam").unwrap();
        let staff = post.portal.create(staff.staff(true).password_hash(hash().await), &[]).await;
        let mut browser = post.portal.signed_in(&staff).await;
        browser.get("/staff/mails?state=kept&kind=receipt").await.expect(StatusCode::OK).shows(&["billing@norte.example", &id]);
        assert!(!browser.get("/staff/mails?state=sent").await.body.contains(&id));
        browser.get(&format!("/staff/mails/{id}")).await.expect(StatusCode::OK).shows(&["€119.79", "A7F2-0012"]);
        let html = browser.get(&format!("/staff/mails/{id}/html")).await.expect(StatusCode::OK);
        assert!(html.header("content-security-policy").contains("sandbox"));
        browser.get(&format!("/staff/mails/{id}")).await;
        browser.post(&format!("/staff/mails/{id}/resend"), &[]).await.expect(StatusCode::SEE_OTHER);
        post.work().await;
        assert_eq!((post.sent(), post.state().await.0.as_str()), (1, "sent"));
        assert_eq!(head(&post.server.mails()[0], "Message-ID"), format!("<{id}.1@portal.example>"));
        assert_eq!(post.portal.count("select count(*) from audit_entries where action = 'mail.resent'").await, 1);
    }

    async fn staff_see_each_kind_in_both_languages_and_forms(post: Post) {
        let mut staff = post.portal.staff("Sam").await;
        let list = staff.get("/staff/mails").await.expect(StatusCode::OK).body;
        let mut seen = BTreeSet::new();
        for kind in Kind::ALL {
            for (variant, _) in variants(kind) {
                for language in Language::ALL {
                    for form in ["html", "text"] {
                        let path = format!("/staff/mails/samples/{}?form={form}&language={}&variant={variant}", kind.as_str(), language.code());
                        assert!(list.replace("&#38;", "&").replace("&amp;", "&").contains(&path), "a link to {path}");
                        let answer = staff.get(&path).await.expect(StatusCode::OK);
                        let is_html = answer.header("content-type").starts_with("text/html");
                        assert_eq!(is_html, form == "html", "{path}");
                        assert_eq!(is_html, answer.body.contains(&format!("lang=\"{}\"", language.code())), "{path}");
                        assert!(seen.insert(answer.body), "{path} is like another");
                    }
                }
            }
        }
        staff.get("/staff/mails/samples/receipt?variant=nothing").await.expect(StatusCode::NOT_FOUND);
    }

    async fn the_outbox_does_not_exist_for_others(post: Post) {
        let owner = post.portal.user("Olga", &[(&post.tenant, Role::Owner)]).await;
        let mut browser = post.portal.signed_in(&owner).await;
        for path in ["/staff/mails", "/staff/mails/x", "/staff/mails/samples/receipt"] {
            browser.get(path).await.expect(StatusCode::NOT_FOUND);
        }
        browser.post("/staff/mails/x/resend", &[]).await.expect(StatusCode::NOT_FOUND);
    }

    async fn a_link_that_lets_its_bearer_in_is_erased_when_it_is_sent_and_never_shown(post: Post) {
        post.stage(&Letter::sample(Kind::Invitation), "inv_1").await;
        post.work().await;
        assert!(post.server.mails()[0].replace("=\r\n", "").contains("/invitations/sample"));
        let held = "select count(*) from mails where data like '%/invitations/%'";
        assert_eq!(post.portal.count(held).await, 0);
        let (id,): (String,) = post.app.db.read().await.unwrap()
            .query_built("select id from mails".to_owned()).one().await.unwrap();
        let staff = NewUser::new("staff@people.example".parse().unwrap(), "Sam").unwrap();
        let staff = post.portal.create(staff.staff(true).password_hash(hash().await), &[]).await;
        let mut browser = post.portal.signed_in(&staff).await;
        browser.get(&format!("/staff/mails/{id}")).await.expect(StatusCode::OK);
        browser.post(&format!("/staff/mails/{id}/resend"), &[]).await.expect(StatusCode::CONFLICT);
        assert_eq!(head(&post.server.mails()[0], "To"), "ben@example.com");
    }

    async fn the_tenants_language_and_time_zone_are_kept(post: Post) {
        post.portal.run("update tenants set language = 'es', time_zone = 'Europe/Madrid'").await;
        // 23:30 of the 21st in UTC is the 22nd in Madrid.
        let late: jiff::Timestamp = "2026-11-21T23:30:00Z".parse().unwrap();
        let Letter::Receipt(mut receipt) = receipt() else { unreachable!() };
        receipt.paid_at = late.as_second();
        post.stage(&Letter::Receipt(receipt), "in_1").await;
        post.work().await;
        let mail = post.server.mails().remove(0);
        assert!(mail.contains("22 nov 2026"), "{mail}");
        assert!(mail.contains("Tu pago de"), "{mail}");
    }
}

#[test]
fn every_kind_can_be_read_in_both_languages_and_both_forms() {
    let site = Site::new(
        "https://billing.example.com/".parse().unwrap(),
        Clock::fixed("2026-11-21T05:00:00Z".parse().unwrap()),
    );
    let catalog = Catalog::parse(EMBEDDED).unwrap();
    let (mut subjects, mut bodies) = (BTreeSet::new(), BTreeSet::new());
    for language in Language::ALL {
        let reader = Reader {
            name: Some("Ana <b>Ruiz</b>".to_owned()),
            tenant: Some("Norte & Sur".to_owned()),
            language,
            time_zone: TimeZone::get("Europe/Madrid").unwrap(),
        };
        for (kind, (variant, letter)) in
            Kind::ALL.into_iter().flat_map(|kind| variants(kind).into_iter().map(move |one| (kind, one)))
        {
            let written = render::write(&letter, &reader, &site, &catalog).unwrap();
            let about = format!("{kind:?} {variant} in {language:?}");
            assert_eq!(letter.kind(), kind);
            assert!(
                subjects.insert(written.subject.clone()) || !variant.is_empty(),
                "{about}: {} is another mail's subject",
                written.subject
            );
            assert!(bodies.insert(written.text.clone()), "{about} says what another says: {}", written.text);
            for form in [&written.html, &written.text, &written.subject] {
                assert!(
                    !form.contains("mail-") && !form.contains("{ $") && !form.contains("{$"),
                    "{about}: {form}"
                );
            }
            assert!(!written.html.contains("<b>Ruiz"), "{about}: a name is no markup");
            assert!(written.text.contains("Ana <b>Ruiz</b>"), "{about}: {}", written.text);
            assert!(written.html.contains(&format!("lang=\"{}\"", language.code())), "{about}");
            let links: Vec<_> = written.text.split_whitespace().filter(|word| word.contains("://")).collect();
            assert!(!links.is_empty(), "{about} has no way on");
            for link in links {
                assert!(link.starts_with("https://billing.example.com/"), "{about}: {link}");
                assert!(written.html.contains(&format!("href=\"{link}\"")), "{about}: {link}");
            }
        }
    }
}

#[test]
fn money_in_mails_is_exact_in_every_currency() {
    let site = Site::new("https://b.example/".parse().unwrap(), Clock::system());
    let catalog = Catalog::parse(EMBEDDED).unwrap();
    for (minor, currency, english) in
        [(1, "eur", "€0.01"), (123_456_789, "usd", "$1,234,567.89"), (2_900, "jpy", "¥2,900")]
    {
        let currency: Currency = currency.parse().unwrap();
        let letter = Letter::AccessRestored(Restored {
            invoice: "in_1".into(),
            number: None,
            amount: Money::new(minor, currency),
            was_restricted: true,
            still_owed: false,
            waived: false,
        });
        let reader = Reader { name: None, tenant: None, language: Language::En, time_zone: TimeZone::UTC };
        let written = render::write(&letter, &reader, &site, &catalog).unwrap();
        assert!(written.text.contains(english) && written.html.contains(english), "{}", written.text);
    }
}
