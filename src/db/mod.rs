//! One query layer over SQLite and Postgres.
