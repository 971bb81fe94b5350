//! What the tests share.

pub(crate) mod browser;
#[macro_use]
pub(crate) mod databases;
pub(crate) mod openapi;
pub(crate) mod portal;
pub(crate) mod postgres;
pub(crate) mod recorder;
pub(crate) mod script;
pub(crate) mod smtp;
pub(crate) mod world;
