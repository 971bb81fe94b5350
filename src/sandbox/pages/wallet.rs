//! The card part of a form: what it offers, and what was chosen in it.

use serde_json::Value;

use super::answer::{Fields, Problem};
use super::words::Words;
use crate::sandbox::actions::CardInput;
use crate::sandbox::errors::ApiError;
use crate::sandbox::json::Json as _;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// What the form offers.
#[derive(Default)]
pub(crate) struct Wallet {
    /// Cards that the customer has saved.
    pub(crate) saved: Vec<Offer>,
    /// Cards of Stripe's documentation, to choose instead of typing.
    pub(crate) tests: Vec<Offer>,
    /// The value of the choice that is marked.
    pub(crate) chosen: String,
    pub(crate) number: String,
    pub(crate) expiry: String,
    pub(crate) holder: String,
}

/// A card to choose.
pub(crate) struct Offer {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) label: String,
}

/// A card that was chosen. No `Debug`: it may hold a number.
pub(crate) enum Chosen {
    /// The one that the customer has saved.
    OnFile,
    /// The one that was typed, or the test card in its place.
    New(CardInput),
}

/// The test cards that the forms offer; the engine knows more of them by number.
const TESTS: [&str; 10] = [
    "4242424242424242",
    "5555555555554444",
    "4000002500003155",
    "4000000000000002",
    "4000000000009995",
    "4000000000009987",
    "4000000000000069",
    "4000000000000127",
    "4000000000000259",
    "4000000000000341",
];

/// The value of the choice of the saved card.
const ON_FILE: &str = "on-file";
/// The value of the choice "a card typed here".
const TYPED: &str = "typed";
/// Before the number in the value of a test card's choice.
const TEST: &str = "test-";

impl Wallet {
    /// The form as it is first shown. A saved card, where there is one, is offered first.
    pub(super) fn new(words: Words, on_file: Option<&Value>) -> Self {
        let saved = on_file.map(|card| Offer {
            id: ON_FILE.to_owned(),
            number: String::new(),
            label: describe(words, card),
        });
        let chosen = if saved.is_some() { ON_FILE } else { TYPED };
        let saved = saved.into_iter().collect();
        Self { saved, tests: tests(words), chosen: chosen.to_owned(), ..Self::default() }
    }

    /// The form as it was sent, to be shown again; never the security code.
    pub(super) fn again(mut self, fields: &Fields) -> Self {
        if !fields.get("card").is_empty() {
            fields.get("card").clone_into(&mut self.chosen);
        }
        fields.get("number").clone_into(&mut self.number);
        fields.get("expiry").clone_into(&mut self.expiry);
        fields.get("holder").clone_into(&mut self.holder);
        self
    }
}

fn tests(words: Words) -> Vec<Offer> {
    let offer = |number: &&str| Offer {
        id: format!("{TEST}{number}"),
        number: spaced(number),
        label: words.say(&format!("test-card-{number}")),
    };
    TESTS.iter().map(offer).collect()
}

fn spaced(number: &str) -> String {
    number.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

/// The cards of a customer, oldest first.
pub(super) fn cards_of(state: &State, customer: &str) -> Vec<Value> {
    let of_customer =
        |card: &&std::sync::Arc<Value>| !customer.is_empty() && card.text("customer") == customer;
    state.store.all(Kind::PaymentMethod).filter(of_customer).map(|card| Value::clone(card)).collect()
}

/// "Visa ending in 4242".
pub(super) fn name(words: Words, card: &Value) -> String {
    let mut brand = card.text("/card/brand").chars();
    let brand = brand.next().map(|first| first.to_uppercase().chain(brand).collect()).unwrap_or_default();
    words.fill_all("card-name", [("brand", brand), ("last4", card.text("/card/last4").to_owned())])
}

/// "Visa ending in 4242, expires 4/2030".
pub(super) fn describe(words: Words, card: &Value) -> String {
    words.fill_all(
        "card-expires",
        [
            ("card", name(words, card)),
            ("month", card.int("/card/exp_month").to_string()),
            ("year", card.int("/card/exp_year").to_string()),
        ],
    )
}

/// Reads the choice. `now` is in unix seconds.
pub(super) fn choose(fields: &Fields, on_file: bool, now: i64, words: Words) -> Result<Chosen, Vec<Problem>> {
    let choice = fields.get("card");
    if on_file && choice == ON_FILE {
        return Ok(Chosen::OnFile);
    }
    if let Some(number) = choice.strip_prefix(TEST).filter(|number| TESTS.contains(number)) {
        let (year, _) = year_and_month(now);
        let expiry = (i64::from(year) + 4, 12);
        return Ok(Chosen::New(input(fields, number.to_owned(), expiry)));
    }
    typed(fields, now, words).map(Chosen::New)
}

fn input(fields: &Fields, number: String, (exp_year, exp_month): (i64, i64)) -> CardInput {
    let name = Some(fields.get("holder").to_owned()).filter(|name| !name.is_empty());
    CardInput { number, exp_month, exp_year, name, ..CardInput::default() }
}

fn typed(fields: &Fields, now: i64, words: Words) -> Result<CardInput, Vec<Problem>> {
    let mut problems = Vec::new();
    let number = digits(fields.get("number"));
    if number.is_empty() {
        problems.push(Problem::of("number", words.say("card-number-missing")));
    } else if !(12..=19).contains(&number.len()) || !passes_luhn(&number) {
        problems.push(Problem::of("number", words.say("card-number-wrong")));
    }
    let expiry = expiry(fields.get("expiry"));
    match expiry {
        None => problems.push(Problem::of("expiry", words.say("card-expiry-wrong"))),
        Some(expiry) if expiry < year_and_month(now) => {
            problems.push(Problem::of("expiry", words.say("card-expired")));
        }
        Some(_) => {}
    }
    let cvc = digits(fields.get("cvc"));
    if !(3..=4).contains(&cvc.len()) || cvc.parse::<u16>().is_err() {
        problems.push(Problem::of("cvc", words.say("card-cvc-wrong")));
    }
    match expiry {
        Some((year, month)) if problems.is_empty() => Ok(input(fields, number, (year.into(), month.into()))),
        _ => Err(problems),
    }
}

/// Whether a refusal is the bank's wish to be asked.
pub(super) fn wants_bank(refusal: &ApiError) -> bool {
    refusal.field("code").ends_with("_payment_intent_requires_action")
}

/// What to say about a refused card, at its field where it is one field's fault.
pub(super) fn refusal(words: Words, refusal: &ApiError) -> Problem {
    match refusal.field("code") {
        "invalid_expiry_month" | "invalid_expiry_year" => Problem::of("expiry", words.say("card-expired")),
        _ if refusal.field("decline_code") == "test_mode_live_card" => {
            Problem::of("number", words.say("card-not-a-test-card"))
        }
        _ if refusal.status() == 402 => {
            Problem::of_page(words.fill("payment-was-declined", "reason", words.decline(refusal)))
        }
        _ => Problem::of_page(refusal.field("message")),
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>()
}

/// Luhn's check digit. Anything but digits fails.
fn passes_luhn(number: &str) -> bool {
    let mut sum = 0;
    for (index, digit) in number.chars().rev().enumerate() {
        let Some(digit) = digit.to_digit(10) else { return false };
        let doubled = if index % 2 == 1 { digit * 2 } else { digit };
        sum += if doubled > 9 { doubled - 9 } else { doubled };
    }
    sum % 10 == 0
}

/// `04/30`, `4 / 2030`, `0430`: year and month.
fn expiry(text: &str) -> Option<(i16, i8)> {
    let text = digits(text);
    let (month, year) = text.split_once('/').or_else(|| (text.len() == 4).then(|| text.split_at(2)))?;
    let month = month.parse::<i8>().ok().filter(|month| (1..=12).contains(month))?;
    let year = match (year.len(), year.parse::<i16>().ok()?) {
        (2, year) => 2000 + year,
        (4, year) if (2000..2100).contains(&year) => year,
        _ => return None,
    };
    Some((year, month))
}

fn year_and_month(now: i64) -> (i16, i8) {
    let now = jiff::Timestamp::from_second(now).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    (now.year(), now.month())
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;

    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn chosen(form: &'static str) -> Result<Chosen, Vec<&'static str>> {
        let fields = Fields::parse(&Bytes::from_static(form.as_bytes()));
        choose(&fields, false, NOW, Words::English)
            .map_err(|problems| problems.iter().map(|problem| problem.field).collect())
    }

    #[test]
    fn a_typed_card_is_read_however_it_is_spaced() {
        for form in [
            "card=typed&number=4242+4242+4242+4242&expiry=04+%2F+30&cvc=123",
            "number=4242-4242-4242-4242&expiry=0430&cvc=1234",
            "number=4242424242424242&expiry=4%2F2030&cvc=123",
        ] {
            let Ok(Chosen::New(card)) = chosen(form) else { panic!("{form}") };
            assert_eq!((card.number.as_str(), card.exp_month, card.exp_year), ("4242424242424242", 4, 2030));
        }
    }

    #[test]
    fn each_field_is_told_what_is_wrong_with_it() {
        assert_eq!(chosen("").err(), Some(vec!["number", "expiry", "cvc"]));
        assert_eq!(chosen("number=4242424242424241&expiry=04%2F30&cvc=123").err(), Some(vec!["number"]));
        assert_eq!(chosen("number=4242424242424242&expiry=13%2F30&cvc=123").err(), Some(vec!["expiry"]));
        assert_eq!(chosen("number=4242424242424242&expiry=08%2F26&cvc=123").err(), Some(vec!["expiry"]));
        assert_eq!(chosen("number=4242424242424242&expiry=09%2F26&cvc=12").err(), Some(vec!["cvc"]));
    }

    #[test]
    fn a_test_card_needs_no_typing_and_a_saved_card_must_exist() {
        assert!(
            matches!(chosen("card=test-4000000000000002"), Ok(Chosen::New(card)) if card.exp_year == 2030)
        );
        assert!(chosen("card=test-4111111111111111").is_err());
        assert!(chosen("card=on-file").is_err());
    }

    #[test]
    fn every_test_card_that_is_offered_passes_its_own_check() {
        assert!(TESTS.iter().all(|number| passes_luhn(number)));
    }
}
