-- A payment page must not outlive the need for it: where a subscription came into force another way, the page is closed at
-- Stripe, so that nobody pays twice.
alter table checkout_sessions add column close_at bigint;  -- when the next try to close it is due; null: nobody wants it closed
create index checkout_sessions_closing on checkout_sessions (close_at) where close_at is not null;
