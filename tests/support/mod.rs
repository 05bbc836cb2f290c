//! What the stories share: services that do as they are told, and instruments that look at them.
#![allow(dead_code, unused_imports)] // each test file uses its own part

mod controlled;
#[cfg(feature = "grpc")]
mod grpc;
mod instruments;
mod letter;
#[cfg(feature = "test-util")]
mod line;
mod probe;
mod recording;
#[cfg(feature = "http")]
mod server;
mod settings;

pub(crate) use controlled::{Call, Controlled, controlled};
#[cfg(feature = "grpc")]
pub(crate) use grpc::{Answering, Named, Raw, answering, connect, incoming};
pub(crate) use instruments::{CountingWaker, poll, poll_with, settled, within};
pub(crate) use letter::Letter;
#[cfg(feature = "test-util")]
pub(crate) use line::{Harness, Op};
#[cfg(feature = "http")]
pub(crate) use probe::Web;
pub(crate) use probe::{Ask, Asks, Broken, Kind, Probe, Script};
pub(crate) use recording::{Does, Log, Recording};
#[cfg(feature = "http")]
pub(crate) use server::{Connection, Fed, Noticing, Version, fed, nobody, serve};
pub(crate) use settings::{ms, rich, weight_of};
