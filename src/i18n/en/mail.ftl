mail-greeting = Hello { $name },
mail-greeting-plain = Hello,
mail-about = This mail is about the billing of { $tenant }.
mail-support = Questions? Write to { $email }.
mail-invoice = Invoice
mail-amount = Amount
mail-paid = Paid
mail-price = Price
mail-of = { $used } of { $limit }
mail-resets-at = Starts again at zero
mail-failed-at = First failed
mail-restricts-at = Access becomes read only
mail-cancels-at = The subscription ends
mail-plan-before = Plan until now
mail-plan-now = Plan
mail-open-portal = Open the billing portal
mail-see-invoice = See the invoice
mail-see-plans = See the plans
mail-see-usage = See the usage
mail-add-method = Add a payment method
mail-pay = Pay now
mail-paid-meanwhile = If you have paid meanwhile, there is nothing left to do.
mail-link-until = The link works once, until { $date }.
mail-not-you = If you did not expect this mail, you can ignore it: nothing happens without the link.
mail-not-you-plan = If this was not your doing, please tell us.

mail-receipt-subject = Receipt: { $amount } paid
mail-receipt-text = Thank you. Your payment of { $amount } arrived on { $date }.

mail-failed-subject = Your payment of { $amount } did not go through
mail-failed-text = We could not collect { $amount }. Most often a card has expired or a limit was reached. The payment is tried again by itself; with another payment method it is settled at once.
mail-failed-next = If it is still missing on { $restricts }, access becomes read only; on { $cancels } the subscription ends.
mail-urgent-subject = Still open: { $amount }
mail-urgent-text = { $amount } is still open. Please check your payment method, so that nothing stops working.
mail-final-subject = Last notice: your subscription ends on { $cancels }
mail-final-text = { $amount } is still open, and this is our last mail about it. Without the payment your subscription ends on { $cancels }. Paying before that day brings everything back.
mail-restricted-subject = Access is read only until { $amount } is paid
mail-restricted-text = { $amount } has been open for too long: from today everything can be seen and nothing can be changed.
mail-restricted-next = Paying lifts the restriction at once. Without the payment the subscription ends on { $cancels }.
mail-restored-subject = Thank you: full access is back
mail-restored-text = Your payment of { $amount } arrived. The restriction is lifted and everything works as before.
mail-settled-subject = Thank you: your payment arrived
mail-settled-text = Your payment of { $amount } arrived. Nothing was restricted and there is nothing left to do.

mail-upcoming-subject = Your next invoice: { $amount } on { $date }
mail-upcoming-text = On { $date } we will collect { $amount } by your payment method on file.

mail-trial-subject = Your trial of { $plan } ends on { $date }
mail-trial-text = Your trial of { $plan } ends on { $date }.
mail-trial-charged = From then on it costs { $price }, collected by your payment method on file. If you would rather stop, cancel before that day.
mail-trial-goes-on = From then on it is collected by your payment method on file. If you would rather stop, cancel before that day.
mail-trial-needs-method = To go on, please add a payment method before that day.

mail-changed-subject = Your subscription has changed: { $plan }
mail-changed-text = From { $date } your subscription is { $plan }.

mail-ending-subject = Your subscription ends on { $date }
mail-ending-text = { $plan } is cancelled and ends on { $date }. Until then everything works as before, and you can take the cancellation back.
mail-ended-subject = Your subscription has ended
mail-ended-text = { $plan } ended on { $date }. Your data and your invoices stay; you can subscribe again whenever you like.
mail-ended-unpaid-text = { $plan } ended on { $date }, because the payment did not arrive. Your data and your invoices stay; you can subscribe again whenever you like.

mail-usage-subject = { $percent } used: { $metric }
mail-usage-text = { $metric }: { $used } of { $limit } are used.
mail-usage-soon = Beyond the limit it goes on and is reported.
mail-usage-soon-refused = At the limit, more is refused. A larger plan leaves room.
mail-usage-passed = The limit is passed; it goes on and is reported.
mail-usage-refused = The limit is reached: more is refused. A larger plan leaves room.

mail-invitation-subject = { $inviter } invites you to { $tenant }
mail-invitation-text = { $inviter } invites you to look after the billing of { $tenant } as { $role }.
mail-invitation-button = Accept the invitation
mail-reset-subject = Choose a new password
mail-reset-text = Somebody, most likely you, asked for a new password.
mail-reset-button = Choose a new password
mail-sign-in-subject = Your link to sign in
mail-sign-in-text = This link signs you in to the billing portal.
mail-sign-in-button = Sign in

mail-kind-receipt = Receipt
mail-kind-payment-failed = Payment failed: reminder
mail-kind-payment-urgent = Payment failed: urgent
mail-kind-payment-final = Payment failed: final
mail-kind-access-restricted = Access restricted
mail-kind-access-restored = Access restored
mail-kind-upcoming-invoice = Upcoming invoice
mail-kind-trial-ending = Trial ending
mail-kind-plan-changed = Plan changed
mail-kind-cancelled = Cancelled
mail-kind-usage-threshold = Usage threshold
mail-kind-invitation = Invitation
mail-kind-password-reset = Password reset
mail-kind-sign-in-link = Sign-in link

mail-state-waiting = Waiting
mail-state-sending = On its way
mail-state-sent = Sent
mail-state-kept = Kept, not sent
mail-state-failed = Failed

mail-list-title = E-mails
mail-list-caption = E-mails, the newest first
mail-list-lead = Each mail goes out once for what caused it. Without a mail server they are kept here.
mail-list-kind = Kind
mail-list-state = State
mail-list-all = All
mail-list-apply = Filter
mail-list-to = To
mail-list-when = When
mail-list-tries = Tries
mail-list-empty-title = No mails here
mail-list-empty-text = They appear when something happens that somebody should hear of.
mail-list-older = Older
mail-list-newest = Newest
mail-list-samples = How each kind looks
mail-no-server = There is no mail server: mails are kept and not sent. Set SMTP_URL and MAIL_FROM to send them.

mail-show-title = Back to the e-mail
mail-show-to = To
mail-show-cause = Caused by
mail-show-created = Staged
mail-show-sent = Sent
mail-show-error = What went wrong
mail-show-text = As text
mail-show-html = See it as HTML
mail-show-resend = Send it again
mail-show-back = All e-mails
mail-show-unreadable = This mail cannot be shown: what it is about is not in the row as expected.
mail-resent = The mail goes out again.
mail-not-resendable = Its link was for one use and is erased: ask for a new one where it came from.
mail-still-waiting = It is on its way already.

