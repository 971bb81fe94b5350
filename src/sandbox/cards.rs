//! The test cards of Stripe's documentation. No other number is taken, and none is a real card's.

/// What a card does when it is charged, or attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// It pays.
    Pays,
    /// It is refused, when it is attached already.
    Refused(Decline),
    /// It can be attached, and is refused when it is charged.
    RefusedLater(Decline),
    /// It asks for authentication, until it was set up with it.
    Authenticates,
    /// It asks for authentication at every payment.
    AlwaysAuthenticates,
    /// It pays, and its holder disputes the charge.
    Disputes,
}

/// Why a card is refused: Stripe's code, decline code and words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decline {
    /// The error's code.
    pub(crate) code: &'static str,
    /// The bank's reason.
    pub(crate) decline_code: Option<&'static str>,
    /// Words for the customer.
    pub(crate) message: &'static str,
}

/// A test card.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestCard {
    /// Its number.
    pub(crate) number: &'static str,
    /// Its brand.
    pub(crate) brand: &'static str,
    /// Credit, debit or prepaid.
    pub(crate) funding: &'static str,
    /// The ids under which Stripe's clients know it.
    pub(crate) names: &'static [&'static str],
    /// What it does.
    pub(crate) behavior: Behavior,
}

const fn decline(reason: &'static str, message: &'static str) -> Decline {
    Decline { code: "card_declined", decline_code: Some(reason), message }
}

/// The plain refusal.
pub(crate) const DECLINED: Decline = decline("generic_decline", "Your card was declined.");
const FUNDS: Decline = decline("insufficient_funds", "Your card has insufficient funds.");
const LOST: Decline = decline("lost_card", "Your card was declined.");
const STOLEN: Decline = decline("stolen_card", "Your card was declined.");
const EXPIRED: Decline =
    Decline { code: "expired_card", decline_code: None, message: "Your card has expired." };
const CVC: Decline =
    Decline { code: "incorrect_cvc", decline_code: None, message: "Your card's security code is incorrect." };
const PROCESSING: Decline = Decline {
    code: "processing_error",
    decline_code: None,
    message: "An error occurred while processing your card. Try again in a little bit.",
};

const fn card(
    number: &'static str,
    brand: &'static str,
    names: &'static [&'static str],
    behavior: Behavior,
) -> TestCard {
    TestCard { number, brand, funding: "credit", names, behavior }
}

const CARDS: &[TestCard] = &[
    card("4242424242424242", "visa", &["pm_card_visa", "tok_visa"], Behavior::Pays),
    TestCard {
        number: "4000056655665556",
        brand: "visa",
        funding: "debit",
        names: &["pm_card_visa_debit", "tok_visa_debit"],
        behavior: Behavior::Pays,
    },
    card("5555555555554444", "mastercard", &["pm_card_mastercard", "tok_mastercard"], Behavior::Pays),
    card("378282246310005", "amex", &["pm_card_amex", "tok_amex"], Behavior::Pays),
    card("6011111111111117", "discover", &["pm_card_discover", "tok_discover"], Behavior::Pays),
    card(
        "4000000000000002",
        "visa",
        &["pm_card_chargeDeclined", "pm_card_visa_chargeDeclined", "tok_chargeDeclined"],
        Behavior::Refused(DECLINED),
    ),
    card(
        "4000000000009995",
        "visa",
        &["pm_card_chargeDeclinedInsufficientFunds", "pm_card_visa_chargeDeclinedInsufficientFunds"],
        Behavior::Refused(FUNDS),
    ),
    card(
        "4000000000009987",
        "visa",
        &["pm_card_chargeDeclinedLostCard", "pm_card_visa_chargeDeclinedLostCard"],
        Behavior::Refused(LOST),
    ),
    card(
        "4000000000009979",
        "visa",
        &["pm_card_chargeDeclinedStolenCard", "pm_card_visa_chargeDeclinedStolenCard"],
        Behavior::Refused(STOLEN),
    ),
    card(
        "4000000000000069",
        "visa",
        &["pm_card_chargeDeclinedExpiredCard", "tok_chargeDeclinedExpiredCard"],
        Behavior::Refused(EXPIRED),
    ),
    card(
        "4000000000000127",
        "visa",
        &["pm_card_chargeDeclinedIncorrectCvc", "tok_chargeDeclinedIncorrectCvc"],
        Behavior::Refused(CVC),
    ),
    card(
        "4000000000000119",
        "visa",
        &["pm_card_chargeDeclinedProcessingError", "tok_chargeDeclinedProcessingError"],
        Behavior::Refused(PROCESSING),
    ),
    card(
        "4000000000000341",
        "visa",
        &["pm_card_chargeCustomerFail", "pm_card_visa_chargeCustomerFail", "tok_chargeCustomerFail"],
        Behavior::RefusedLater(DECLINED),
    ),
    card(
        "4000002500003155",
        "visa",
        &["pm_card_authenticationRequiredOnSetup", "pm_card_threeDSecureRequiredOnSetup"],
        Behavior::Authenticates,
    ),
    card(
        "4000002760003184",
        "visa",
        &["pm_card_authenticationRequired", "pm_card_threeDSecure2Required"],
        Behavior::AlwaysAuthenticates,
    ),
    card("4000000000000259", "visa", &["pm_card_createDispute", "tok_createDispute"], Behavior::Disputes),
];

/// The card with a number, spaces and dashes aside.
pub(crate) fn by_number(number: &str) -> Option<&'static TestCard> {
    let digits: String = number.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect();
    CARDS.iter().find(|card| card.number == digits)
}

/// The card behind one of Stripe's test ids, such as `pm_card_visa`.
pub(crate) fn by_name(name: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.names.contains(&name))
}

/// Any other number: a real card has no place here.
pub(crate) const NOT_A_TEST_CARD: Decline = decline(
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card. Use one of Stripe's test cards.",
);
