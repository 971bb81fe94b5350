//! A portal that hears of the story.

use std::collections::{BTreeMap, BTreeSet};

use billing_portal::db::Db;
use billing_portal::stripe::signature;
use billing_portal::sync;
use billing_portal::tenants::Tenant;
use billing_portal::usage::{Event, Report};
use billing_portal::worker;
use http::{Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use super::story::{METRIC, Story};
use crate::support::portal::{Portal, WEBHOOK_SECRET};

/// An entry, as far as it is the same in every portal that hears the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Told {
    pub(super) action: String,
    pub(super) object: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl Told {
    /// Whether it tells of a step of an object of Stripe's, and not of something with a cause of its own.
    pub(super) fn is_step(&self) -> bool {
        let (thing, deed) = self.action.split_once('.').unwrap();
        ["customer", "subscription", "invoice", "charge"].contains(&thing)
            && ["attached", "started", "created", "made", "changed", "removed"].contains(&deed)
    }
}

/// One portal, its tenant, and what of the history it has been told.
pub(super) struct Hearer {
    pub(super) portal: Portal,
    pub(super) tenant: Tenant,
    pub(super) heard: usize,
}

impl Hearer {
    pub(super) async fn new(db: Db, story: &Story) -> Self {
        let portal = Portal::with_stripe(db, story.stripe.url().parse().unwrap(), "http://billing.test/");
        let tenant = portal.tenant("Acme").await;
        sync::catalogue(&portal.db, &portal.app.stripe).await.unwrap();
        let mut tx = portal.db.write().await.unwrap();
        let customer = story.customer.parse().unwrap();
        assert!(sync::store::attach(&mut tx, tenant.id.as_str(), &customer, false, 0).await.unwrap());
        tx.commit().await.unwrap();
        Self { portal, tenant, heard: 0 }
    }

    /// An event at the door, really signed.
    pub(super) async fn deliver(&self, event: &Value) {
        let body = event.to_string();
        let header =
            signature::sign(body.as_bytes(), &WEBHOOK_SECRET.parse().unwrap(), self.portal.clock.wall());
        let request = Request::post("/webhooks/stripe").header("stripe-signature", header);
        let request = request.body(axum::body::Body::from(body)).unwrap();
        assert_eq!(self.portal.router.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
    }

    /// What a worker held that broke off is free again, as it is when its leases run out.
    pub(super) async fn free(&self) {
        for sql in [
            "update customer_sync set lease_until = 0, lease_holder = null, due_at = 0",
            "update webhook_events set due_at = 0 where state = 'pending'",
            "update mails set due_at = 0 where state = 'sending' and handed_at is null",
            "update dunning_cases set lease_until = 0",
            "update customers set details_due_at = 0 where details_due_at is not null",
        ] {
            self.portal.run(sql).await;
        }
    }

    /// Works until nothing waits.
    pub(super) async fn settle(&self) {
        for _ in 0..40 {
            worker::settle(&self.portal.app).await;
            let waiting = "select (select count(*) from webhook_events where state = 'pending')
                + (select count(*) from customer_sync) + (select count(*) from mails where state in ('waiting', 'sending'))
                + (select count(*) from dunning_cases where lease_until > 0) + (select count(*) from notices where state = 'asked')";
            if self.portal.count(waiting).await == 0 {
                return;
            }
            self.free().await;
        }
        panic!("the queue does not drain");
    }

    /// Hears of use as the host application reports it, each report as often as it is told.
    pub(super) async fn used(&self, quantity: i64, key: &str, times: usize) {
        let now = self.portal.clock.now();
        for _ in 0..times {
            let report = Report {
                metric: METRIC.into(),
                quantity: Some(quantity),
                idempotency_key: key.into(),
                ..Report::default()
            };
            let event = Event::new(&self.tenant.id, &self.portal.app.catalog, report, now).unwrap();
            self.portal.app.usage.record(vec![event]).await.unwrap();
        }
    }

    /// All mails: whom each tells what, under its cause, which names its kind. Tenants' ids are of one portal alone.
    pub(super) async fn mails(&self) -> BTreeMap<String, String> {
        let mut tx = self.portal.db.read().await.unwrap();
        let sql = "select cause, kind, 'to ' || coalesce(address, '') || ' of ' || coalesce(tenant_id, '') || coalesce(user_id, '')
            || ' ' || data, state from mails";
        let rows: Vec<(String, String, String, String)> = tx.query_built(sql.to_owned()).all().await.unwrap();
        let mut mails = BTreeMap::new();
        for (cause, kind, told, state) in rows {
            assert_eq!(state, "kept", "{cause}");
            assert!(cause.starts_with(&format!("{kind}:")), "{cause}");
            assert_eq!(mails.insert(self.plain(&cause), self.plain(&told)), None, "once");
        }
        mails
    }

    fn plain(&self, text: &str) -> String {
        text.replace(self.tenant.id.as_str(), "TENANT")
    }

    /// All entries, in the order in which they were written; of a mail, its cause stands for its id.
    pub(super) async fn entries(&self) -> Vec<Told> {
        let mut tx = self.portal.db.read().await.unwrap();
        let order = match &self.portal.db {
            Db::Sqlite { .. } => "e.rowid",
            // Who writes of an object holds its customer's lease: transactions have their numbers in that order.
            Db::Postgres { .. } => {
                "cast(cast(e.xmin as text) as bigint), cast(cast(e.cmin as text) as bigint)"
            }
        };
        let sql = format!(
            "select e.action, coalesce(m.cause, e.object_id, ''), e.before, e.after from audit_entries e
             left join mails m on m.id = e.object_id order by {order}"
        );
        let rows: Vec<(String, String, Option<String>, Option<String>)> =
            tx.query_built(sql).all().await.unwrap();
        let told = |(action, object, before, after): (String, String, Option<String>, Option<String>)| {
            let plain = |text: Option<String>| text.map(|text| self.plain(&text));
            Told { object: self.plain(&object), action, before: plain(before), after: plain(after) }
        };
        rows.into_iter().map(told).collect()
    }

    /// Every mail and every entry, as they stand.
    pub(super) async fn everything(&self) -> BTreeSet<String> {
        let mut tx = self.portal.db.read().await.unwrap();
        let sql = "select 'mail ' || id || ' ' || cause || ' ' || state || ' ' || attempts || ' ' || data from mails
            union all select 'entry ' || id || ' ' || action || coalesce(before, '') || coalesce(after, '') from audit_entries
            union all select 'case ' || invoice_id || ' ' || state from dunning_cases
            union all select 'step ' || invoice_id || ' ' || step || ' ' || state from dunning_steps";
        let rows: Vec<(String,)> = tx.query_built(sql.to_owned()).all().await.unwrap();
        rows.into_iter().map(|(row,)| row).collect()
    }
}
