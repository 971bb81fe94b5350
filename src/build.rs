//! Build step.
#![expect(clippy::print_stdout, reason = "this is how a build step speaks to cargo")]

fn main() {
    println!("cargo:rerun-if-changed=src/build.rs");
    println!("cargo:rerun-if-changed=migrations");
}
