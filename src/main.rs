//! The `billing-portal` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    billing_portal::cli::main()
}
