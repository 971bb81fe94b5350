//! Mails, as rows.
