//! Doctor: each check green where all is well, and red, with a way out, where it is not.

use billing_portal::db::Db;
use billing_portal::doctor::account::{self, Patient};
use billing_portal::doctor::cli::Doctor;
use billing_portal::doctor::{Check, Report, Verdict, house};
use billing_portal::mail;
use billing_portal::stripe::calls::destinations;
use billing_portal::stripe::{Budget, Key};
use clap::Parser as _;
use serde_json::json;
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::support::databases::{FromDb as _, fresh_sqlite};
use crate::support::portal::Portal;
use crate::support::smtp::{MailServer, Mood};
use crate::support::world::World;

use Verdict::{Failure, Good, Notice, Skipped, Warning};

impl World {
    /// What doctor says of the account.
    async fn examine(&self) -> Report {
        let app = self.app();
        let patient = Patient {
            stripe: &app.stripe,
            catalog: &app.catalog,
            db: Some(&app.db),
            clock: &app.clock,
            public_url: &app.config.site.public_url,
            given_secrets: 0,
        };
        Report { checks: account::examine(&patient).await }
    }

    async fn verdict(&self, name: &str) -> Verdict {
        let report = self.examine().await;
        report.of(name).unwrap_or_else(|| panic!("{name} is not looked at: {}", report.text())).verdict
    }

    /// The path of the endpoint that setup made.
    async fn endpoint_path(&self) -> String {
        let there = self.in_stripe(StripeMethod::Get, "/webhook_endpoints", &[]).await;
        format!("/webhook_endpoints/{}", there["data"][0]["id"].as_str().unwrap())
    }
}

/// Whatever is not good says what to do.
fn all_explain(checks: &[Check]) {
    for check in checks {
        let needs = !matches!(check.verdict, Good | Skipped);
        assert_eq!(check.fix.is_some(), needs, "{check:?}");
        assert!(!check.says.is_empty());
    }
}

both_databases! {
    async fn an_installation_that_setup_made_is_sound(world: World) {
        world.install(true, false).await;
        let report = world.examine().await;
        let wrong: Vec<_> = report.checks.iter().filter(|check| check.verdict != Good).map(|check| check.name).collect();
        assert_eq!(wrong, ["stripe_mails"], "{}", report.text());
        assert!(report.is_sound());
        all_explain(&report.checks);
        let rows = house::rows(&world.portal.db, false).await;
        assert!(rows.iter().all(|check| check.verdict == Good), "{rows:?}");
    }

    async fn an_empty_account_lacks_everything_and_is_told_what_to_do(db: Db) {
        let world = World::bare(db).await;
        let before = world.stripe.exchanges().len();
        let report = world.examine().await;
        for (name, verdict) in [("catalogue", Failure), ("portal_configuration", Failure), ("webhook_secret", Failure), ("webhook_version", Warning), ("event_destination", Warning)] {
            assert_eq!(report.of(name).unwrap().verdict, verdict, "{name}: {}", report.text());
        }
        all_explain(&report.checks);
        assert!(world.stripe.exchanges()[before..].iter().all(|exchange| exchange.method == "GET"), "doctor changes nothing");
        let rows = house::rows(&world.portal.db, false).await;
        assert_eq!(rows.iter().find(|check| check.name == "plans").unwrap().verdict, Failure);
    }

    async fn a_key_that_is_refused_leaves_the_rest_unasked(world: World) {
        world.switch("faults", json!({ "path": "/v1/account", "status": 401, "times": 1 })).await;
        let report = world.examine().await;
        assert_eq!(report.of("key").unwrap().verdict, Failure);
        assert!(report.checks[1..].iter().all(|check| check.verdict == Skipped), "{}", report.text());
        all_explain(&report.checks);
        // The sandbox's way of refusing is judged, not described by Stripe.
        world.stripe.forget();
    }

    async fn a_stripe_that_cannot_be_reached_is_told_from_a_key_that_is_refused(portal: Portal) {
        let app = &portal.app;
        let patient = Patient {
            stripe: &app.stripe,
            catalog: &app.catalog,
            db: Some(&app.db),
            clock: &app.clock,
            public_url: &app.config.site.public_url,
            given_secrets: 0,
        };
        let report = Report { checks: account::examine(&patient).await };
        let key = report.of("key").unwrap();
        assert!(key.verdict == Failure && key.says.contains("could not be tried"), "{key:?}");
        assert!(key.fix.as_deref().unwrap().contains("STRIPE_API_BASE"));
        assert_eq!(report.of("webhook_secret").unwrap().verdict, Skipped);
        assert!(report.checks[1..].iter().all(|check| check.verdict == Skipped), "{}", report.text());
    }

    async fn what_stripe_does_not_tell_is_skipped_by_name(world: World) {
        world.install(true, false).await;
        world.switch("faults", json!({ "path": "/v1/webhook_endpoints", "status": 403, "times": 1 })).await;
        let report = world.examine().await;
        assert_eq!(report.of("webhook_endpoint").unwrap().verdict, Warning, "{}", report.text());
        for name in ["webhook_events", "webhook_version", "webhook_secret"] {
            assert_eq!(report.of(name).unwrap().verdict, Skipped, "{name}: {}", report.text());
        }
        assert_eq!(report.of("catalogue").unwrap().verdict, Good);
        world.stripe.forget();
    }

    async fn the_endpoint_is_looked_at_from_every_side(world: World) {
        world.install(true, false).await;
        let path = world.endpoint_path().await;
        world.in_stripe(StripeMethod::Post, &path, &[("disabled", "true")]).await;
        assert_eq!(world.verdict("webhook_endpoint").await, Failure);
        world.in_stripe(StripeMethod::Post, &path, &[("disabled", "false"), ("enabled_events[0]", "invoice.paid")]).await;
        assert_eq!((world.verdict("webhook_endpoint").await, world.verdict("webhook_events").await), (Good, Failure));
        world.install(false, false).await;
        assert_eq!(world.verdict("webhook_events").await, Good);
        world.portal.run("update webhook_secrets set sealed = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'").await;
        assert_eq!(world.verdict("webhook_secret").await, Failure);
        world.portal.run("delete from webhook_secrets").await;
        assert_eq!(world.verdict("webhook_secret").await, Failure);
        let other = world.endpoint().to_string();
        world.in_stripe(StripeMethod::Post, "/webhook_endpoints", &[("url", &other), ("enabled_events[0]", "*")]).await;
        assert_eq!(world.verdict("webhook_endpoint").await, Warning, "two of them");
        for _ in 0..2 {
            let path = world.endpoint_path().await;
            world.in_stripe(StripeMethod::Delete, &path, &[]).await;
        }
        let report = world.examine().await;
        assert_eq!(report.of("webhook_endpoint").unwrap().verdict, Failure, "{}", report.text());
        all_explain(&report.checks);
    }

    async fn the_event_destination_is_looked_at_from_every_side(world: World) {
        world.install(true, false).await;
        let stripe = &world.app().stripe;
        let one = destinations::list(stripe, Budget::page()).await.unwrap().value.remove(0);
        assert_eq!(world.verdict("event_destination").await, Good);
        let disable = RequestBuilder::new(StripeMethod::Post, format!("/v2/core/event_destinations/{}/disable", one.id));
        stripe.call::<serde_json::Value>(disable, None, Budget::page()).await.unwrap();
        assert_eq!(world.verdict("event_destination").await, Warning, "switched off");
        destinations::enable(stripe, &one.id, &Key::random(), Budget::page()).await.unwrap();
        destinations::update(stripe, &one.id, &["v1.billing.meter.no_meter_found"], &Key::random(), Budget::page()).await.unwrap();
        assert_eq!(world.verdict("event_destination").await, Warning, "sent half of it");
        world.install(false, false).await;
        assert_eq!(world.verdict("event_destination").await, Good);
        world.portal.run("delete from webhook_secrets where kind = 'destination'").await;
        assert_eq!(world.verdict("event_destination").await, Warning, "of an unknown secret");
        all_explain(&world.examine().await.checks);
        world.switch("faults", json!({ "path": "/v2/core", "status": 403 })).await;
        let report = world.examine().await;
        let check = report.of("event_destination").unwrap();
        assert_eq!(check.verdict, Notice);
        assert!(check.fix.as_ref().unwrap().contains("Add destination"), "{check:?}");
        destinations::delete(stripe, &one.id, Budget::page()).await.unwrap();
        assert_eq!(world.verdict("event_destination").await, Warning, "none");
    }

    async fn what_somebody_changed_in_stripe_is_seen(world: World) {
        world.install(true, false).await;
        world.in_stripe(StripeMethod::Post, "/products/plan_starter", &[("name", "Beginner")]).await;
        assert_eq!(world.verdict("catalogue").await, Warning);
        world.portal.run("delete from setup_objects").await;
        assert_eq!(world.verdict("portal_configuration").await, Warning);
        world.switch("settings", json!({ "tax_is_active": false, "charges_enabled": false })).await;
        assert_eq!((world.verdict("tax").await, world.verdict("account").await), (Failure, Notice));
        world.portal.clock.pass(100);
        assert_eq!(world.verdict("clock").await, Warning);
        world.portal.clock.pass(300);
        assert_eq!(world.verdict("clock").await, Failure);
        all_explain(&world.examine().await.checks);
    }

    async fn receipts_that_stripe_mails_are_told_and_what_it_never_tells_is_to_be_looked_at(world: World) {
        world.install(true, false).await;
        let tenant = world.portal.tenant("Norte").await;
        world.subscription(&tenant, "starter_month", json!({})).await;
        let report = world.examine().await;
        assert!(report.of("stripe_receipts").is_none(), "in test mode their absence tells nothing: {}", report.text());
        let look = report.of("stripe_mails").unwrap();
        assert!(look.verdict == Notice && look.fix.as_deref().unwrap().contains("successful"), "{look:?}");

        world.switch("settings", json!({ "mails_receipts": true })).await;
        let other = world.portal.tenant("Sur").await;
        world.subscription(&other, "starter_month", json!({})).await;
        let report = world.examine().await;
        let receipts = report.of("stripe_receipts").unwrap();
        assert_eq!(receipts.verdict, Warning, "{}", report.text());
        assert!(receipts.says.contains("1 of the latest 2 payments"), "{receipts:?}");
        let look = report.of("stripe_mails").unwrap();
        assert!(look.verdict == Notice && !look.fix.as_deref().unwrap().contains("successful"), "{look:?}");
        assert!(report.is_sound(), "nothing of it is a failure");
        all_explain(&report.checks);

        world.switch("faults", json!({ "path": "/v1/charges", "status": 403, "times": 1 })).await;
        assert_eq!(world.verdict("stripe_receipts").await, Warning);
        world.stripe.forget();
    }

    async fn rows_of_the_other_mode_parked_events_and_alarms_are_seen(world: World) {
        let tenant = world.portal.tenant("Acme").await;
        world.portal.run(&format!("insert into customers (id, tenant_id, livemode, seen_at) values ('cus_1', '{}', true, 0)", tenant.id)).await;
        world.portal.run("insert into webhook_events (id, type, livemode, created_at, payload, payload_hash, state, due_at, received_at)
            values ('evt_p', 'a', false, 5, '{}', '', 'parked', 0, 7)").await;
        world.portal.run("insert into alarms (cause, kind, detail, since, seen_at) values ('webhooks_silent', 'webhooks_silent', 'quiet', 0, 0)").await;
        let rows = house::rows(&world.portal.db, false).await;
        let verdict = |name: &str| rows.iter().find(|check| check.name == name).unwrap().verdict;
        assert_eq!((verdict("mode"), verdict("events"), verdict("alarm")), (Failure, Warning, Failure));
        all_explain(&rows);
        assert_eq!(house::rows(&world.portal.db, true).await[0].verdict, Good);
    }

    async fn the_database_says_whether_it_keeps_what_it_was_given(db: Db) {
        let checks = house::inside(&db).await;
        assert_eq!((checks[0].name, checks[0].verdict), ("database", Good));
        let is_durable = match &db {
            Db::Sqlite { .. } => true,
            Db::Postgres { .. } => {
                let mut tx = db.read().await.unwrap();
                let on = "select current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on' and current_setting('synchronous_commit') <> 'off'";
                tx.query_built(on.to_owned()).one::<(bool,)>().await.unwrap().0
            }
        };
        assert_eq!(checks[1].verdict, if is_durable { Good } else { Failure }, "{checks:?}");
    }

    async fn tables_that_are_not_up_to_date_are_a_failure(db: Db) {
        let mut tx = db.write().await.unwrap();
        let last = "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)";
        tx.query_built(last.to_owned()).run().await.unwrap();
        tx.commit().await.unwrap();
        let checks = house::inside(&db).await;
        assert_eq!((checks.len(), checks[0].verdict), (1, Failure));
        all_explain(&checks);
    }
}

#[tokio::test]
async fn a_mail_server_is_greeted_and_an_address_judged_by_the_mode() {
    let server = MailServer::start().await;
    let sender = "Billing <billing@portal.example>".parse().unwrap();
    let settings =
        mail::Settings { server: Some((server.url().parse().unwrap(), sender)), reveals_secrets: false };
    let verdicts = async |settings: &mail::Settings, support| {
        let checks = house::post(settings, support).await;
        all_explain(&checks);
        [checks[0].verdict, checks[1].verdict]
    };
    assert_eq!(verdicts(&settings, Some("help@portal.example")).await, [Good, Good]);
    assert_eq!(server.mails(), Vec::<String>::new(), "a greeting is no mail");
    server.be(Mood::Absent);
    assert_eq!(verdicts(&settings, None).await, [Failure, Warning]);
    assert_eq!(verdicts(&mail::Settings::default(), None).await, [Warning, Warning]);

    let (plain, encrypted) =
        ("http://billing.test/".parse().unwrap(), "https://billing.test/".parse().unwrap());
    let address = |url, live| house::address(url, live).verdict;
    assert_eq!(
        [address(&plain, true), address(&plain, false), address(&encrypted, true)],
        [Failure, Notice, Good]
    );
}

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    doctor: Doctor,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_looks_at_everything_whatever_fails() {
    let (db, folder) = fresh_sqlite().await;
    let world = World::from_db(db).await;
    world.install(true, false).await;
    let url = format!("sqlite://{}", folder.path().join("portal.db").display());
    let public = world.app().config.site.public_url.to_string();
    let clock = &world.portal.clock;
    let base = world.stripe.url().to_owned();
    let line = [
        "doctor",
        "--database-url",
        &url,
        "--stripe-api-base",
        &base,
        "--stripe-secret-key",
        "sk_test_portal",
        "--public-url",
        &public,
        "--stripe-redirect-origins",
        &base,
    ];
    let report = Line::parse_from(line).doctor.examine(clock).await;
    assert!(report.is_sound(), "{}", report.text());
    assert!(report.text().contains("0 failed"), "{}", report.text());

    let nowhere = format!("sqlite://{}", folder.path().join("none.db").display());
    let line = [
        "doctor",
        "--database-url",
        &nowhere,
        "--stripe-api-base",
        &base,
        "--stripe-secret-key",
        "pk_test_wrong",
        "--smtp-url",
        "nonsense",
    ];
    let report = Line::parse_from(line).doctor.examine(clock).await;
    for name in ["key", "configuration", "database"] {
        assert_eq!(report.of(name).unwrap().verdict, Failure, "{}", report.text());
    }
    assert!(!folder.path().join("none.db").exists(), "doctor makes no database");
    assert!(!report.is_sound());

    // Scripts go by the exit code.
    let program = |arguments: &[&str]| {
        let (base, url, public) = (base.clone(), url.clone(), public.clone());
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_billing-portal"));
        command.env_clear().arg("doctor").args(arguments);
        command.args(["--database-url", &url, "--stripe-api-base", &base, "--public-url", &public]);
        command.args(["--stripe-redirect-origins", &base]);
        async move { tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap() }
    };
    let sound = program(&["--stripe-secret-key", "sk_test_portal", "--format", "json"]).await;
    let told: serde_json::Value = serde_json::from_slice(&sound.stdout).unwrap();
    // The program's clock is the machine's and the sandbox's is the test's: that alone fails.
    let failed: Vec<_> =
        told["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == "failure").collect();
    assert!(failed.iter().all(|check| check["name"] == "clock"), "{failed:?}");
    assert_eq!(sound.status.code(), Some(i32::from(!failed.is_empty())));
    assert_eq!(told["sound"], failed.is_empty());
    let wrong = program(&["--stripe-secret-key", "pk_test_wrong"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stdout).contains("FAILED   key"));
    let deaf = program(&["--log", "info,portal=loud"]).await;
    let said = String::from_utf8_lossy(&deaf.stderr);
    assert!(
        deaf.status.code() == Some(1) && said.contains("LOG:") && said.contains("info,portal=loud"),
        "{said}"
    );
}

#[test]
fn who_may_use_the_api_is_said_either_way() {
    let says = [true, false].map(house::tokens);
    assert!(says.iter().all(|check| check.verdict == Good));
    assert!(says[0].says.contains("tokens") && says[1].says.contains("API keys alone"), "{says:?}");
}

#[test]
fn a_server_in_stripes_place_has_to_be_named_before_browsers_are_sent_there() {
    let url = |words: &str| words.parse::<url::Url>().unwrap();
    let judged = |base: &str, allowed: &str| house::redirects(&url(base), &[url(allowed)]);
    let stripe = "https://checkout.stripe.com";
    assert_eq!(judged("https://api.stripe.com", stripe), None);
    let here = judged("http://127.0.0.1:12111/", stripe).unwrap();
    assert!(
        here.fix.as_deref().unwrap().contains("STRIPE_REDIRECT_ORIGINS=http://127.0.0.1:12111"),
        "{here:?}"
    );
    let verdict = |base: &str, allowed: &str| judged(base, allowed).unwrap().verdict;
    assert_eq!(verdict("http://127.0.0.1:12111/", "http://127.0.0.1:12111"), Good);
    assert_eq!(verdict("http://127.0.0.1:12111/", "http://127.0.0.1:12112"), Failure);
}

#[tokio::test]
async fn a_database_that_forgets_at_a_power_cut_is_a_failure() {
    let (db, folder) = fresh_sqlite().await;
    db.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("portal.db"));
    let options = options
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Off);
    let pool = sqlx::sqlite::SqlitePoolOptions::new().connect_with(options).await.unwrap();
    let checks = house::inside(&Db::Sqlite { read: pool.clone(), write: pool }).await;
    assert_eq!(checks[1].verdict, Failure, "{checks:?}");
    assert!(checks[1].says.contains("synchronous is 0"), "{checks:?}");
}
