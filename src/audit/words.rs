//! What entries are called in words.

/// Each action and the key of its words. A test finds actions that have none.
pub const ACTIONS: &[(&str, &str)] = &[
    ("session.started", "audit-session-started"),
    ("session.refused", "audit-session-refused"),
    ("session.ended", "audit-session-ended"),
    ("session.ended_elsewhere", "audit-session-ended-elsewhere"),
    ("tenant.created", "audit-tenant-created"),
    ("tenant.changed", "audit-tenant-changed"),
    ("user.created", "audit-user-created"),
    ("user.changed", "audit-user-changed"),
    ("password.changed", "audit-password-changed"),
    ("password.asked", "audit-password-asked"),
    ("member.added", "audit-member-added"),
    ("member.changed", "audit-member-changed"),
    ("member.removed", "audit-member-removed"),
    ("member.invited", "audit-member-invited"),
    ("api_key.created", "audit-api-key-created"),
    ("api_key.revoked", "audit-api-key-revoked"),
    ("link.created", "audit-link-created"),
    ("customer.attached", "audit-customer-attached"),
    ("customer.changed", "audit-customer-changed"),
    ("subscription.started", "audit-subscription-started"),
    ("subscription.changed", "audit-subscription-changed"),
    ("subscription.change_confirmed", "audit-subscription-change-confirmed"),
    ("subscription.change_undone", "audit-subscription-change-undone"),
    ("subscription.cancel_asked", "audit-subscription-cancel-asked"),
    ("subscription.resume_asked", "audit-subscription-resume-asked"),
    ("subscription.pause_asked", "audit-subscription-pause-asked"),
    ("subscription.collect_asked", "audit-subscription-collect-asked"),
    ("invoice.created", "audit-invoice-created"),
    ("invoice.changed", "audit-invoice-changed"),
    ("charge.made", "audit-charge-made"),
    ("charge.changed", "audit-charge-changed"),
    ("checkout.started", "audit-checkout-started"),
    ("usage.report_retried", "audit-usage-report-retried"),
    ("mail.sent", "audit-mail-sent"),
    ("mail.kept", "audit-mail-kept"),
    ("mail.failed", "audit-mail-failed"),
    ("mail.resent", "audit-mail-resent"),
    ("dunning.opened", "audit-dunning-opened"),
    ("dunning.reminded", "audit-dunning-reminded"),
    ("dunning.urged", "audit-dunning-urged"),
    ("dunning.restricted", "audit-dunning-restricted"),
    ("dunning.warned", "audit-dunning-warned"),
    ("dunning.cancelled", "audit-dunning-cancelled"),
    ("dunning.closed", "audit-dunning-closed"),
];

/// The key of an action's words; none for one that an older program wrote.
pub fn key(action: &str) -> Option<&'static str> {
    ACTIONS.iter().find(|(known, _)| *known == action).map(|(_, key)| *key)
}
