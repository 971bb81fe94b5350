//! What each letter says, in words, facts and the one thing to do.

use super::Letter;
use super::letter::{
    self, Cancelled, ChangePlanned, Collection, PlanChanged, Receipt, Restored, Resumed, SecondSubscription,
    TrialEnding, Unpaid, Upcoming, UsageThreshold,
};
use super::render::{Content, Reader};
use crate::catalog::policy::Catalog;
use crate::clock::from_seconds;
use crate::i18n::Language;
use crate::money::Money;
use crate::web::Site;

/// The words of one reader.
pub(super) struct Words<'a> {
    pub(super) reader: &'a Reader,
    pub(super) site: &'a Site,
    pub(super) catalog: &'a Catalog,
}

impl Words<'_> {
    pub(super) fn word(&self, key: &str) -> String {
        self.reader.language.word(key)
    }

    pub(super) fn text<T: crate::i18n::Arg>(&self, key: &str, args: &[(&str, T)]) -> String {
        self.reader.language.text(key, args)
    }

    fn money(&self, money: Money) -> String {
        self.reader.language.money(money)
    }

    fn date(&self, seconds: i64) -> String {
        self.reader.language.date(from_seconds(seconds), &self.reader.time_zone)
    }

    fn date_time(&self, seconds: i64) -> String {
        self.reader.language.date_time(from_seconds(seconds), &self.reader.time_zone)
    }

    fn button(&self, key: &str, path: &str) -> Option<(String, String)> {
        Some((self.word(key), self.site.link(path)))
    }

    pub(super) fn content(&self, letter: &Letter) -> Content {
        match letter {
            Letter::Receipt(receipt) => self.receipt(receipt),
            Letter::PaymentFailed(unpaid) => self.payment_failed(unpaid),
            Letter::PaymentUrgent(unpaid) => self.payment_urgent(unpaid),
            Letter::PaymentFinal(unpaid) => self.payment_final(unpaid),
            Letter::AccessRestricted(unpaid) => self.access_restricted(unpaid),
            Letter::AccessRestored(restored) => self.access_restored(restored),
            Letter::UpcomingInvoice(upcoming) => self.upcoming_invoice(upcoming),
            Letter::TrialEnding(trial) => self.trial_ending(trial),
            Letter::PlanChanged(change) => self.plan_changed(change),
            Letter::Cancelled(cancelled) => self.cancelled(cancelled),
            Letter::ChangePlanned(change) => self.change_planned(change),
            Letter::Resumed(resumed) => self.resumed(resumed),
            Letter::PaymentsPaused(collection) => self.payments_paused(collection),
            Letter::PaymentsResumed(collection) => self.payments_resumed(collection),
            Letter::SecondSubscription(second) => self.second_subscription(second),
            Letter::UsageThreshold(usage) => self.usage(usage),
            Letter::Invitation(invitation) => {
                let tenant = self.reader.tenant.clone().unwrap_or_default();
                let args = [
                    ("inviter", invitation.inviter.clone()),
                    ("tenant", tenant),
                    ("role", self.role(&invitation.role)),
                    ("date", self.date_time(invitation.expires_at)),
                ];
                Content {
                    subject: self.text("mail-invitation-subject", &args),
                    paragraphs: vec![self.text("mail-invitation-text", &args)],
                    facts: Vec::new(),
                    button: self.button("mail-invitation-button", &invitation.path),
                    notes: vec![self.text("mail-link-until", &args), self.word("mail-not-you")],
                }
            }
            Letter::Alarm(alarm) => self.alarm(alarm),
            Letter::PasswordReset(link) => self.link(
                ["mail-reset-subject", "mail-reset-text", "mail-reset-button"],
                &link.path,
                link.expires_at,
            ),
            Letter::SignInLink(link) => self.link(
                ["mail-sign-in-subject", "mail-sign-in-text", "mail-sign-in-button"],
                &link.path,
                link.expires_at,
            ),
        }
    }

    fn role(&self, word: &str) -> String {
        match word.parse::<crate::auth::Role>() {
            Ok(role) => self.word(role.key()),
            Err(_) => word.to_owned(),
        }
    }

    fn receipt(&self, receipt: &Receipt) -> Content {
        let args = [("amount", self.money(receipt.amount)), ("date", self.date(receipt.paid_at))];
        let mut facts = Vec::new();
        facts.extend(receipt.number.as_ref().map(|number| (self.word("mail-invoice"), number.clone())));
        facts.extend(receipt.lines.iter().map(|(name, amount)| (name.clone(), self.money(*amount))));
        facts.push((self.word("mail-paid"), self.money(receipt.amount)));
        Content {
            subject: self.text("mail-receipt-subject", &args),
            paragraphs: vec![self.text("mail-receipt-text", &args)],
            facts,
            button: self.button("mail-see-invoice", &format!("/invoices/{}", receipt.invoice)),
            notes: Vec::new(),
        }
    }

    fn invoice_facts(&self, number: Option<&String>, amount: Money) -> Vec<(String, String)> {
        let mut facts = Vec::new();
        facts.extend(number.map(|number| (self.word("mail-invoice"), number.clone())));
        facts.push((self.word("mail-amount"), self.money(amount)));
        facts
    }

    /// What all mails about a missing payment have: the invoice, what comes when, the button that fixes it.
    fn unpaid(&self, unpaid: &Unpaid, subject: String, paragraphs: Vec<String>) -> Content {
        let mut facts = self.invoice_facts(unpaid.number.as_ref(), unpaid.amount);
        facts.push((self.word("mail-failed-at"), self.date(unpaid.failed_at)));
        facts.extend(unpaid.restricts_at.map(|at| (self.word("mail-restricts-at"), self.date(at))));
        facts.extend(unpaid.cancels_at.map(|at| (self.word("mail-cancels-at"), self.date(at))));
        Content {
            subject,
            paragraphs,
            facts,
            button: self.button("mail-pay", "/payment"),
            notes: vec![self.word("mail-paid-meanwhile")],
        }
    }

    fn unpaid_args(&self, unpaid: &Unpaid) -> [(&'static str, String); 3] {
        let date = |at: Option<i64>| at.map(|at| self.date(at)).unwrap_or_default();
        [
            ("amount", self.money(unpaid.amount)),
            ("restricts", date(unpaid.restricts_at)),
            ("cancels", date(unpaid.cancels_at)),
        ]
    }

    fn payment_failed(&self, unpaid: &Unpaid) -> Content {
        let args = self.unpaid_args(unpaid);
        let paragraphs = vec![self.text("mail-failed-text", &args), self.text("mail-failed-next", &args)];
        self.unpaid(unpaid, self.text("mail-failed-subject", &args), paragraphs)
    }

    fn payment_urgent(&self, unpaid: &Unpaid) -> Content {
        let args = self.unpaid_args(unpaid);
        let paragraphs = vec![self.text("mail-urgent-text", &args), self.text("mail-failed-next", &args)];
        self.unpaid(unpaid, self.text("mail-urgent-subject", &args), paragraphs)
    }

    fn payment_final(&self, unpaid: &Unpaid) -> Content {
        let args = self.unpaid_args(unpaid);
        let paragraphs = vec![self.text("mail-final-text", &args)];
        self.unpaid(unpaid, self.text("mail-final-subject", &args), paragraphs)
    }

    fn access_restricted(&self, unpaid: &Unpaid) -> Content {
        let args = self.unpaid_args(unpaid);
        let paragraphs =
            vec![self.text("mail-restricted-text", &args), self.text("mail-restricted-next", &args)];
        self.unpaid(unpaid, self.text("mail-restricted-subject", &args), paragraphs)
    }

    fn access_restored(&self, restored: &Restored) -> Content {
        let amount = self.money(restored.amount);
        let (subject, text) = match (restored.waived, restored.was_restricted, restored.still_owed) {
            (true, ..) => ("mail-waived-subject", "mail-waived-text"),
            (false, true, _) => ("mail-restored-subject", "mail-restored-text"),
            (false, false, false) => ("mail-settled-subject", "mail-settled-text"),
            (false, false, true) => ("mail-settled-subject", "mail-settled-more"),
        };
        let mut paragraphs = vec![self.text(text, &[("amount", &amount)])];
        let button = if restored.still_owed {
            paragraphs.push(self.word("mail-still-owed"));
            self.button("mail-see-missing", "/payment")
        } else {
            self.button("mail-open-portal", "/")
        };
        Content {
            subject: self.word(subject),
            paragraphs,
            facts: self.invoice_facts(restored.number.as_ref(), restored.amount),
            button,
            notes: Vec::new(),
        }
    }

    fn upcoming_invoice(&self, upcoming: &Upcoming) -> Content {
        let args = [("amount", self.money(upcoming.amount)), ("date", self.date(upcoming.at))];
        let (text, button) = if upcoming.can_charge {
            ("mail-upcoming-text", "mail-open-portal")
        } else {
            ("mail-upcoming-needs-method", "mail-add-method")
        };
        Content {
            subject: self.text("mail-upcoming-subject", &args),
            paragraphs: vec![self.text(text, &args)],
            facts: vec![(self.word("mail-amount"), self.money(upcoming.amount))],
            button: self.button(button, "/"),
            notes: Vec::new(),
        }
    }

    fn trial_ending(&self, trial: &TrialEnding) -> Content {
        let price = trial.price.map(|price| self.money(price));
        let args = [
            ("plan", trial.plan.clone()),
            ("date", self.date(trial.ends_at)),
            ("price", price.clone().unwrap_or_default()),
        ];
        let next = match (trial.can_charge, &price) {
            (true, Some(_)) => "mail-trial-charged",
            (true, None) => "mail-trial-goes-on",
            (false, _) => "mail-trial-needs-method",
        };
        Content {
            subject: self.text("mail-trial-subject", &args),
            paragraphs: vec![self.text("mail-trial-text", &args), self.text(next, &args)],
            facts: Vec::new(),
            button: self.button(if trial.can_charge { "mail-open-portal" } else { "mail-add-method" }, "/"),
            notes: Vec::new(),
        }
    }

    fn plan_changed(&self, change: &PlanChanged) -> Content {
        let args = [("plan", change.to.clone()), ("date", self.date(change.at))];
        let mut facts = Vec::new();
        let before = change.from.as_ref().filter(|from| **from != change.to);
        facts.extend(before.map(|from| (self.word("mail-plan-before"), from.clone())));
        facts.push((self.word("mail-plan-now"), change.to.clone()));
        facts.extend(change.price.map(|price| (self.word("mail-price"), self.money(price))));
        Content {
            subject: self.text("mail-changed-subject", &args),
            paragraphs: vec![self.text("mail-changed-text", &args)],
            facts,
            button: self.button("mail-open-portal", "/"),
            notes: vec![self.word("mail-not-you-plan")],
        }
    }

    fn cancelled(&self, cancelled: &Cancelled) -> Content {
        let args = [("plan", cancelled.plan.clone()), ("date", self.date(cancelled.ends_at))];
        let (subject, text, button) = match (cancelled.ended, cancelled.unpaid) {
            (true, true) => ("mail-ended-subject", "mail-ended-unpaid-text", "mail-see-plans"),
            (true, false) => ("mail-ended-subject", "mail-ended-text", "mail-see-plans"),
            (false, _) => ("mail-ending-subject", "mail-ending-text", "mail-open-portal"),
        };
        Content {
            subject: self.text(subject, &args),
            paragraphs: vec![self.text(text, &args)],
            facts: Vec::new(),
            button: self.button(button, if cancelled.ended { "/plans" } else { "/" }),
            notes: Vec::new(),
        }
    }

    fn change_planned(&self, change: &ChangePlanned) -> Content {
        let args = [("from", change.from.clone()), ("to", change.to.clone()), ("date", self.date(change.at))];
        let (subject, text) = if change.undone {
            ("mail-undone-subject", "mail-undone-text")
        } else {
            ("mail-planned-subject", "mail-planned-text")
        };
        let price = change.price.filter(|_| !change.undone);
        Content {
            subject: self.text(subject, &args),
            paragraphs: vec![self.text(text, &args)],
            facts: price.map(|price| (self.word("mail-price"), self.money(price))).into_iter().collect(),
            button: self.button("mail-open-portal", "/"),
            notes: vec![self.word("mail-not-you-plan")],
        }
    }

    fn resumed(&self, resumed: &Resumed) -> Content {
        let date = resumed.renews_at.map(|at| self.date(at));
        let args = [("plan", resumed.plan.clone()), ("date", date.clone().unwrap_or_default())];
        let text = if date.is_some() { "mail-resumed-text" } else { "mail-resumed-plain" };
        self.about_the_plan("mail-resumed-subject", text, &args)
    }

    fn payments_paused(&self, collection: &Collection) -> Content {
        let date = collection.at.map(|at| self.date(at));
        let args = [("plan", collection.plan.clone()), ("date", date.clone().unwrap_or_default())];
        let text = if date.is_some() { "mail-paused-until-text" } else { "mail-paused-text" };
        self.about_the_plan("mail-paused-subject", text, &args)
    }

    fn payments_resumed(&self, collection: &Collection) -> Content {
        let date = collection.at.map(|at| self.date(at));
        let args = [("plan", collection.plan.clone()), ("date", date.clone().unwrap_or_default())];
        let text = if date.is_some() { "mail-collecting-text" } else { "mail-collecting-plain" };
        self.about_the_plan("mail-collecting-subject", text, &args)
    }

    fn about_the_plan(&self, subject: &str, text: &str, args: &[(&str, String)]) -> Content {
        Content {
            subject: self.text(subject, args),
            paragraphs: vec![self.text(text, args)],
            facts: Vec::new(),
            button: self.button("mail-open-portal", "/"),
            notes: vec![self.word("mail-not-you-plan")],
        }
    }

    fn second_subscription(&self, second: &SecondSubscription) -> Content {
        let tenant = self.reader.tenant.clone().unwrap_or_else(|| second.tenant.clone());
        let args = [("tenant", tenant)];
        let ids = second.subscriptions.iter().map(|id| (self.word("mail-second-subscription"), id.clone()));
        Content {
            subject: self.text("mail-second-subject", &args),
            paragraphs: vec![self.text("mail-second-text", &args), self.word("mail-second-repair")],
            facts: ids.collect(),
            button: self.button("mail-second-button", &format!("/staff/audit?tenant={}", second.tenant)),
            notes: Vec::new(),
        }
    }

    fn usage(&self, usage: &UsageThreshold) -> Content {
        let language = self.reader.language;
        let metric = self.catalog.metric(&usage.metric).map(|metric| match language {
            Language::En => metric.name.en.clone(),
            Language::Es => metric.name.es.clone(),
        });
        let metric = metric.unwrap_or_else(|| usage.metric.clone());
        let args = [
            ("metric", metric.clone()),
            ("percent", language.percent(i64::from(usage.percent) * 100)),
            ("used", language.number(usage.used)),
            ("limit", language.number(usage.limit)),
        ];
        let next = match (usage.percent >= 100, usage.hard) {
            (true, true) => "mail-usage-refused",
            (true, false) => "mail-usage-passed",
            (false, true) => "mail-usage-soon-refused",
            (false, false) => "mail-usage-soon",
        };
        let mut facts = vec![(metric, self.text("mail-of", &args))];
        facts.extend(usage.resets_at.map(|at| (self.word("mail-resets-at"), self.date(at))));
        Content {
            // A hard limit can be reached with something left: what was asked for was more than that.
            subject: if usage.percent >= 100 && usage.used < usage.limit {
                self.text("mail-usage-subject-refused", &args)
            } else {
                self.text("mail-usage-subject", &args)
            },
            paragraphs: vec![self.text("mail-usage-text", &args), self.word(next)],
            facts,
            button: self.button("mail-see-usage", "/usage"),
            notes: Vec::new(),
        }
    }

    fn alarm(&self, alarm: &letter::Alarm) -> Content {
        let known = alarm.kind.parse::<crate::alarm::Kind>().ok();
        let what = known.map_or_else(|| alarm.kind.clone(), |known| self.word(known.key()));
        let mut paragraphs = vec![what.clone()];
        paragraphs.extend(known.map(|known| self.word(known.remedy())));
        let language = self.reader.language;
        let facts = [
            ("mail-alarm-amount", alarm.facts.amount.map(|amount| self.money(amount))),
            ("mail-alarm-share", alarm.facts.ppm.map(|ppm| language.percent(ppm / 100))),
            ("mail-alarm-count", alarm.facts.count.map(|count| language.number(count))),
            ("mail-alarm-place", alarm.facts.place.clone()),
            ("mail-alarm-since", alarm.since.map(|since| self.date_time(since))),
        ];
        Content {
            subject: self.text("mail-alarm-subject", &[("what", &what)]),
            paragraphs,
            facts: facts.into_iter().filter_map(|(key, value)| Some((self.word(key), value?))).collect(),
            button: self.button("mail-alarm-button", known.map_or("/staff/events", crate::alarm::Kind::page)),
            notes: vec![self.word("mail-alarm-once")],
        }
    }

    fn link(&self, [subject, text, button]: [&str; 3], path: &str, expires_at: i64) -> Content {
        Content {
            subject: self.word(subject),
            paragraphs: vec![self.word(text)],
            facts: Vec::new(),
            button: self.button(button, path),
            notes: vec![
                self.text("mail-link-until", &[("date", self.date_time(expires_at))]),
                self.word("mail-not-you"),
            ],
        }
    }
}
