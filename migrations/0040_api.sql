-- The JSON API: its keys, and the answers that a repeated request gets again.

-- A key is shown once, when it is made. What is kept of it opens nothing: a hash, and what people tell it apart by.
create table api_keys (
  id text primary key,
  hash text not null unique,                     -- SHA-256 of the whole key, hex: 160 random bits need no slow hash
  prefix text not null,                          -- how the key begins: `bp_test_3v8k`
  last4 text not null,
  name text not null,
  scopes text not null,                          -- with spaces
  livemode boolean not null,
  created_at bigint not null,
  created_by text,                               -- the user who made it; null: the command line
  last_used_at bigint,                           -- written once a minute at most
  revoked_at bigint
);

-- What was answered to a POST with an `Idempotency-Key`, for 24 hours. `scope` is a hash over who asked, for which tenant,
-- by which route, and the key; `fingerprint` one over what was asked. Answers may hold secrets (a sign-in link) and are sealed.
create table api_answers (
  scope text primary key,
  fingerprint text not null,
  claim text not null,                           -- whose request it is that is, or was, being answered
  claimed_at bigint not null,
  status bigint,                                 -- null: being answered
  answer text                                    -- sealed: content type, location, body
);
create index api_answers_age on api_answers (claimed_at);
