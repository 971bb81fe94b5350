//! What the tests share.

#[macro_use]
pub(crate) mod databases;
pub(crate) mod openapi;
pub(crate) mod postgres;
pub(crate) mod recorder;
pub(crate) mod script;
