//! Tenants and their members.
