# The frame
skip = Skip to the content
sandbox = SANDBOX
no-real-money = No real money moves here, and no real card is taken.
footer = These pages are served by the sandbox on this machine, in the place of Stripe’s hosted pages.
error-title = Error:{" "}
problems = Please check the following
date = { $month } { $day }, { $year }
date-range = { $from } – { $to }
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
every-day = { $count ->
    [one] per day
   *[other] every { $count } days
}
every-week = { $count ->
    [one] per week
   *[other] every { $count } weeks
}
every-month = { $count ->
    [one] per month
   *[other] every { $count } months
}
every-year = { $count ->
    [one] per year
   *[other] every { $count } years
}
index-title = Stripe sandbox
index-what = This server speaks Stripe’s HTTP API for demos and tests: objects, webhooks, Checkout, customer portal and invoices.
index-how = Point any Stripe client at the address below with a key that begins with sk_test_. Live keys are refused.
index-base = API base address
index-version = API version
not-found-title = This page is not here
not-found = The address is wrong, or it belongs to a sandbox that has been restarted since: a sandbox forgets everything when it stops.

# Cards
card = Card
type-card = A card typed here
card-number = Card number
card-expiry = Expiry (MM / YY)
card-cvc = Security code (CVC)
card-holder = Name on card
card-name = { $brand } ending in { $last4 }
card-expires = { $card }, expires { $month }/{ $year }
test-cards = Test cards
test-cards-hint = Nothing to type: choose what the card should do.
test-card-4242424242424242 = pays (Visa)
test-card-5555555555554444 = pays (Mastercard)
test-card-4000002500003155 = asks for authentication
test-card-4000000000000002 = is declined
test-card-4000000000009995 = has insufficient funds
test-card-4000000000009987 = was reported lost
test-card-4000000000000069 = has expired
test-card-4000000000000127 = has a wrong security code
test-card-4000000000000259 = pays, then is disputed
test-card-4000000000000341 = is accepted, then fails when charged
card-number-missing = Enter a card number, or choose a test card.
card-number-wrong = This card number is not valid. Check its digits.
card-not-a-test-card = Only test cards work in a sandbox. Never type a real card here.
card-expiry-wrong = Enter the expiry as month and year, such as 04 / 30.
card-expired = This card’s expiry date is in the past.
card-cvc-wrong = Enter the three or four digits of the security code.

# Details of the payer
email = Email
email-wrong = Enter an email address, such as name@example.com.
country = Country
choose-country = Choose a country
country-missing = Choose your country.
company-or-name = Company or full name
name-missing = Enter a name.
street = Street and number
street-missing = Enter the street and number.
postcode = Postcode
postcode-missing = Enter the postcode.
city = City
city-missing = Enter the city.
billing-address = Billing address
tax-id-optional = Tax ID (optional, such as DE123456789)
tax-id-wrong = This is not the tax ID of a business in the chosen country.
your-details = Payment details

# Checkout
checkout-title = Pay { $seller }
subscribe-to = Subscribe to { $name }
try = Try { $name }
pay-seller = Pay { $seller }
back-to = ← Back to { $seller }
days-free = { $count ->
    [one] 1 day free
   *[other] { $count } days free
}
then-from = Then { $amount } from { $date }
then-amount = Then { $amount }
due-today-note = due today
quantity = Quantity { $quantity }, { $unit } each
metered = Charged by usage at the end of the period
free-trial-line = { $count ->
    [one] 1-day free trial
   *[other] { $count }-day free trial
}
per-unit = { $unit } { $every }
promotion-code = Promotion code
apply = Apply
remove = Remove
promotion-unknown = This code is not valid.
promotion-missing = Enter a promotion code.
percent-off = { $percent } % off
amount-off = { $amount } off
discount-once = { $off }, once
discount-repeating = { $count ->
    [one] { $off } for one month
   *[other] { $off } for { $count } months
}
discount-forever = { $off }, every time
subtotal = Subtotal
discount = Discount
tax = Tax
tax-of = { $name } ({ $percent } %)
tax-included = { $name } ({ $percent } %, included)
total-due-today = Total due today
tax-by-address = Tax depends on your address. If it changes the total, you will see the new total before you pay.
total-changed = With your address the total is now { $amount }. Nothing was charged yet: please confirm.
start-trial = Start trial
subscribe = Subscribe
pay-amount = Pay { $amount }
terms-subscription = By confirming you allow { $seller } to charge this card now and at each renewal, until you cancel.
terms-payment = The payment is made to { $seller } in this sandbox.
session-complete-title = This payment is already complete
session-complete = There is nothing left to do here. You can go back to { $seller }.
session-expired-title = This page has expired
session-expired = The payment page is no longer valid and nothing was charged. Start again from { $seller }.
return-to = Return to { $seller }
payment-was-declined = { $reason } Nothing was charged. Try another card.

# Authentication
authentication-title = Confirm it is you
authentication-message = The bank that issued this card wants to know that the payment is yours. This is the bank’s page in the sandbox: choose how it ends.
authentication-setup-message = The bank that issued this card wants to know that you agree to save it. This is the bank’s page in the sandbox: choose how it ends.
authentication-complete = Complete authentication
authentication-fail = Fail authentication
authentication-failed = The authentication failed and nothing was charged. Try again or use another card.
authentication-over = This authentication is no longer open. Start the payment again.
test-bank = Test bank
seller = Seller
amount = Amount

# Invoices
invoice-title = Invoice
invoice-number = Invoice number
invoice-issued = Date of issue
invoice-due = Date due
invoice-paid-on = Date paid
invoice-from = From
invoice-to = Bill to
invoice-draft-number = Draft
invoice-lines = Lines of the invoice
invoice-status-draft = Draft
invoice-status-open = Open
invoice-status-paid = Paid
invoice-status-void = Void
invoice-status-uncollectible = Uncollectible
invoice-due-headline = { $amount } due { $date }
invoice-due-now-headline = { $amount } due now
invoice-paid-headline = { $amount } paid on { $date }
invoice-void-headline = This invoice was voided: nothing is due
invoice-uncollectible-headline = { $amount } written off as uncollectible
invoice-draft-headline = This invoice is a draft and may still change
heading-description = Description
heading-quantity = Qty
heading-unit = Unit price
heading-amount = Amount
total = Total
starting-balance = Applied balance
amount-paid = Amount paid
amount-due = Amount due
refunded-on = Refunded { $amount } on { $date }
disputed-on = Disputed by the card’s holder: { $amount } on { $date } ({ $reason })
reason-fraudulent = fraudulent
reason-general = general
reason-duplicate = duplicate
reason-product_not_received = product not received
download-pdf = Download PDF
pay-invoice = Pay this invoice
invoice-just-paid = Thank you: the invoice is paid.
invoice-not-payable = This invoice cannot be paid any more.
tax-id-line = Tax ID { $value }
sandbox-footer = Sandbox invoice. No real money moved.
page-of = Page %n of %m

# Customer portal
portal-title = Billing of { $customer }
portal-unnamed = your account
portal-of = { $seller }: customer portal
subscriptions = Subscriptions
no-subscriptions = There is no subscription.
subscription-status-active = Active
subscription-status-trialing = Trial
subscription-status-past_due = Past due
subscription-status-unpaid = Unpaid
subscription-status-canceled = Canceled
subscription-status-incomplete = Incomplete
subscription-status-incomplete_expired = Expired
subscription-status-paused = Paused
renews-on = Renews on { $date }
ends-on = Ends on { $date }
trial-ends-on = Trial ends on { $date }
changes-on = Changes to { $plan } on { $date }
update-plan = Change plan
cancel-plan = Cancel subscription
keep-plan = Don’t cancel
kept = The subscription goes on.
payment-methods = Payment methods
no-payment-methods = There is no payment method.
default = Default
make-default = Make default
made-default = The card is now the default.
removed-card = The card was removed.
add-card = Add a payment method
add-card-title = Add a payment method
save-card = Save card
save-card-terms = The card becomes the default for coming payments to { $seller }.
card-added = The card was added.
make-default-of = Make { $card } the default
remove-of = Remove { $card }
billing-information = Billing information
edit-billing = Edit billing information
billing-updated = The billing information was updated.
name = Name
phone = Phone
address = Address
tax-ids = Tax IDs
none-given = not given
save = Save
go-back = Go back
invoices = Invoice history
no-invoices = There is no invoice yet.
invoice-date = Date
invoice-status = Status
invoice-view = View invoice { $number }
cancel-title = Cancel { $plan }
cancel-at-end = The subscription stays as it is until { $date } and is not renewed.
cancel-now = The subscription ends at once.
cancel-why = Why are you leaving? (optional)
cancel-comment = Anything else? (optional)
cancel-confirm = Cancel subscription
canceled-at-end = The subscription is not renewed any more.
canceled-now = The subscription has ended.
reason-customer_service = Customer service was less than expected
reason-low_quality = Quality was less than expected
reason-missing_features = Some features are missing
reason-other = Other reason
reason-switched_service = I’m switching to a different service
reason-too_complex = Ease of use was less than expected
reason-too_expensive = It’s too expensive
reason-unused = I don’t use the service enough
reason-none = No answer
update-title = Change your plan
update-current = Current plan
update-choose = Choose a plan
update-quantity = Quantity
update-continue = Continue
update-nothing = There is no other plan to choose.
update-same = This is what you have already: choose another plan or quantity.
update-quantity-wrong = Enter a whole number from 1 to 999,999.
confirm-title = Confirm the change
confirm-from = From
confirm-to = To
confirm-takes-effect = Takes effect
confirm-now = now
confirm-amount-now = Due now
confirm-button = Confirm
confirm-no-charge = Nothing is charged now.
updated-now = The plan was changed.
updated-later = The change is scheduled.
flow-done-title = Done
flow-done = Your change was saved.
decline-card_declined = Your card was declined.
decline-insufficient_funds = Your card has insufficient funds.
decline-expired_card = Your card has expired.
decline-incorrect_cvc = Your card’s security code is incorrect.
decline-incorrect_number = Your card number is incorrect.
decline-processing_error = An error occurred while processing your card. Try again in a little bit.
not-allowed = The seller does not offer this here.

# Countries
country-AR = Argentina
country-AU = Australia
country-AT = Austria
country-BE = Belgium
country-BR = Brazil
country-CA = Canada
country-CL = Chile
country-CO = Colombia
country-CZ = Czechia
country-DK = Denmark
country-FI = Finland
country-FR = France
country-DE = Germany
country-GR = Greece
country-HU = Hungary
country-IE = Ireland
country-IT = Italy
country-JP = Japan
country-LU = Luxembourg
country-MX = Mexico
country-NL = Netherlands
country-NZ = New Zealand
country-NO = Norway
country-PE = Peru
country-PL = Poland
country-PT = Portugal
country-SG = Singapore
country-ES = Spain
country-SE = Sweden
country-CH = Switzerland
country-GB = United Kingdom
country-US = United States
country-UY = Uruguay
