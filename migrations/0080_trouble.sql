-- What is announced before it happens: one row for each subscription, with what lies ahead of it.
create table notices (
  subscription_id text primary key references subscriptions (id),
  tenant_id text not null references tenants (id),
  kind text not null check (kind in ('trial', 'renewal')),
  about bigint not null,                            -- the moment that is announced
  since bigint not null,                            -- when what ends then began
  state text not null check (state in ('waiting', 'asked', 'told')),
  asked_at bigint                                   -- when the amount was asked for
);
create index notices_due on notices (state, kind, about);
insert into notices (subscription_id, tenant_id, kind, about, since, state)
  select id, tenant_id, 'trial', trial_end, trial_start, 'waiting' from subscriptions
  where status = 'trialing' and trial_end is not null and trial_start is not null and cancel_at is null
    and not cancel_at_period_end and pause_behavior is null;
insert into notices (subscription_id, tenant_id, kind, about, since, state)
  select id, tenant_id, 'renewal', current_period_end, current_period_start, 'waiting' from subscriptions
  where status = 'active' and current_period_end is not null and current_period_start is not null and cancel_at is null
    and not cancel_at_period_end and pause_behavior is null and (collection_method is null or collection_method <> 'send_invoice');
