-- Stripe tells of use that its meters could not count by thin events, which go to an event destination of their own: its secret
-- is kept beside the webhook endpoint's, and each is replaced by its own kind alone.
alter table webhook_secrets add column kind text not null default 'endpoint' check (kind in ('endpoint', 'destination'));

-- A report is kept as soon as its event is read; what it is about is asked of Stripe, again with growing waits.
alter table usage_meter_errors add column kind text not null default 'error_report'
  check (kind in ('error_report', 'no_meter'));
alter table usage_meter_errors add column fetch_at bigint;                    -- null: nothing is left to ask
alter table usage_meter_errors add column attempts bigint not null default 0;
create index usage_meter_errors_fetch on usage_meter_errors (fetch_at) where fetch_at is not null;

drop index webhook_events_meter_errors;
create index webhook_events_meter_errors on webhook_events (received_at)
  where type in ('v1.billing.meter.error_report_triggered', 'v1.billing.meter.no_meter_found');

-- Stripe takes one report of a customer and a meter at a time: while one is on its way, other hours of the tenant wait. When a part
-- was first sent decides whether Stripe still knows it by its name.
alter table usage_outbox add column sending_until bigint not null default 0;
alter table usage_outbox add column claimed_at bigint not null default 0;
create index usage_outbox_waiting on usage_outbox (tenant_id, metric, window_start) where state = 'waiting';

-- Levels are looked at once a day: a limit can come down to one, and a new period can begin above it.
create index usage_totals_levels on usage_totals (tenant_id, metric) where period_start = 0;
