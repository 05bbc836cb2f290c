//! The guide: which patterns, in which order, and what to do with them. It is documentation only.
//!
//! - [choosing]: which patterns a service needs, and which it does not
//! - [ordering]: what goes outside of what, and what counts what
//! - [tuning]: what is worth saying, what is not, how to find out, and how to watch and change it
//! - [testing]: outages of an hour in a test of a millisecond
//! - [compiling]: what the compiler says, and what to do then
//! - [from_tower]: coming from tower's own layers
//! - [from_tower_resilience]: coming from tower-resilience
//! - [from_resilience4j_and_polly]: coming from Java or .NET
//!
//! Whoever wants none of it says [`http::server`](crate::http::server) and [`http::client`](crate::http::client), and has it all:
//! see [`presets`](crate::presets). Every program here is compiled and run.

#[doc = include_str!("choosing.md")]
pub mod choosing {}

#[doc = include_str!("ordering.md")]
pub mod ordering {}

#[doc = include_str!("tuning.md")]
pub mod tuning {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("compiling.md")]
pub mod compiling {}

#[doc = include_str!("from_tower.md")]
pub mod from_tower {}

#[doc = include_str!("from_tower_resilience.md")]
pub mod from_tower_resilience {}

#[doc = include_str!("from_resilience4j_and_polly.md")]
pub mod from_resilience4j_and_polly {}
