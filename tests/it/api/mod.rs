//! The JSON API: credentials, errors, repetition, and each endpoint.

mod credentials;
mod invoices;
mod plans;
mod probe;
mod repeat;
mod subscription;
mod usage;
