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
