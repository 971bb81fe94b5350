-- What the portal knows. Stripe is the truth for everything that carries `seen_at`: those rows are projections, written by
-- `sync` alone, and `seen_at` is the Stripe time (unix seconds) up to which the row is known to be right.
--
-- Portable on purpose: text, bigint, boolean. Ids are text, times unix seconds, money minor units, JSON text.
-- Rows that mirror Stripe have no foreign keys among each other: Stripe's events come in any order.

-- People and tenants ------------------------------------------------------------------------------------------------

create table users (
  id text primary key,
  email text not null unique,                    -- lower case
  name text not null,
  password_hash text,                            -- argon2id, PHC string; null: signs in by link only
  language text check (language in ('en', 'es')),-- null: what the browser asks for
  time_zone text,                                -- IANA name; null: the tenant's
  staff boolean not null default false,
  created_at bigint not null
);

create table tenants (
  id text primary key,
  external_id text unique,                       -- the host application's own id
  name text not null,
  email text not null,                           -- where bills go
  language text not null default 'en' check (language in ('en', 'es')),
  time_zone text not null default 'UTC',
  trial_used_at bigint,                          -- one trial per tenant: when the first began
  created_at bigint not null
);

create table memberships (
  tenant_id text not null references tenants (id),
  user_id text not null references users (id),
  role text not null check (role in ('owner', 'admin', 'supervisor', 'operator')),
  created_at bigint not null,
  primary key (tenant_id, user_id)
);
create index memberships_user on memberships (user_id);

-- Failed sign-ins, by account and by address: `account:<sha256 of the e-mail>`, `address:<ip>`.
create table sign_in_attempts (
  key text primary key,
  failures bigint not null,
  last_at bigint not null,
  blocked_until bigint not null
);

-- The catalogue, from Stripe ----------------------------------------------------------------------------------------

create table products (
  id text primary key,
  name text not null,
  description text,
  active boolean not null,
  livemode boolean not null,
  plan text,                                     -- the plan's slug; null: not a plan
  metric text,                                   -- the metric that this product bills; null: none
  position bigint not null default 0,
  highlighted boolean not null default false,
  hidden boolean not null default false,         -- shown to `tenants` only
  tenants text not null default '[]',            -- JSON: ids or external ids
  trial_days bigint not null default 0,
  per_seat boolean not null default false,       -- the quantity of the plan's price is the number of seats
  features text not null default '[]',           -- JSON: ids of the features that the plan has
  marketing_features text not null default '[]', -- JSON: words for the pricing page
  translations text not null default '{}',       -- JSON: language -> {name, description, marketing_features}
  limits text not null default '{}',             -- JSON: metric -> {"limit": n or null, "hard": bool}
  seen_at bigint not null
);
create index products_plan on products (plan);

create table prices (
  id text primary key,
  product_id text not null,
  lookup_key text,
  active boolean not null,
  livemode boolean not null,
  currency text not null,
  unit_amount bigint,                            -- null: tiered, or a fraction of the minor unit
  unit_amount_decimal text,
  recurring_interval text,                       -- day, week, month, year; null: one-time
  interval_count bigint not null default 1,
  usage_type text,                               -- licensed, metered
  meter_id text,
  tax_behavior text,
  tiers_mode text,
  tiers text,                                    -- JSON, as Stripe has them
  currency_options text not null default '{}',   -- JSON: currency -> {unit_amount, unit_amount_decimal, tiers, tax_behavior}
  seen_at bigint not null
);
create index prices_product on prices (product_id);

-- Subscriptions and money, from Stripe ------------------------------------------------------------------------------

create table customers (
  id text primary key,
  tenant_id text not null references tenants (id),
  email text,
  name text,
  currency text,                                 -- set by Stripe with the first subscription: then it cannot change
  address text,                                  -- JSON
  tax_ids text not null default '[]',            -- JSON: [{id, type, value, verification}]
  balance bigint not null default 0,
  delinquent boolean not null default false,
  deleted boolean not null default false,
  livemode boolean not null,
  test_clock text,
  payment_method text,                           -- JSON: {id, type, brand, last4, exp_month, exp_year}: what Stripe shows of it
  next_invoice text,                             -- JSON: {total, amount_due, currency, at}: Stripe's preview
  details_seen_at bigint,                        -- Stripe's time when payment_method and next_invoice were asked for
  details_due_at bigint,                         -- when they are to be asked for again: after a change, ahead of a renewal
  seen_at bigint not null
);
create unique index customers_tenant on customers (tenant_id) where not deleted;
create index customers_details on customers (details_due_at);

create table subscriptions (
  id text primary key,
  tenant_id text not null references tenants (id),
  customer_id text not null,
  status text not null,                          -- as Stripe says it; one that we do not know is kept
  currency text not null,
  price_id text,                                 -- of the item that is the plan
  product_id text,
  quantity bigint not null default 1,
  items text not null default '[]',              -- JSON: [{id, price, product, quantity, period_start, period_end}]
  current_period_start bigint,
  current_period_end bigint,
  trial_start bigint,
  trial_end bigint,
  cancel_at bigint,
  cancel_at_period_end boolean not null default false,
  canceled_at bigint,
  ended_at bigint,
  cancellation_reason text,
  pause_behavior text,
  pause_resumes_at bigint,
  schedule_id text,
  pending_change text,                           -- JSON: {price, quantity, at}: from the schedule
  pending_update boolean not null default false, -- a change that waits for its payment
  discounts text not null default '[]',          -- JSON
  collection_method text,
  latest_invoice_id text,
  livemode boolean not null,
  started_at bigint not null,
  created_at bigint not null,
  seen_at bigint not null
);
create index subscriptions_tenant on subscriptions (tenant_id, created_at);
create index subscriptions_customer on subscriptions (customer_id);

create table invoices (
  id text primary key,
  tenant_id text not null references tenants (id),
  customer_id text not null,
  subscription_id text,
  number text,
  status text not null,                          -- draft, open, paid, uncollectible, void
  billing_reason text,
  collection_method text,
  currency text not null,
  subtotal bigint not null,
  discount bigint not null default 0,
  tax bigint not null default 0,
  total bigint not null,
  starting_balance bigint not null default 0,
  amount_due bigint not null,
  amount_paid bigint not null,
  amount_remaining bigint not null,
  period_start bigint not null,
  period_end bigint not null,
  created_at bigint not null,
  due_at bigint,
  finalized_at bigint,
  paid_at bigint,
  voided_at bigint,
  attempt_count bigint not null default 0,
  next_attempt_at bigint,
  lines text not null default '[]',              -- JSON: [{id, description, amount, quantity, period_start, period_end, proration, price}]
  taxes text not null default '[]',              -- JSON: [{amount, inclusive, rate}]
  payments text not null default '[]',           -- JSON: [{id, payment_intent, charge, amount, status}]
  seen_at bigint not null
);
create index invoices_tenant on invoices (tenant_id, created_at, id);
create index invoices_tenant_status on invoices (tenant_id, status, created_at, id);
create index invoices_subscription on invoices (subscription_id);

create table charges (
  id text primary key,
  tenant_id text not null references tenants (id),
  customer_id text not null,
  payment_intent_id text,
  amount bigint not null,
  amount_refunded bigint not null default 0,
  currency text not null,
  status text not null,                          -- succeeded, pending, failed
  disputed boolean not null default false,
  failure_code text,
  failure_message text,
  created_at bigint not null,
  refunded_at bigint,                            -- when the first refund of it was seen
  seen_at bigint not null
);
create index charges_tenant on charges (tenant_id, created_at);
create index charges_payment_intent on charges (payment_intent_id);

create table checkout_sessions (
  id text primary key,                           -- ours; also what makes the idempotency key
  tenant_id text not null references tenants (id),
  stripe_id text unique,
  state text not null check (state in ('starting', 'open', 'complete', 'expired')),
  price_id text not null,
  quantity bigint not null,
  currency text not null,
  parameters text not null,                      -- JSON: all that was asked, so that a retry asks the same
  url text,
  subscription_id text,
  created_by text not null,
  created_at bigint not null,
  expires_at bigint not null,
  completed_at bigint
);
-- Never two: whoever comes second meets the first one's row.
create unique index checkout_sessions_one_open on checkout_sessions (tenant_id) where state in ('starting', 'open');

-- The way in: Stripe's events ---------------------------------------------------------------------------------------

create table webhook_events (
  id text primary key,
  type text not null,
  api_version text,
  livemode boolean not null,
  created_at bigint not null,                    -- Stripe's time
  object_id text,
  customer_id text,
  payload text not null,                         -- the bytes that were signed
  payload_hash text not null,
  conflict text,                                 -- another payload that came under the same id
  state text not null check (state in ('pending', 'waiting', 'done', 'not_needed', 'parked')),
  attempts bigint not null default 0,
  due_at bigint not null,
  error text,
  received_at bigint not null,
  processed_at bigint
);
create index webhook_events_due on webhook_events (state, due_at);
create index webhook_events_customer on webhook_events (customer_id, state, created_at);
create index webhook_events_received on webhook_events (received_at);

-- One row for each customer that has something to do: the lease keeps two workers apart, the refetch coalesces.
create table customer_sync (
  customer_id text primary key,
  refetch boolean not null default false,
  attempts bigint not null default 0,
  due_at bigint not null,
  lease_until bigint not null default 0,
  lease_holder text,
  error text
);
create index customer_sync_due on customer_sync (due_at);

-- Work that only one process of several may do at a time.
create table leases (
  name text primary key,
  holder text not null,
  until bigint not null
);

-- The way out: consequences, staged in the transaction of the change, each under a key that makes it one -------------

create table mails (
  id text primary key,
  cause text not null unique,                    -- kind and what caused it: the same cause never mails twice
  kind text not null,
  tenant_id text references tenants (id),
  user_id text references users (id),
  data text not null,                            -- JSON: what the template needs
  state text not null check (state in ('waiting', 'sending', 'sent', 'kept', 'failed')),
  attempts bigint not null default 0,
  due_at bigint not null,
  created_at bigint not null,
  sent_at bigint,
  error text
);
create index mails_due on mails (state, due_at);
create index mails_tenant on mails (tenant_id, created_at);

create table audit_entries (
  id text primary key,
  cause text unique,                             -- null: happened because a person did it, once by nature
  at bigint not null,
  tenant_id text references tenants (id),
  actor_kind text not null check (actor_kind in ('user', 'key', 'stripe', 'job', 'command', 'visitor')),
  actor_id text,
  action text not null,
  object_id text,
  before text,                                   -- JSON
  after text,                                    -- JSON
  address text
);
create index audit_entries_tenant on audit_entries (tenant_id, at);
create index audit_entries_at on audit_entries (at);
