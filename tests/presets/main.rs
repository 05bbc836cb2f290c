//! Whole stacks, as a team would put them around a service and a client.
#![cfg(feature = "http")]
#![allow(missing_docs)]

#[cfg(feature = "test-util")]
mod attempts;
mod drain;
#[cfg(feature = "test-util")]
mod lasting;
mod left_out;
#[cfg(feature = "test-util")]
mod order;
#[cfg(feature = "test-util")]
mod parts;
#[cfg(feature = "test-util")]
mod settings;
#[path = "../support/mod.rs"]
mod support;
