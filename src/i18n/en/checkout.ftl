checkout-no-such-plan = There is no such plan.
checkout-no-such-interval = Choose monthly or yearly billing.
checkout-no-such-price = This plan is not sold for this billing interval and currency. Choose another one.
checkout-no-such-currency = There is no such currency.
checkout-currency-locked = Your account is billed in { $currency }: Stripe keeps the currency of the first payment.
checkout-quantity = The number of seats must be a whole number from 1 to { $most }.
checkout-not-per-seat = This plan is not sold by seat: its quantity is 1.
checkout-already-subscribed = You already have a subscription. To change it, start from your plan: a second one would be charged beside it.
checkout-to-plan = Go to your plan
checkout-to-plans = Back to the plans
checkout-busy = Somebody else of your company started a checkout at the same moment. Try again in a few seconds.
checkout-cancelled = You left the payment page. Nothing was charged and nothing has changed.
checkout-still-open = Your payment page is still open. Nothing was charged yet.
checkout-expired = Your payment page has expired. Nothing was charged; choose a plan to start again.
checkout-welcome = Thank you! Your subscription is in force.
checkout-waiting-title = Confirming your payment
checkout-waiting-text = Stripe has received your details and is confirming the payment. This page looks again by itself every few seconds.
checkout-waiting-long = This takes longer than usual. You can leave this page: your plan appears as soon as Stripe confirms, and you will not be charged twice.
checkout-waiting-again = Look again now
checkout-waiting-reference = Reference for support: { $reference }
checkout-trial-used = Your company has had its trial.
checkout-trial-long = This plan is free for at most { $most ->
    [one] one day
   *[other] { $most } days
  } at first.
checkout-no-such-discount = This code does not exist or can no longer be used.
