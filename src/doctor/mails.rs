//! Whether Stripe mails customers beside the portal. The API tells of receipts alone, and of these only once they were sent.

use super::Check;
use super::account::Patient;
use crate::stripe::Budget;
use crate::stripe::calls::payments;
use crate::stripe::snapshot::ChargeStatus;

/// The name of the check for what Stripe tells.
pub(super) const RECEIPTS: &str = "stripe_receipts";
/// The name of the check for what it does not tell.
pub(super) const OTHERS: &str = "stripe_mails";

/// What the latest charges say of receipts, and what somebody has to look at.
pub(super) async fn checks(patient: &Patient<'_>) -> Vec<Check> {
    let charges = match payments::listed(patient.stripe, None, Budget::page()).await {
        Ok(page) => page.value.data,
        Err(error) => {
            let fix = "Give the restricted key the permission to read charges, or use the account's secret key for doctor.";
            let check = Check::warning(RECEIPTS, format!("could not be asked: {error}"), fix);
            return vec![check, others(false)];
        }
    };
    let paid = charges.iter().filter(|charge| charge.status == ChargeStatus::Succeeded);
    let (paid, mailed) = paid.fold((0, 0), |(paid, mailed), charge| {
        (paid + 1, mailed + usize::from(charge.receipt_number.is_some()))
    });
    match receipts(patient.stripe.is_live(), paid, mailed) {
        Some(check) => vec![check, others(true)],
        None => vec![others(false)],
    }
}

/// What so many paid charges tell of which so many have the number of a receipt; none: nothing. In test mode Stripe mails none by
/// itself, so that its absence tells nothing there.
fn receipts(live: bool, paid: usize, mailed: usize) -> Option<Check> {
    match (live, paid, mailed) {
        (_, _, 1..) => Some(Check::warning(
            RECEIPTS,
            format!(
                "Stripe has mailed a receipt for {mailed} of the latest {paid} payments: customers get two"
            ),
            "In Stripe's dashboard under Settings, Customer emails, switch off the mails about successful payments: the portal sends \
             receipts of its own. If these were sent by hand from the dashboard, this is as it has to be.",
        )),
        (true, 1.., 0) => Some(Check::good(
            RECEIPTS,
            format!("Stripe has mailed no receipt for any of the latest {paid} payments"),
        )),
        _ => None,
    }
}

/// What nobody can ask Stripe.
fn others(knows_receipts: bool) -> Check {
    let kinds = if knows_receipts { "failed payments" } else { "successful and failed payments" };
    Check::notice(
        OTHERS,
        "not known: which mails Stripe itself sends to your customers can only be seen in its dashboard",
        format!(
            "Have a look once: in Stripe's dashboard under Settings, Billing, Subscriptions and emails, and under Customer emails, mails \
             about {kinds}, expiring cards and upcoming renewals should be off, since the portal sends its own. \"Use Smart Retries\" \
             should be on, and a subscription should stay past due after the last retry: the portal ends it by its own schedule."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_receipt_tells_always_and_none_tells_in_live_mode_where_something_was_paid() {
        let verdict = |live, paid, mailed| receipts(live, paid, mailed).map(|check| check.verdict);
        assert_eq!([verdict(true, 9, 1), verdict(false, 9, 9)], [Some(Verdict::Warning); 2]);
        assert_eq!(verdict(true, 1, 0), Some(Verdict::Good));
        assert_eq!([verdict(true, 0, 0), verdict(false, 9, 0)], [None, None]);
        assert!(others(false).fix.is_some_and(|fix| fix.contains("successful")));
        assert!(others(true).fix.is_some_and(|fix| !fix.contains("successful")));
    }
}
