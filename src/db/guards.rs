//! What the database itself refuses: changes to rows that are only ever added. And how it finds what begins in some way.
//!
//! Triggers and the order of bytes are what the two databases write in different words, so that they stand here and not in a migration.
//! They are put in place after each migration; putting them twice changes nothing.

/// Tables that are only ever added to.
const APPEND_ONLY: [&str; 3] = ["audit_entries", "audit_seals", "mrr_changes"];

/// Columns of tenants that staff search by their beginnings, whatever the case of letters.
const SEARCHED: [&str; 2] = ["name", "email"];

/// The statements for SQLite.
pub(super) fn sqlite() -> String {
    let mut text = String::new();
    for table in APPEND_ONLY {
        for deed in ["update", "delete"] {
            text.push_str(&format!(
                "create trigger if not exists {table}_no_{deed} before {deed} on {table} \
                 begin select raise(abort, '{table} is only ever added to'); end;\n"
            ));
        }
    }
    for column in SEARCHED {
        text.push_str(&format!(
            "create index if not exists tenants_by_{column} on tenants (lower({column}));\n"
        ));
    }
    text
}

/// The statements for Postgres.
pub(super) fn postgres() -> String {
    let mut text = "create or replace function refuse_change() returns trigger language plpgsql as $$ \
                    begin raise exception '% is only ever added to', tg_table_name; end $$;\n"
        .to_owned();
    for table in APPEND_ONLY {
        text.push_str(&format!(
            "create or replace trigger {table}_no_change before update or delete or truncate on {table} \
             for each statement execute function refuse_change();\n"
        ));
    }
    for column in SEARCHED {
        // By bytes: in the order of a language, a beginning is no range.
        text.push_str(&format!(
            "create index if not exists tenants_by_{column} on tenants (lower({column}) collate \"C\");\n"
        ));
    }
    text
}
