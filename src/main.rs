//! The `billing-portal` command.

fn main() {}
