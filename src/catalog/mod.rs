//! Products, prices, plans, limits and features.
//!
//! Stripe is their source: rows are written by `sync` from Stripe's products and prices, and no amount is written in code.
//! What a Stripe product cannot say by itself stands in its metadata, under the keys of [`product`]. The catalogue file
//! ([`policy::Catalog`]) declares metrics and policy, and is what `setup` provisions Stripe from. This folder never decides
//! what a tenant may do: that is `access`.

pub mod policy;
pub mod product;
