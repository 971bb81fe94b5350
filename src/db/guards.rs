//! What the database itself refuses: changes to rows that are only ever added. And how it finds what begins in some way.
//!
//! Triggers and the order of bytes are what the two databases write in different words, so that they stand here and not in a migration.
//! They are put in place after each migration; putting them twice changes nothing.

/// Tables that are only ever added to.
const APPEND_ONLY: [&str; 4] = ["audit_entries", "audit_seals", "audit_marks", "mrr_changes"];

/// What tells two of their rows apart. On SQLite, `insert or replace` takes the old row away without a word to the triggers of
/// `delete`: that a row of that key is there already stops it. A second entry of one cause is left out, as `on conflict do nothing`
/// does, which comes too late to be asked.
const KEYS: [(&str, &str, &str); 5] = [
    ("audit_entries", "id = new.id", "abort, 'audit_entries is only ever added to'"),
    ("audit_entries", "cause = new.cause and id <> new.id", "ignore"),
    ("audit_seals", "seq = new.seq", "abort, 'audit_seals is only ever added to'"),
    ("audit_seals", "entry_id = new.entry_id", "abort, 'audit_seals is only ever added to'"),
    (
        "mrr_changes",
        "subscription_id = new.subscription_id and seq = new.seq",
        "abort, 'mrr_changes is only ever added to'",
    ),
];

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
    for (number, (table, is_same, then)) in KEYS.iter().enumerate() {
        text.push_str(&format!(
            "create trigger if not exists {table}_no_replace_{number} before insert on {table} \
             when exists (select 1 from {table} where {is_same}) begin select raise({then}); end;\n"
        ));
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
