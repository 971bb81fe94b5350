-- How far the audit's chain had come each time that a validation report was made: its last seal then. A chain whose end is cut
-- off later is in order link by link; that it no longer holds a seal that was noted here tells.
create table audit_marks (
  hash text primary key,
  made_at bigint not null                        -- unix seconds of the world's time
);
create index audit_marks_made on audit_marks (made_at);
