//! Over real sockets: servers and clients as people run them, and whatever can go wrong between two processes.
#![allow(missing_docs)]
#![cfg(feature = "http")]

mod attempts;
mod axum;
mod axum_layers;
mod drain;
mod hyper;
mod hyper_edges;
mod lasting;
mod replay;
mod reqwest;
#[path = "../support/mod.rs"]
mod support;
mod uploads;
