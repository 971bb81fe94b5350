-- What tenants use. Hot rows carry no foreign keys: the gate reads the tenant's row, and on Postgres locks it, before it writes
-- any of these. Times are unix seconds; a day is a number of days since 1970-01-01 in UTC.

-- How much in a period: one row to read, however much happened. A counter has a row for each period; a gauge has one row,
-- under period_start 0, which holds its level.
create table usage_totals (
  tenant_id text not null,
  metric text not null,
  period_start bigint not null,
  period_end bigint not null,                    -- 0 for a gauge
  total bigint not null check (total >= 0),
  at bigint not null,                            -- when the latest of it happened; an older level never replaces a newer one
  primary key (tenant_id, metric, period_start)
);

-- How much on each day. The period is in the key: a day on which a period ends has two rows, and the days of a counter's
-- period add up to its total exactly. For a gauge: the last level of the day.
create table usage_days (
  tenant_id text not null,
  metric text not null,
  day bigint not null,
  period_start bigint not null,
  quantity bigint not null check (quantity >= 0),
  at bigint not null,
  primary key (tenant_id, metric, day, period_start)
);

-- What was reported, under the reporter's own key, and what the answer was: a repeated key gets it again.
create table usage_events (
  tenant_id text not null,
  key text not null,
  metric text not null,
  amount bigint not null,
  asked_at bigint,                               -- the time that the reporter named, if any
  outcome text not null check (outcome in ('recorded', 'limit_reached', 'not_in_plan', 'too_large')),
  used bigint not null,
  limit_value bigint,                            -- null: unlimited
  hard boolean not null,
  reset_at bigint,                               -- null: a level is not reset
  recorded_at bigint not null,
  primary key (tenant_id, key)
);
create index usage_events_recorded on usage_events (recorded_at);

-- The way out to Stripe's meters: what was used in an hour, and how much of it Stripe has. `claimed` is what is on its way under
-- the number `part`; it does not move until Stripe has taken it, so that a repeated try says the same under the same name.
create table usage_outbox (
  tenant_id text not null,
  metric text not null,
  window_start bigint not null,
  meter text not null,                           -- the name of the meter's events
  quantity bigint not null check (quantity >= claimed),
  claimed bigint not null default 0 check (claimed >= sent),
  sent bigint not null default 0,
  part bigint not null default 0,
  due_at bigint not null,
  attempts bigint not null default 0,
  state text not null default 'waiting' check (state in ('idle', 'waiting', 'parked')),
  error text,
  primary key (tenant_id, metric, window_start)
);
create index usage_outbox_due on usage_outbox (state, due_at);

-- What Stripe reported, afterwards, that it could not count.
create table usage_meter_errors (
  event_id text primary key,
  meter_id text,
  at bigint not null,
  error_count bigint not null,
  summary text not null,
  details text not null default '[]',            -- JSON: [{code, message, identifier}]
  taken_at bigint not null
);
create index usage_meter_errors_at on usage_meter_errors (at);

-- Ours held against Stripe's, for each billed metric of a period: the latest look.
create table usage_comparisons (
  tenant_id text not null,
  metric text not null,
  period_start bigint not null,
  period_end bigint not null,
  ours bigint not null,
  theirs bigint not null,
  compared_at bigint not null,
  primary key (tenant_id, metric, period_start)
);
create index usage_comparisons_at on usage_comparisons (compared_at);

-- Stripe's error reports are found in the inbox, where they are kept for staff as they came.
create index webhook_events_meter_errors on webhook_events (received_at)
  where type = 'v1.billing.meter.error_report_triggered';
