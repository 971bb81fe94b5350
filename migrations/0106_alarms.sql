-- One table of alarms, whoever raises them: a kind may be on for several things at once, and each says what it is about.
alter table alarms rename column name to cause;      -- the kind, and behind a colon what it is about
alter table alarms add column kind text not null default '';
alter table alarms add column data text not null default '{}';   -- JSON: figures for the mail
update alarms set kind = cause;
insert into alarms (cause, kind, detail, since, seen_at)
  select cause, case
      when cause like 'revenue:%' then 'revenue'
      when cause like 'duplicates:%' then 'duplicates'
      when cause like 'cards:%' then 'cards'
      else 'webhooks' end,
    'told by the validation report: ' || cause, raised_at, raised_at
  from validation_alerts;
drop table validation_alerts;
update mails set kind = 'alarm' where kind = 'alert';

-- What staff see at once of Stripe's events: the latest of them without their payloads, and what is parked by its type.
drop index webhook_events_received_state;
create index webhook_events_latest on webhook_events (received_at, id, state, origin);
create index webhook_events_parked on webhook_events (state, type) where state = 'parked';
-- What a comparison found about a tenant, for its page.
create index reconciliation_findings_tenant on reconciliation_findings (tenant_id, run_id, state, severity, id);
-- All customers that a tenant ever had, for its events.
create index customers_of_tenant on customers (tenant_id);
