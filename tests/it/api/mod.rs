//! The JSON API: credentials, errors, repetition, and each endpoint.

mod credentials;
mod plans;
mod probe;
mod repeat;
