//! One policy per key: per tenant, per shard, per route.
//!
//! One breaker over ten shards turns one dead shard into ten. One bulkhead over all tenants lets one of them take every
//! slot. With a key, each has a policy of its own, made when it is first seen and forgotten when it is idle and others need
//! the room.
//!
//! ```text
//!                     .-- "acme"   --> breaker (closed)
//!   request --> key --+-- "umbra"  --> breaker (open): only its own calls are rejected
//!                     '-- "zenith" --> breaker (closed)
//!        at most `capacity` keys; the least recently used idle one goes
//! ```
//!
//! ```
//! use cofferdam::{Bulkhead, Policy, keyed::Keyed};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! struct Query {
//!     tenant: String,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let template = Bulkhead::builder("queries").limit(1).build()?;
//! let slots = Keyed::builder(template).by_text(|query: &Query| &query.tenant).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(slots.clone().layer())
//!     .service(service_fn(|_: Query| std::future::pending::<Result<(), BoxError>>()));
//!
//! let query = |tenant: &str| service.clone().oneshot(Query { tenant: tenant.to_owned() });
//! let mut hangs = Box::pin(query("acme"));
//! assert!(futures_util::poll!(&mut hangs).is_pending());
//!
//! assert!(query("acme").await.is_err(), "its own slot is taken");
//! let mut other = Box::pin(query("umbra"));
//! assert!(futures_util::poll!(&mut other).is_pending(), "another tenant has one of its own");
//! assert_eq!(slots.snapshot().len(), 2);
//! # Ok(()) }
//! ```
//!
//! **The key** is hashed, with a hasher that is seeded for each table, and 64 bits of it are kept: what strangers send costs
//! no memory, however long it is. (Two of `n` keys share a policy with a chance of about `n²/2⁶⁵`: one in 370 billion at
//! the default capacity.) The first 64 bytes are kept as a label for operators.
//!
//! **When there is no room**, an idle key makes it: one with no call in flight and [nothing to remember](Fresh::is_fresh), as a used
//! rate limit has, and rather one that was not used lately. If all
//! are busy, of the two thousand or so that are looked at, the newcomer shares one policy with all that find no room, or is
//! rejected with [`Why::Crowded`](crate::Why::Crowded): see [`WhenFull`]. A key that is forgotten begins afresh when it comes
//! back, so an open breaker that nobody calls may be forgotten.
//!
//! **Clones** share the keys. **In a stack** it stands where the policy in it would. It takes a short lock on one of 16 parts
//! of the table per call.

mod config;
mod fresh;
mod key;
mod policy;
mod table;

pub use config::{Builder, WhenFull};
pub use fresh::Fresh;
pub use key::{ByText, ByValue, KeyOf};
pub use policy::{KeySnapshot, Keyed, KeyedToken};
