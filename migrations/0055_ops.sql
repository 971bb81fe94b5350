-- Running it: where events came from, what `setup` made in Stripe, what is wrong.

-- Whether an event was delivered, or had to be fetched from Stripe's list because no delivery of it arrived.
alter table webhook_events add column origin text not null default 'delivery' check (origin in ('delivery', 'list'));

-- Staff page through the inbox by time, by type, and through what still needs somebody; the last is few rows of many.
create index webhook_events_page on webhook_events (received_at, id);
drop index webhook_events_received;
create index webhook_events_type on webhook_events (type, received_at, id);
create index webhook_events_open on webhook_events (state, received_at, id) where state in ('pending', 'waiting', 'parked');
create index audit_entries_events on audit_entries (actor_id) where actor_kind = 'stripe';

-- The signing secrets of endpoints that `setup` made: Stripe shows each one once. `sealed` is encrypted with a key that is made
-- of the Stripe key and is nowhere in here: a copy of the database alone opens none.
create table webhook_secrets (
  endpoint_id text primary key,                  -- we_…
  livemode boolean not null,
  url text not null,
  sealed text not null,
  created_at bigint not null,
  retires_at bigint                              -- null: in force; else accepted until then, while another replaces it
);

-- Objects in Stripe that the running portal has to name, and that `setup` found or made.
create table setup_objects (
  name text not null,                            -- portal_configuration
  livemode boolean not null,
  id text not null,
  noted_at bigint not null,
  primary key (name, livemode)
);

-- What is wrong now and needs a person. A row goes when it is right again; the audit keeps both moments.
create table alarms (
  name text primary key,
  detail text not null,                          -- in words, for the log and the mail
  since bigint not null,
  seen_at bigint not null
);
