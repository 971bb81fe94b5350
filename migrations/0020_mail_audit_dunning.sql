-- Mails on their way -------------------------------------------------------------------------------------------------

-- Set right before the mail itself goes to the server: from then on nobody can prove that it was not sent, and it is not sent
-- again without a person's word.
alter table mails add column handed_at bigint;
alter table mails add column address text;          -- where it went
alter table mails add column resends bigint not null default 0;
create index mails_created on mails (created_at, id);

-- The audit's chain --------------------------------------------------------------------------------------------------

-- Entries are added in whatever order transactions commit; one worker at a time then seals them, one after the other: each seal
-- is a hash over the entry and the seal before. Both tables are only ever added to: the database itself refuses anything else
-- (see `db::guards`).
create table audit_seals (
  seq bigint primary key,                           -- 1, 2, 3, … without a gap
  entry_id text not null unique references audit_entries (id),
  hash text not null
);

-- Entries that are still to be sealed: a queue, so that sealing costs the same however long the chain is.
create table audit_unsealed (
  entry_id text primary key references audit_entries (id),
  at bigint not null
);
create index audit_unsealed_at on audit_unsealed (at, entry_id);
insert into audit_unsealed (entry_id, at) select id, at from audit_entries;
create index audit_entries_tenant_order on audit_entries (tenant_id, at, id);
create index audit_entries_object on audit_entries (object_id);

-- Missing payments ---------------------------------------------------------------------------------------------------

-- One case for each invoice whose payment failed. Its days are fixed when it is opened: what a mail promised is what happens.
create table dunning_cases (
  invoice_id text primary key,
  tenant_id text not null references tenants (id),
  customer_id text not null,
  subscription_id text,
  number text,
  currency text not null,
  amount bigint not null,                           -- what is missing, minor units
  state text not null check (state in ('open', 'paid', 'void', 'ended')),
  opened_at bigint not null,                        -- when the payment first failed
  restricts_at bigint,
  cancels_at bigint,
  next_at bigint,                                   -- when the next step is due; null: there is none
  lease_until bigint not null default 0,            -- while a step is being carried out, in the world's time
  attempts bigint not null default 0,               -- of the step that is next
  error text,
  closed_at bigint
);
create index dunning_cases_tenant on dunning_cases (tenant_id, state, opened_at);
create index dunning_cases_due on dunning_cases (state, next_at);
create index dunning_cases_subscription on dunning_cases (subscription_id);

create table dunning_steps (
  invoice_id text not null references dunning_cases (invoice_id),
  step text not null check (step in ('reminder', 'urgent', 'restrict', 'final', 'cancel')),
  due_at bigint not null,
  state text not null check (state in ('waiting', 'done', 'skipped')),
  done_at bigint,
  primary key (invoice_id, step)
);
