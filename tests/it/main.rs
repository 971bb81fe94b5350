//! All integration tests, in one binary: it links once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

#[macro_use]
mod support;

mod access;
mod audit;
mod auth;
mod checkout;
mod contract;
mod convergence;
mod db;
mod group_commit;
mod house;
mod mail;
mod pages;
mod sandbox;
mod sessions;
mod stripe;
mod usage;
mod web;
mod webhooks;
