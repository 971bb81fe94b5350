//! What is good, what is not, and what is not known.

use super::*;

fn verdict(facts: &Facts, check: Check) -> (Verdict, Option<i64>) {
    let all = judge(facts);
    let one = all.iter().find(|one| one.check == check).expect("each check is there");
    (one.verdict, one.figure)
}

fn compared(paid: i64, apart: i64, subscriptions: i64) -> Facts {
    let of = |minor| BTreeMap::from([(Currency::EUR, minor)]);
    let compared = Compared { paid: of(paid), apart: of(apart), subscriptions, looked_at: 10, unread: 0 };
    Facts { compared: Some(compared), ..Facts::default() }
}

#[test]
fn each_check_stands_and_falls_at_its_threshold() {
    let revenue = |apart| verdict(&compared(100_000_000, apart, 0), Check::Revenue);
    assert_eq!(revenue(0), (Verdict::Pass, Some(0)));
    assert_eq!(revenue(1), (Verdict::Pass, Some(1)), "rounded up: something is never nothing");
    assert_eq!(revenue(9_900), (Verdict::Pass, Some(99)));
    assert_eq!(revenue(9_901), (Verdict::Fail, Some(100)), "0.01 % is not less than 0.01 %");
    let webhooks = |lost| verdict(&Facts { webhooks: (10_000, lost), ..Facts::default() }, Check::Webhooks);
    assert_eq!(webhooks(10), (Verdict::Pass, Some(999_000)));
    assert_eq!(webhooks(11).0, Verdict::Fail);
    let payments =
        |failed| verdict(&Facts { payments: (1_000, failed), ..Facts::default() }, Check::Payments);
    assert_eq!(payments(19).0, Verdict::Pass);
    assert_eq!(payments(20), (Verdict::Fail, Some(20_000)));
    let audit = |missing| {
        verdict(
            &Facts { audit: vec![("users".into(), 3_000_000, missing)], ..Facts::default() },
            Check::Audit,
        )
    };
    assert_eq!(audit(0), (Verdict::Pass, Some(1_000_000)));
    assert_eq!(audit(1), (Verdict::Fail, Some(999_999)));
    let refunds = |slowest| {
        let refunds = Refunds { count: 1, late: 0, slowest: Some(slowest) };
        verdict(&Facts { refunds, ..Facts::default() }, Check::Refunds).0
    };
    assert_eq!((refunds(DAY - 1), refunds(DAY)), (Verdict::Pass, Verdict::Fail));
    assert_eq!(verdict(&compared(1, 0, 0), Check::Subscriptions).0, Verdict::Pass);
    assert_eq!(verdict(&compared(1, 0, 1), Check::Subscriptions).0, Verdict::Fail);
}

#[test]
fn what_cannot_be_judged_is_not_called_good() {
    let nothing = Facts::default();
    for check in
        [Check::Revenue, Check::Webhooks, Check::Payments, Check::Audit, Check::Refunds, Check::Subscriptions]
    {
        assert_eq!(verdict(&nothing, check), (Verdict::Unknown, None), "{check:?}");
    }
    assert_eq!(verdict(&nothing, Check::Duplicates), (Verdict::Pass, Some(0)));
    assert_eq!(judge(&nothing).len(), Check::ALL.len());
}

#[test]
fn what_was_not_read_to_its_end_is_not_called_good_either() {
    let mut facts = compared(100, 0, 0);
    facts.compared.as_mut().expect("it is there").unread = 1;
    assert_eq!(verdict(&facts, Check::Revenue).0, Verdict::Unknown);
    assert_eq!(verdict(&facts, Check::Subscriptions).0, Verdict::Unknown);
    facts.compared.as_mut().expect("it is there").subscriptions = 2;
    assert_eq!(verdict(&facts, Check::Subscriptions), (Verdict::Fail, Some(2)), "bad all the same");

    let place = Searched { place: "invoices", read: 10, size: 25, is_known: false, found: Vec::new() };
    facts.places = vec![place];
    assert_eq!(verdict(&facts, Check::Cards), (Verdict::Unknown, None));
    let parts = card_data(&facts).parts;
    assert!(parts.contains(&Part::new("read invoices", 10, 25)), "{parts:?}");
    facts.places[0].found = vec!["in_1".to_owned()];
    assert_eq!(verdict(&facts, Check::Cards), (Verdict::Fail, Some(1)));
    (facts.places[0].is_known, facts.places[0].found) = (true, Vec::new());
    assert_eq!(verdict(&facts, Check::Cards), (Verdict::Pass, Some(0)));
}

#[test]
fn shares_neither_wrap_nor_vanish() {
    assert_eq!((ppm(0, 0), ppm(5, 0), ppm(1, i64::MAX)), (0, 1_000_000, 1));
    assert_eq!(ppm(i64::MAX, i64::MAX), 1_000_000);
    assert_eq!(ppm(i64::MAX, 1), i64::MAX);
}

#[test]
fn an_alarm_is_for_what_cannot_wait() {
    assert_eq!(alarms(&compared(1, ALARMING_AMOUNT, 9)), []);
    assert_eq!(
        alarms(&compared(1, ALARMING_AMOUNT + 1, 0))[0].facts.amount,
        Some(Money::new(10_001, Currency::EUR))
    );
    let mut facts = Facts { webhooks: (100, 1), ..Facts::default() };
    assert_eq!(alarms(&facts), []);
    facts.webhooks = (100, 2);
    facts.duplicates = vec![("ch_1".into(), "ch_2".into())];
    let found = vec!["mail_1".to_owned()];
    facts.places = vec![Searched { place: "mails", read: 9, size: 9, is_known: true, found }];
    facts.log_lines = 1;
    let causes: Vec<_> = alarms(&facts).into_iter().map(|one| one.cause()).collect();
    assert_eq!(causes, ["webhooks", "duplicates:ch_1:ch_2", "cards:mails mail_1", "cards:log"]);
}
