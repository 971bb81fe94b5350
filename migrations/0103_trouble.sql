-- When Stripe's own status, and not the days of the case, first restricted access: paying lifts that too, and the mail says so.
alter table dunning_cases add column barred_at bigint;
