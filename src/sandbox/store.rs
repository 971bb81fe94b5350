//! The objects, in memory: tables by kind in order of creation, an index of what is due, and a journal.
//!
//! The journal is what makes a refused request leave no trace, and what makes a preview the real thing: it runs the very code
//! of the real invoice and is then rolled back.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::billing::due::{self, Priority};
use super::json::Json;

/// The kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Charge,
    Coupon,
    Customer,
    Discount,
    Dispute,
    Event,
    EventDestination,
    Invoice,
    InvoiceItem,
    InvoicePayment,
    Meter,
    MeterEvent,
    PaymentIntent,
    PaymentMethod,
    PortalConfiguration,
    PortalSession,
    Price,
    Product,
    PromotionCode,
    Refund,
    Schedule,
    Session,
    SetupIntent,
    Subscription,
    TaxId,
    TaxRate,
    TestClock,
    ThinEvent,
    WebhookEndpoint,
}

impl Kind {
    /// How errors call it.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Coupon => "coupon",
            Self::Customer => "customer",
            Self::Discount => "discount",
            Self::Dispute => "dispute",
            Self::Event | Self::ThinEvent => "event",
            Self::EventDestination => "event destination",
            Self::Invoice => "invoice",
            Self::InvoiceItem => "invoiceitem",
            Self::InvoicePayment => "invoice_payment",
            Self::Meter => "billing meter",
            Self::MeterEvent => "meter event",
            Self::PaymentIntent => "payment_intent",
            Self::PaymentMethod => "PaymentMethod",
            Self::PortalConfiguration => "configuration",
            Self::PortalSession => "portal session",
            Self::Price => "price",
            Self::Product => "product",
            Self::PromotionCode => "promotion code",
            Self::Refund => "refund",
            Self::Schedule => "subscription_schedule",
            Self::Session => "checkout.session",
            Self::SetupIntent => "setup_intent",
            Self::Subscription => "subscription",
            Self::TaxId => "tax_id",
            Self::TaxRate => "tax_rate",
            Self::TestClock => "test clock",
            Self::WebhookEndpoint => "webhook endpoint",
        }
    }

    /// The kind that an id's prefix tells. Coupons have no prefix.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        const PREFIXES: [(&str, Kind); 25] = [
            ("ch_", Kind::Charge),
            ("cus_", Kind::Customer),
            ("di_", Kind::Discount),
            ("du_", Kind::Dispute),
            ("evt_", Kind::Event),
            ("in_", Kind::Invoice),
            ("ii_", Kind::InvoiceItem),
            ("inpay_", Kind::InvoicePayment),
            ("mtr_", Kind::Meter),
            ("pi_", Kind::PaymentIntent),
            ("pm_", Kind::PaymentMethod),
            ("bpc_", Kind::PortalConfiguration),
            ("bps_", Kind::PortalSession),
            ("price_", Kind::Price),
            ("prod_", Kind::Product),
            ("promo_", Kind::PromotionCode),
            ("re_", Kind::Refund),
            ("sub_sched_", Kind::Schedule),
            ("cs_", Kind::Session),
            ("seti_", Kind::SetupIntent),
            ("sub_", Kind::Subscription),
            ("txi_", Kind::TaxId),
            ("txr_", Kind::TaxRate),
            ("clock_", Kind::TestClock),
            ("we_", Kind::WebhookEndpoint),
        ];
        PREFIXES.iter().find(|(prefix, _)| id.starts_with(prefix)).map(|(_, kind)| *kind)
    }
}

/// When something is due, and in what order among equals: the clock it lives on (empty for the global one), the time, the
/// kind of work, the age of the object.
type DueKey = (String, i64, Priority, u64);

#[derive(Debug, Clone)]
struct Entry {
    seq: u64,
    due: Option<DueKey>,
    value: Arc<Value>,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<String, Entry>,
    order: BTreeMap<u64, String>,
}

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Store {
    tables: BTreeMap<Kind, Table>,
    due: BTreeMap<DueKey, (Kind, String)>,
    sequence: u64,
    journal: Vec<(Kind, String, Option<Entry>)>,
}

impl Store {
    /// The object, if it exists.
    pub(crate) fn get(&self, kind: Kind, id: &str) -> Option<&Arc<Value>> {
        self.tables.get(&kind)?.by_id.get(id).map(|entry| &entry.value)
    }

    /// Keeps an object, new or changed.
    pub(crate) fn put(&mut self, kind: Kind, value: Value) {
        let id = value.id();
        let previous = self.take(kind, &id);
        let seq = previous.as_ref().map_or_else(
            || {
                self.sequence += 1;
                self.sequence
            },
            |entry| entry.seq,
        );
        let due = due::of(kind, &value).map(|(at, priority)| {
            let scope = value.note("clock").as_str().or_else(|| value.look("test_clock").as_str());
            (scope.unwrap_or_default().to_owned(), at, priority, seq)
        });
        self.journal.push((kind, id.clone(), previous));
        self.insert(kind, id, Entry { seq, due, value: Arc::new(value) });
    }

    /// Removes an object.
    pub(crate) fn remove(&mut self, kind: Kind, id: &str) {
        let previous = self.take(kind, id);
        self.journal.push((kind, id.to_owned(), previous));
    }

    fn insert(&mut self, kind: Kind, id: String, entry: Entry) {
        if let Some(due) = &entry.due {
            self.due.insert(due.clone(), (kind, id.clone()));
        }
        let table = self.tables.entry(kind).or_default();
        table.order.insert(entry.seq, id.clone());
        table.by_id.insert(id, entry);
    }

    fn take(&mut self, kind: Kind, id: &str) -> Option<Entry> {
        let table = self.tables.get_mut(&kind)?;
        let entry = table.by_id.remove(id)?;
        table.order.remove(&entry.seq);
        if let Some(due) = &entry.due {
            self.due.remove(due);
        }
        Some(entry)
    }

    /// All objects of a kind, oldest first.
    pub(crate) fn all(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &Arc<Value>> {
        let table = self.tables.get(&kind);
        table.into_iter().flat_map(|table| {
            table.order.values().filter_map(|id| table.by_id.get(id).map(|entry| &entry.value))
        })
    }

    /// How many objects of a kind there are.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.tables.get(&kind).map_or(0, |table| table.by_id.len())
    }

    /// The place of an object in its kind's order of creation.
    pub(crate) fn sequence(&self, kind: Kind, id: &str) -> Option<u64> {
        self.tables.get(&kind)?.by_id.get(id).map(|entry| entry.seq)
    }

    /// What is due first on a clock (the global one when empty): the time and the object.
    pub(crate) fn next_due(&self, scope: &str) -> Option<(i64, Kind, String)> {
        let from = (scope.to_owned(), i64::MIN, Priority::FIRST, 0);
        let (key, (kind, id)) = self.due.range(from..).next()?;
        (key.0 == scope).then(|| (key.1, *kind, id.clone()))
    }

    /// A point to roll back to.
    pub(crate) fn savepoint(&self) -> usize {
        self.journal.len()
    }

    /// Undoes everything since a savepoint.
    pub(crate) fn roll_back(&mut self, savepoint: usize) {
        while self.journal.len() > savepoint {
            let Some((kind, id, previous)) = self.journal.pop() else { return };
            self.take(kind, &id);
            if let Some(entry) = previous {
                self.insert(kind, id, entry);
            }
        }
    }

    /// Makes everything so far final. Gives the ids of the events that appeared, in order.
    pub(crate) fn commit(&mut self) -> Vec<(Kind, String)> {
        let journal = std::mem::take(&mut self.journal);
        journal
            .into_iter()
            .filter(|(kind, _, previous)| matches!(kind, Kind::Event | Kind::ThinEvent) && previous.is_none())
            .map(|(kind, id, _)| (kind, id))
            .collect()
    }
}
