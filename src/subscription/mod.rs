//! The subscription a tenant has.
