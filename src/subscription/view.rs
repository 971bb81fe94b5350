//! The state of a subscription as words and buttons, for every page that tells it.

use super::{Billing, PaymentMethod, Standing, Step, Subscription, Weight, standing};
use crate::web::{Page, Tone};

/// A banner about the state of the subscription.
#[derive(Clone, Debug)]
pub struct Banner {
    /// How it is meant.
    pub tone: Tone,
    /// What it says.
    pub text: String,
    /// What helps.
    pub help: Help,
}

/// The button on a banner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Help {
    /// Pay this invoice.
    Pay(String),
    /// Open Stripe's customer portal.
    Portal {
        /// Stripe's name of the task; empty is the whole portal.
        flow: &'static str,
        /// The key of the words on the button.
        words: &'static str,
    },
    /// Go somewhere.
    Link {
        /// Where.
        to: String,
        /// The key of the words on the button.
        words: &'static str,
    },
    /// No button: nothing to do, or not for this person.
    None,
}

impl Banner {
    /// The banner of a state, if it has one.
    ///
    /// A missing payment is told by the notice on every page, with its days: then it is not told twice.
    pub fn new(page: &Page, billing: &Billing, subscription: &Subscription) -> Option<Self> {
        if page.notice().is_some() {
            return None;
        }
        let standing = standing(billing, subscription);
        let date = standing.date.map(|date| page.date(date)).unwrap_or_default();
        let text = page.ta(standing.banner?, [("date", date)]);
        Some(Self { tone: tone(standing.weight), text, help: help(page, billing, &standing) })
    }
}

/// How a state looks.
pub fn tone(weight: Weight) -> Tone {
    match weight {
        Weight::Good => Tone::Success,
        Weight::Note => Tone::Info,
        Weight::Warning => Tone::Warning,
        Weight::Trouble => Tone::Danger,
    }
}

fn help(page: &Page, billing: &Billing, standing: &Standing) -> Help {
    let payment_method = Help::Portal { flow: "payment_method_update", words: "subscription-update-payment" };
    let help = match standing.step {
        None => Help::None,
        Some(Step::Pay) => {
            billing.open_invoice.as_ref().map_or(payment_method, |invoice| Help::Pay(invoice.id.clone()))
        }
        Some(Step::PaymentMethod) => payment_method,
        Some(Step::ChoosePlan) if page.is_at("/plans") => Help::None,
        Some(Step::ChoosePlan) => Help::Link { to: "/plans".into(), words: "subscription-choose-plan" },
        Some(Step::SeePlans) if page.is_at("/plans") => Help::None,
        Some(Step::SeePlans) => Help::Link { to: "/plans".into(), words: "subscription-change-plan" },
        Some(Step::Resume) => Help::Link { to: "/subscription/resume".into(), words: "cancel-resume" },
        Some(Step::Collect) => Help::Link { to: "/subscription/collect".into(), words: "cancel-collect" },
        // Without an address to write to, what is known of the money is the best answer.
        Some(Step::Support) => page.support_email().map_or_else(
            || Help::Link { to: "/invoices".into(), words: "subscription-all-invoices" },
            |email| Help::Link { to: format!("mailto:{email}"), words: "subscription-support" },
        ),
    };
    let may_change = page.person().is_some_and(|person| person.manages_billing);
    let is_for_all = matches!(standing.step, Some(Step::ChoosePlan | Step::SeePlans | Step::Support));
    if may_change || is_for_all { help } else { Help::None }
}

/// A payment method in a few words: `Visa •••• 4242`.
pub fn payment_method(page: &Page, method: &PaymentMethod) -> String {
    let name = match method.brand.as_deref().unwrap_or(&method.kind) {
        "visa" => "Visa".to_owned(),
        "mastercard" => "Mastercard".to_owned(),
        "amex" => "American Express".to_owned(),
        "sepa_debit" => "SEPA".to_owned(),
        "paypal" => "PayPal".to_owned(),
        "link" => "Link".to_owned(),
        "card" => page.t("subscription-card"),
        other => other.replace('_', " "),
    };
    match &method.last4 {
        Some(last4) => format!("{name} •••• {last4}"),
        None => name,
    }
}
