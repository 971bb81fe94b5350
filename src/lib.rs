//! A self-hosted, server-rendered billing portal for multi-tenant SaaS on Stripe.
//!
//! A feature is a folder; in each, `mod.rs` holds the rules, `web.rs` the pages, `store.rs` the SQL and `work.rs` the
//! background steps. Data goes request → `web` → rules → `store` → page struct → template.

pub mod access;
pub mod alarm;
pub mod api;
pub mod app;
pub mod audit;
pub mod auth;
pub mod cancel;
pub mod catalog;
pub mod change;
pub mod checkout;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
#[cfg(feature = "sandbox")]
pub mod demo;
pub mod details;
pub mod doctor;
pub mod dunning;
pub mod error;
pub mod i18n;
pub mod id;
pub mod invoices;
pub mod mail;
pub mod members;
pub mod metrics;
pub mod money;
pub mod notices;
pub mod reconcile;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod staff;
pub mod stripe;
pub mod subscription;
pub mod sync;
pub mod tenants;
pub mod usage;
pub mod web;
pub mod webhooks;
pub mod worker;
