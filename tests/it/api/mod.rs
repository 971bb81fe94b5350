//! The JSON API: credentials, errors, repetition, and each endpoint.

mod access;
mod credentials;
mod invoices;
mod keys;
mod plans;
mod probe;
mod repeat;
mod sign_in_links;
mod subscription;
mod tenants;
mod usage;
mod wrong;
