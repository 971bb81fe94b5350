-- The index of the latest events begins with the same columns and serves the pages as well: one less to write for each event.
drop index webhook_events_page;
