//! Stripe and the database torn apart in every way, and brought together again.

mod bulk;
mod command;
mod drift;
mod kinds;
mod pages;
mod runs;
mod validation;

use billing_portal::audit::{self, Actor, Entry};
use billing_portal::reconcile::store::{self, Filter, FindingRow, Run};
use billing_portal::reconcile::work::{self, Means, Step};
use billing_portal::reconcile::{RunState, State};
use billing_portal::tenants::Tenant;
use serde_json::{Value, json};
use stripe_client_core::StripeMethod;

use crate::support::world::World;

/// Who carries out the steps of these tests.
const HOLDER: &str = "a test";

impl World {
    /// Asks for something that leaves no event behind.
    async fn quietly(&self, method: StripeMethod, path: &str, form: Value) -> Value {
        self.switch("quiet", json!({ "on": true })).await;
        let answer = self.api(method, path, form).await;
        self.switch("quiet", json!({ "on": false })).await;
        answer
    }

    /// Changes an object of Stripe's behind everybody's back.
    async fn drift(&self, id: &str, path: &str, value: Value) {
        self.switch("drift", json!({ "id": id, "set": { path: value } })).await;
    }

    /// Removes an object of Stripe's behind everybody's back.
    async fn vanish(&self, id: &str) {
        self.switch("drift", json!({ "id": id, "remove": true })).await;
    }

    /// A tenant that pays for a plan: the tenant, its customer, its subscription.
    async fn subscriber(&self, name: &str, plan: &str) -> Subscriber {
        let tenant = self.portal.tenant(name).await;
        let (customer, subscription) = self.subscription(&tenant, &format!("{plan}_month"), json!({})).await;
        let (customer, subscription) =
            (customer.to_string(), subscription["id"].as_str().unwrap().to_owned());
        Subscriber { tenant, customer, subscription }
    }

    /// A subscription of a customer to a plan, as the API makes it.
    async fn subscribe_again(&self, customer: &str, tenant: &str, plan: &str) -> String {
        let new = json!({
            "customer": customer, "items": [{ "price": self.price_of(plan, "month").await }], "metadata": { "tenant_id": tenant },
        });
        self.post("/subscriptions", new).await["id"].as_str().unwrap().to_owned()
    }

    /// Lets time go by on both sides, and does what is due then.
    async fn go_by(&self, seconds: i64) {
        self.portal.clock.pass(seconds);
        self.control.pass(seconds).await.unwrap();
        self.switch("clock/advance", json!({ "seconds": seconds })).await;
        self.settle().await;
    }

    /// Writes down what tests make behind the portal's back: that tenants and users were created.
    async fn enter(&self) {
        let mut tx = self.portal.db.write().await.unwrap();
        for (table, action) in [("tenants", "tenant.created"), ("users", "user.created")] {
            let unheard = format!(
                "select id from {table} t where not exists (select 1 from audit_entries e where e.object_id = t.id)"
            );
            for (id,) in tx.query_built(unheard).all::<(String,)>().await.unwrap() {
                let entry = Entry::new(Actor::Command, action, self.portal.clock.now()).object(id);
                audit::record(&mut tx, &entry).await.unwrap();
            }
        }
        tx.commit().await.unwrap();
    }

    fn means(&self) -> Means {
        Means::from(&self.portal.app)
    }

    /// Begins a run that nobody has taken up.
    pub(crate) async fn begin(&self, repairs: bool) -> String {
        let mut tx = self.portal.db.write().await.unwrap();
        let begun =
            work::begin(&mut tx, &self.portal.clock, repairs, &Actor::Command, None, None).await.unwrap();
        tx.commit().await.unwrap();
        begun.expect("no other run is under way")
    }

    /// Takes steps until the run is through; waits where it waits.
    pub(crate) async fn finish(&self, run: &str) -> Run {
        self.finish_with(&self.means(), run).await
    }

    /// The same by other means.
    async fn finish_with(&self, means: &Means, run: &str) -> Run {
        for _ in 0..1_000 {
            let step = work::step(means, HOLDER).await.unwrap();
            let now = self.run_row(run).await;
            if now.state != RunState::Running {
                return now;
            }
            match step {
                Step::Done => {}
                Step::Until(at) => self.portal.clock.pass((at - self.portal.clock.wall().as_second()).max(0)),
                Step::Nothing => panic!("somebody else has the run: {now:?}"),
            }
        }
        panic!("the run does not end");
    }

    async fn run_row(&self, run: &str) -> Run {
        store::run(&mut self.portal.db.read().await.unwrap(), run).await.unwrap().expect("the run")
    }

    /// What a run found.
    async fn findings(&self, run: &str) -> Vec<FindingRow> {
        store::list(&mut self.portal.db.read().await.unwrap(), run, &Filter::default(), 1_000).await.unwrap()
    }

    /// A whole run: what it found, `kind object state` each.
    async fn compare(&self, repairs: bool) -> Vec<String> {
        let run = self.begin(repairs).await;
        let ended = self.finish(&run).await;
        assert_eq!(ended.state, RunState::Done, "{ended:?}");
        let words = |row: &FindingRow| format!("{} {} {}", row.kind.as_str(), row.object, row.state.as_str());
        let mut all: Vec<_> = self.findings(&run).await.iter().map(words).collect();
        all.sort();
        all
    }

    /// One run that looks, one that repairs, one that must find nothing: what the first has found, all of it repaired by the second.
    async fn heals(&self, found: &[&str]) {
        let open: Vec<_> = found.iter().map(|one| format!("{one} open")).collect();
        assert_eq!(self.compare(false).await, open);
        let repaired: Vec<_> = found.iter().map(|one| format!("{one} repaired")).collect();
        assert_eq!(self.compare(true).await, repaired);
        assert_eq!(self.compare(false).await, [""; 0]);
    }

    /// The one finding of a run that looks.
    pub(crate) async fn only(&self, found: &str) -> FindingRow {
        let run = self.begin(false).await;
        self.finish(&run).await;
        let mut all = self.findings(&run).await;
        assert_eq!(all.len(), 1, "{all:?}");
        let row = all.remove(0);
        assert_eq!(format!("{} {}", row.kind.as_str(), row.object), found);
        assert_eq!(row.state, State::Open);
        row
    }
}

/// A tenant that pays.
struct Subscriber {
    tenant: Tenant,
    customer: String,
    subscription: String,
}
