//! The JSON API: credentials, errors, repetition, and each endpoint.

mod credentials;
mod plans;
mod probe;
mod repeat;
mod sign_in_links;
