//! The figures of a change: what Stripe's preview says, row by row, so that the rows add up to what is due.

use crate::stripe::snapshot::Invoice;

/// What is settled when a change is made, in minor units. The rows add up:
/// `credit + charge - discount + tax + balance + credit_kept == due`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Given back for what is left of the period; not above zero.
    pub credit: i64,
    /// Charged for what is new.
    pub charge: i64,
    /// Taken off by coupons.
    pub discount: i64,
    /// Taxes on top.
    pub tax: i64,
    /// Taxes that the rows above contain already.
    pub tax_included: i64,
    /// What the customer's balance does: below zero, credit is used up; above, what was still owed is asked for.
    pub balance: i64,
    /// What is given back beyond what is charged: it stays as credit for later invoices. Not below zero.
    pub credit_kept: i64,
    /// Charged when the change is confirmed.
    pub due: i64,
}

impl Figures {
    /// The rows of a preview.
    pub fn of(invoice: &Invoice) -> Self {
        let credits = invoice.lines.data.iter().map(|line| line.amount).filter(|amount| *amount < 0);
        let credit = credits.fold(0, i64::saturating_add);
        let is_given_back = invoice.total < 0;
        Self {
            credit,
            charge: invoice.subtotal.saturating_sub(credit),
            discount: invoice.discount(),
            tax: invoice.tax_on_top(),
            tax_included: invoice.tax().saturating_sub(invoice.tax_on_top()),
            balance: if is_given_back { 0 } else { invoice.amount_due.saturating_sub(invoice.total) },
            credit_kept: if is_given_back { invoice.total.saturating_neg() } else { 0 },
            due: invoice.amount_due,
        }
    }
}

/// What will be due of an invoice to come, where another is settled before it: that one uses the customer's balance, or adds
/// to it.
pub(super) fn due_after(today: &Invoice, next: &Invoice) -> i64 {
    let left = today.starting_balance.saturating_add(today.total).saturating_sub(today.amount_due);
    if next.total < 0 { 0 } else { next.total.saturating_add(left).max(0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A preview as Stripe makes it: totals follow from lines, what is due from the total and the balance.
    fn preview(lines: &[i64], discount: i64, tax: i64, included: i64, balance: i64) -> Invoice {
        let subtotal: i64 = lines.iter().sum();
        let total = subtotal - discount + tax;
        let due = if total < 0 { 0 } else { (total + balance).max(0) };
        let lines: Vec<_> = lines
            .iter()
            .map(|amount| json!({ "id": "il_1", "amount": amount, "period": { "start": 0, "end": 1 } }))
            .collect();
        serde_json::from_value(json!({
            "customer": "cus_1", "currency": "eur", "subtotal": subtotal, "total": total, "amount_due": due,
            "amount_paid": 0, "amount_remaining": due, "period_start": 0, "period_end": 0, "created": 0,
            "starting_balance": balance, "total_discount_amounts": [{ "amount": discount }],
            "total_taxes": [
                { "amount": tax, "tax_behavior": "exclusive" }, { "amount": included, "tax_behavior": "inclusive" },
            ],
            "lines": { "data": lines, "has_more": false },
        }))
        .unwrap()
    }

    proptest! {
        #[test]
        fn the_rows_add_up_to_what_is_due(
            lines in prop::collection::vec(-200_000_i64..200_000, 0..6),
            discount in 0_i64..50_000,
            tax in -20_000_i64..20_000,
            included in 0_i64..20_000,
            balance in -100_000_i64..100_000,
        ) {
            let preview = preview(&lines, discount, tax, included, balance);
            let rows = Figures::of(&preview);
            let sum = rows.credit + rows.charge - rows.discount + rows.tax + rows.balance + rows.credit_kept;
            prop_assert_eq!(sum, rows.due);
            prop_assert_eq!(rows.due, preview.amount_due);
            prop_assert!(rows.credit <= 0 && rows.credit_kept >= 0 && rows.due >= 0);
            prop_assert!(rows.credit_kept == 0 || (rows.due == 0 && rows.balance == 0));
            prop_assert_eq!(rows.tax_included, included);
        }
    }

    #[test]
    fn what_is_given_back_beyond_the_charge_is_said_to_stay() {
        let rows = Figures::of(&preview(&[-99_000, 29_900], 0, 0, 0, 0));
        assert_eq!((rows.due, rows.credit_kept, rows.balance), (0, 69_100, 0));
    }

    #[test]
    fn the_balance_is_used_once_and_what_stays_pays_for_the_next_invoice() {
        let today = preview(&[3_000], 0, 0, 0, -5_000);
        assert_eq!((Figures::of(&today).balance, today.amount_due), (-3_000, 0));
        assert_eq!(due_after(&today, &preview(&[9_900], 0, 0, 0, -5_000)), 7_900);
        let gives = preview(&[-99_000, 29_900], 0, 0, 0, 0);
        assert_eq!(due_after(&gives, &preview(&[29_900], 0, 0, 0, 0)), 0, "the rest stays for later");
        assert_eq!(due_after(&preview(&[3_000], 0, 0, 0, 0), &preview(&[9_900], 0, 0, 0, 0)), 9_900);
    }
}
