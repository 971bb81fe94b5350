-- Ways in beside the password -----------------------------------------------------------------------------------------

-- Links that let their bearer in once. Only a digest of what a link carries is kept: who reads this table cannot use one.
-- Times are the world's, whatever the time machine of a demo says.
create table one_time_links (
  id text primary key,
  digest text not null unique,
  purpose text not null check (purpose in ('sign_in', 'password_reset')),
  user_id text not null references users (id),
  tenant_id text references tenants (id),        -- whose pages the bearer then sees; null: the user's first
  return_to text,                                -- a path of ours
  created_at bigint not null,
  expires_at bigint not null,
  used_at bigint                                 -- or taken back
);
create index one_time_links_user on one_time_links (user_id);
create index one_time_links_expires on one_time_links (expires_at);

-- Wishes to be sent a link, of whoever typed whichever address. Answered by background work, so that asking takes as long for
-- an address that nobody has.
create table link_requests (
  id text primary key,
  purpose text not null check (purpose in ('sign_in', 'password_reset')),
  email text not null,                           -- lower case
  address text not null,                         -- where it was asked from
  created_at bigint not null
);
create index link_requests_created on link_requests (created_at, id);

-- People who were asked to join a tenant.
create table invitations (
  id text primary key,
  tenant_id text not null references tenants (id),
  email text not null,                           -- lower case
  role text not null check (role in ('owner', 'admin', 'supervisor', 'operator')),
  digest text not null unique,                   -- of what the link carries; another with each sending
  invited_by text not null references users (id),
  sendings bigint not null default 1,
  state text not null check (state in ('pending', 'accepted', 'withdrawn')),
  created_at bigint not null,
  expires_at bigint not null,
  closed_at bigint
);
create unique index invitations_one_pending on invitations (tenant_id, email) where state = 'pending';
create index invitations_tenant on invitations (tenant_id, state);
