//! Who gets in, as what, and for how long.

mod account;
mod commands;
mod links;
mod password;
mod permissions;
mod sign_in;
