//! The JSON API: credentials, errors, repetition, and each endpoint.

mod access;
mod credentials;
mod keys;
mod plans;
mod probe;
mod repeat;
mod tenants;
