-- Holding both sides against each other -------------------------------------------------------------------------------

-- A run goes on where it stopped: everything it needs for that is in its row and in its suspects.
create table reconciliation_runs (
  id text primary key,
  repairs boolean not null,                         -- whether it puts right what it finds
  actor_kind text not null check (actor_kind in ('user', 'job', 'command')),
  actor_id text,
  state text not null check (state in ('running', 'done', 'failed')),
  stage text not null,
  cursor text not null default '{}',                -- JSON: where the stage goes on
  progress text not null default '{}',              -- JSON: what was looked at so far
  attempts bigint not null default 0,               -- of the present step that failed
  due_at bigint not null,                           -- when the next step may be taken, in the world's time
  lease_holder text,
  lease_until bigint not null default 0,
  error text,
  started_at bigint not null,                       -- the world's time, as is the next
  finished_at bigint
);
-- One at a time: whoever comes second meets the first one's row.
create unique index reconciliation_runs_one on reconciliation_runs (state) where state = 'running';
create index reconciliation_runs_started on reconciliation_runs (started_at, id);

-- What a list made suspicious, and what is to be asked for by itself before anything is said of it.
create table reconciliation_suspects (
  run_id text not null references reconciliation_runs (id),
  subject text not null,                            -- a customer's id; 'catalogue'; 'usage/<tenant>/<metric>'
  looks bigint not null default 0,
  due_at bigint not null,
  error text,
  primary key (run_id, subject)
);
create index reconciliation_suspects_due on reconciliation_suspects (run_id, due_at);

create table reconciliation_findings (
  id text primary key,
  run_id text not null references reconciliation_runs (id),
  subject text not null,
  kind text not null,
  severity text not null check (severity in ('critical', 'major', 'minor')),
  object text not null,                             -- customer, subscription, invoice, charge, product, price, usage
  object_id text not null,
  customer_id text,
  tenant_id text,
  changes text not null default '[]',               -- JSON: [{field, here, stripe}]
  amount bigint not null default 0,                 -- by how much money that was paid differs, minor units
  currency text,
  repair text not null check (repair in ('refetch', 'attach', 'catalogue', 'write_tenant', 'keep_one', 'remove', 'by_hand')),
  state text not null check (state in ('checking', 'open', 'repaired')),
  error text,                                       -- why a repair did not work
  found_at bigint not null,
  settled_at bigint,
  settled_by text,
  unique (run_id, kind, object_id)
);
create index reconciliation_findings_order on reconciliation_findings (run_id, state, severity, id);
create index reconciliation_findings_subject on reconciliation_findings (run_id, subject);

-- When a customer was last seen in Stripe's list.
alter table customers add column listed_at bigint;

-- The other way round, rows are counted by when Stripe made them.
create index subscriptions_created on subscriptions (created_at);
create index invoices_created on invoices (created_at);
create index charges_created on charges (created_at);
-- Drafts are the one kind of invoice that can vanish: they are looked up with every fetch of a customer.
create index invoices_drafts on invoices (customer_id) where status = 'draft';

-- The eight checks, as they stood at a time.
create table validation_reports (
  id text primary key,
  run_id text references reconciliation_runs (id),
  since bigint not null,
  until bigint not null,
  checks text not null,                             -- JSON
  made_at bigint not null
);
create index validation_reports_made on validation_reports (made_at, id);

-- What was told and is still so: told again only after it was well in between.
create table validation_alerts (
  cause text primary key,
  raised_at bigint not null
);
