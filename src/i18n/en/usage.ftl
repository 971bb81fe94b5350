usage-title = Usage
usage-period = { $from } to { $to }
usage-export = Download CSV
usage-free = You are on the free plan. A paid plan includes more of everything.
usage-see-plans = See the plans
usage-nothing = Nothing has been used in this period yet. What your application reports appears here within seconds.
usage-of = of { $limit }
usage-unlimited = Unlimited
usage-billed = billed after use
usage-not-included = Not included in your plan
usage-rate = at most; your application keeps to it
usage-percent = { $percent } used
usage-over = Over the limit
usage-reached = Limit reached
usage-near = Almost used up
usage-beyond = Beyond the limit
usage-left = Left
usage-resets = Starts again on
usage-price = Price
usage-price-per = { $price } per { $units }
usage-price-steps = In steps
usage-step-to = { $first } to { $last }
usage-step-from = From { $first }
usage-step = { $units }: { $price } each
usage-step-flat = { $units }: { $price } each and { $flat } once
usage-cost = Cost so far
usage-cost-beyond = Cost beyond the plan
usage-cost-expected = Expected cost
usage-range = { $expected } ({ $low } to { $high })
usage-outlook = At this pace about { $expected } by { $end }, probably between { $low } and { $high }.
usage-outlook-exact = At this pace { $expected } by { $end }.
usage-outlook-stops = The limit will be reached around { $day }; more will be refused.
usage-outlook-passes = The limit will be passed around { $day }.
usage-no-forecast = A level stays until your application tells another one: there is nothing to forecast.
usage-days = Day by day
usage-chart-nothing = Nothing was used in this period.
usage-chart-sum = From { $from } to { $to }: { $total } in all, most on { $day } with { $most }.
usage-chart-level = From { $from } to { $to }: the highest level was { $most } on { $day }.
usage-legend-used = Used
usage-legend-expected = Expected
usage-table = Show as a table
usage-table-caption = Use by day, newest first
usage-day = Day
usage-level = Level
usage-utc = Days begin at midnight UTC, as on your invoices.
usage-now = This period
usage-periods = By period
usage-periods-caption = Use by period, newest first
usage-no-periods = There is no history yet.
usage-period-column = Period
usage-highest = Highest level
usage-to-current = Back to the current period

usage-staff-title = Usage and meters
usage-staff-about = What is billed by use goes to Stripe’s meters. Here is what did not arrive.
usage-parked = Not reported
usage-parked-none = Everything that was used has been reported, or is on its way.
usage-parked-about = Tried often enough, or refused for good. When the cause is gone, try again. Stripe counts a report that had arrived once within a day; after that we look first whether it has it.
usage-tenant = Company
usage-metric = Metric
usage-hour = Hour
usage-missing = Missing
usage-why = Reason
usage-tries = { $tries ->
    [one] { $tries } try
   *[other] { $tries } tries
}
usage-retry = Try again
usage-retried = It will be tried again at once.
usage-retry-arrived = Stripe has had it all the time: it is noted as reported.
usage-retry-title = Report it all the same?
usage-retry-why = This report was first sent more than 23 hours ago, and its answer was lost. Stripe would no longer notice that it comes a second time, and what Stripe has of that hour fits neither case.
usage-retry-part = To be reported
usage-retry-before = Reported before
usage-retry-unknown = could not be asked
usage-retry-twice = If Stripe has it already, it would be billed twice. Look at the meter in Stripe’s dashboard before you decide.
usage-retry-anyway = Report it
usage-retry-back = Back
usage-compared = Compared with Stripe
usage-compared-none = { $count ->
    [0] Nothing was compared in the last two days.
    [one] In { $count } comparison of the last two days both sides agree.
   *[other] In { $count } comparisons of the last two days both sides agree.
}
usage-ours = Ours
usage-theirs = Stripe’s
usage-compared-at = Compared
usage-reports = Error reports from Stripe
usage-reports-none = Stripe has reported no errors.
usage-report-errors = Stripe’s meters did not take some use.
usage-report-no-meter = Some use names no meter that there is in Stripe.
usage-report-asked = The details are still being asked for.
usage-errors = { $count ->
    [one] { $count } report could not be counted
   *[other] { $count } reports could not be counted
}

usage-no-metric = There is no such metric.
usage-not-counted = This metric is a rate: it is not counted here.
usage-wrong-quantity = This metric is a counter: give it a quantity from 1 to 9007199254740991, and no value.
usage-wrong-value = This metric is a gauge: give it a value from 0 to 9007199254740991, and no quantity.
usage-wrong-key = The key must have 1 to 100 characters, none of them a control character.
usage-too-old = It must not be more than 35 days ago.
usage-ahead = It must not be more than 5 minutes ahead.
usage-too-long = Ask for at most { $most } days at once.
