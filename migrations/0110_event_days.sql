-- Stripe's events that are needed, by the day (UTC, days since 1970) on which they came: counted as they come, so that a month of
-- days is read at once, however many events it had.
create table event_days (
  day bigint primary key,
  delivered bigint not null,                     -- Stripe brought them, if late
  fetched bigint not null                        -- taken from Stripe's list, and never brought
);
insert into event_days (day, delivered, fetched)
  select received_at / 86400, sum(case when origin = 'delivery' then 1 else 0 end), sum(case when origin = 'list' then 1 else 0 end)
  from webhook_events where state <> 'not_needed' group by received_at / 86400;
