-- What staff see at once of all tenants together. Nothing here is the truth: each row follows from another row, in the same
-- transaction, so that the dashboard reads some hundred rows however many tenants there are.

-- Recurring revenue, change by change: only ever added to (see `db::guards`). Amounts are minor units for a year, since a month
-- of a yearly price is no whole number of them. The n-th change of a subscription is the n-th, whatever is replayed.
create table mrr_changes (
  subscription_id text not null,
  seq bigint not null,                           -- 1, 2, 3, … of the subscription
  tenant_id text not null references tenants (id),
  currency text not null,
  kind text not null check (kind in ('new', 'expansion', 'contraction', 'churned', 'reactivated')),
  at bigint not null,                            -- when it took effect; never before the tenant's change before it
  delta bigint not null,                         -- for a year, minor units
  total bigint not null,                         -- of the tenant in that currency afterwards
  primary key (subscription_id, seq)
);
create index mrr_changes_tenant on mrr_changes (tenant_id, currency);
create index mrr_changes_at on mrr_changes (at, subscription_id, seq);

-- What coupons take off, as far as Stripe was asked for it.
create table discounts (
  id text primary key,
  percent_off text,                              -- hundredths, as Stripe writes them
  amount_off bigint,                             -- minor units of `currency`
  currency text,
  duration text,                                 -- once, repeating, forever
  ends_at bigint
);

-- Counts and sums by month (UTC: year * 12 + month - 1; 0 for what is counted now), and what has still to be added to them: a row
-- that every change would have to lock is not locked by any.
create table figures (
  month bigint not null,
  figure text not null,                          -- subscriptions, mrr, charges, refunds, recovered
  label text not null,                           -- the status, the kind of change
  currency text not null,                        -- '' for what is no money
  count bigint not null,
  amount bigint not null,                        -- minor units; of mrr: for a year
  primary key (month, figure, label, currency)
);
create table figure_changes (
  id text primary key,
  month bigint not null,
  figure text not null,
  label text not null,
  currency text not null,
  count bigint not null,
  amount bigint not null
);

-- Rows that were there before figures were kept: background work counts them.
create table figure_backlog (
  kind text not null check (kind in ('subscription', 'invoice', 'charge')),
  id text not null,
  primary key (kind, id)
);
insert into figure_backlog (kind, id) select 'subscription', id from subscriptions;
insert into figure_backlog (kind, id) select 'invoice', id from invoices where status = 'paid' and attempt_count > 1;
insert into figure_backlog (kind, id) select 'charge', id from charges;

-- Plans that are hidden from the pricing page and that staff show to a tenant, beside those that the product itself names.
create table plan_grants (
  product_id text not null,
  tenant_id text not null references tenants (id),
  granted_by text not null,
  granted_at bigint not null,
  primary key (product_id, tenant_id)
);
create index plan_grants_tenant on plan_grants (tenant_id);

-- Lists of tenants by what they have, and a customer's events by time.
create index subscriptions_status on subscriptions (status, tenant_id);
create index subscriptions_product on subscriptions (product_id, tenant_id);
create index webhook_events_received_state on webhook_events (received_at, state);
create index webhook_events_customer_received on webhook_events (customer_id, received_at, id);
