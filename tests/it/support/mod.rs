//! What the tests share.

pub(crate) mod api;
pub(crate) mod browser;
pub(crate) mod cases;
pub(crate) mod customer;
#[macro_use]
pub(crate) mod databases;
pub(crate) mod described;
pub(crate) mod letters;
pub(crate) mod openapi;
pub(crate) mod portal;
pub(crate) mod postgres;
pub(crate) mod recorder;
pub(crate) mod script;
pub(crate) mod smtp;
pub(crate) mod world;
