-- What the check for card data remembers ------------------------------------------------------------------------------

-- Lines of the log from which something that passes as a card number was taken out before they were written: how many on a day,
-- by each process. The log itself is elsewhere; this is how all replicas and commands know of each other's.
create table redacted_lines (
  day bigint not null,                              -- since 1970-01-01, in the world's time
  process text not null,                            -- another with each start
  lines bigint not null,
  primary key (day, process)
);

-- How far each place has been searched for card numbers, and where one was found and still stands.
create table card_searches (
  place text primary key,
  after_id text not null default '',                -- where the present round goes on
  seen bigint not null default 0,                   -- texts that it has read so far
  is_known boolean not null default false,          -- whether a round has come to its end
  found text not null default '[]'                  -- JSON: ids
);
