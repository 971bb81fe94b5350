//! Entries as files: CSV for spreadsheets, JSON lines for programs.

use serde_json::{Value, json};

use super::Row;
use crate::clock::from_seconds;
use crate::web::Csv;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// One line for each entry, one column for each of its parts.
    Csv,
    /// One JSON object for each entry, on a line of its own.
    Jsonl,
}

const COLUMNS: [&str; 10] =
    ["id", "at", "tenant", "actor_kind", "actor_id", "action", "object", "before", "after", "address"];

impl Form {
    /// The type of the file.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Jsonl => "application/jsonl; charset=utf-8",
        }
    }

    /// The ending of its name.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// What stands before the first entry.
    pub fn head(self) -> String {
        match self {
            Self::Csv => Csv::new(&COLUMNS).as_str().to_owned(),
            Self::Jsonl => String::new(),
        }
    }

    /// One entry.
    pub fn line(self, row: &Row) -> String {
        match self {
            Self::Csv => {
                let mut csv = Csv::default();
                let text = |part: &Option<String>| part.clone().unwrap_or_default();
                csv.text(&row.id)
                    .text(&from_seconds(row.at).to_string())
                    .text(&text(&row.tenant_id))
                    .text(&row.actor_kind)
                    .text(&text(&row.actor_id))
                    .text(&row.action)
                    .text(&text(&row.object_id))
                    .text(&text(&row.before))
                    .text(&text(&row.after))
                    .text(&text(&row.address))
                    .end_row();
                csv.as_str().to_owned()
            }
            Self::Jsonl => {
                let read =
                    |text: &Option<String>| -> Option<Value> { serde_json::from_str(text.as_deref()?).ok() };
                let line = json!({
                    "id": row.id, "at": from_seconds(row.at).to_string(), "tenant": row.tenant_id,
                    "actor_kind": row.actor_kind, "actor_id": row.actor_id, "action": row.action, "object": row.object_id,
                    "before": read(&row.before), "after": read(&row.after), "address": row.address,
                });
                format!("{line}\n")
            }
        }
    }
}
