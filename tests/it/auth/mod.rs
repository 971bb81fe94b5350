//! Who gets in, as what, and for how long.

mod commands;
mod permissions;
mod sign_in;
