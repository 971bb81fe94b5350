//! All integration tests, in one binary: it links once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

#[macro_use]
mod support;

mod access;
mod api;
mod audit;
mod auth;
mod checkout;
mod contract;
mod convergence;
mod db;
mod demo;
mod dunning;
mod group_commit;
mod house;
mod life;
mod mail;
mod matrix;
mod members;
mod notices;
mod ops;
mod pages;
mod readme;
mod reconcile;
mod refusals;
mod replay;
mod restricted;
mod sandbox;
mod sessions;
mod staff;
mod stripe;
mod usage;
mod web;
mod webhooks;
