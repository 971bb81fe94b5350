-- One row for each signed-in browser. Kept here and not in a cookie, so that a session can be listed and ended from elsewhere.
-- `id` is a digest of what the browser holds: who reads this table cannot sign in with it.
create table sessions (
    id text primary key,
    user_id text null,
    data text not null,
    created_at bigint not null,
    seen_at bigint not null,
    expires_at bigint not null,
    address text not null default '',
    agent text not null default ''
);

create index sessions_user_id on sessions (user_id);
create index sessions_expires_at on sessions (expires_at);
