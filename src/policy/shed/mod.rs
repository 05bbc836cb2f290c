//! Priority load shedding: when not everything can be done, what matters most is done first, and whole.
//!
//! A service at twice its capacity has to say no to every other request. One that says no to whoever comes at a bad moment
//! fails half of its payments to serve half of its thumbnails, and of a task that takes four requests it finishes one in
//! sixteen. One that says yes to all of them finishes none in time.
//!
//! ```text
//!                             ranks, the highest first
//!   requests --> slot free? --no--> [CRITICAL_PLUS  ..] --.
//!                   | yes           [CRITICAL       ..]   |  a slot becomes free
//!                   v               [SHEDDABLE_PLUS ..]   |
//!               [ limit ] <---------[SHEDDABLE      ..]<--'
//!                   |                  |
//!                   v                  '--x  no place, or too late to be done in time: rejected
//!                service
//! ```
//!
//! ```
//! use cofferdam::{Criticality, Policy, Rejected, Why, context::Rank, limit::AdaptiveLimit, shed::LoadShed};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let limit = AdaptiveLimit::builder("api").initial_limit(2).build()?;
//! let shed = LoadShed::builder(limit).rank(|class: &Criticality| Rank::of(*class, None)).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(shed.clone().layer())
//!     .service(service_fn(|_: Criticality| std::future::pending::<Result<(), BoxError>>()));
//! let call = |class| Box::pin(service.clone().oneshot(class));
//!
//! // Two run, and three wait; then somebody comes who matters more.
//! let mut calls: Vec<_> = (0..5).map(|_| call(Criticality::Sheddable)).collect();
//! for call in &mut calls {
//!     assert!(futures_util::poll!(call).is_pending());
//! }
//! assert_eq!(shed.waiting(), 3);
//! let mut grave = call(Criticality::CriticalPlus);
//! assert!(futures_util::poll!(&mut grave).is_pending());
//!
//! let (first, ..) = futures_util::future::select_all(calls).await;
//! let error = first.unwrap_err();
//! assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::Displaced);
//! # Ok(()) }
//! ```
//!
//! **Who goes first** is said by the [`Rank`](crate::context::Rank) of a request: its [`Criticality`](crate::Criticality),
//! and within that its [`TaskKey`](crate::TaskKey). Requests of one task get the same answer everywhere, so what is begun is
//! finished; every hour the tasks change places. It is strict, unless a class has a [`min_share`](Builder::min_share).
//!
//! **How long the line is** follows from what can be done: about a quarter of the time that callers have left, and at least
//! one and a half times the limit. When it is full, the lowest rank leaves it for a higher one. Among equals, first come,
//! first served; the newest first once the line has not been empty for 100 ms.
//! Whoever is called and comes late, as its thread has much else to do, keeps its place from those who matter less, and in a full line
//! also what is free, for a second.
//!
//! **Nothing is begun that cannot be done in time.** A call waits until what is left of its deadline is what a call takes,
//! and if it matters less somewhat shorter; then it is rejected, rather than served for nobody. Deadlines come from the
//! [`deadline`](crate::limit::Builder::deadline) of requests, or else it is the limit's
//! [`patience`](crate::limit::Builder::patience).
//!
//! **A call lasts** as it does for the [limit](crate::limit): over HTTP to the end of its body, or to the head of a lasting answer.
//! With it the next in line comes in.
//!
//! **When it rejects**, it does so with [`Why::Shed`](crate::Why::Shed) at once, or later if the time is up; with
//! [`Why::Displaced`](crate::Why::Displaced) if the place went to somebody else; with [`Why::Expired`](crate::Why::Expired) if
//! the deadline had passed. Over HTTP the first two are a 503. Most rejections cost two loads.
//!
//! **Calls of different weight** take as many slots of the limit as they keep busy: see [`weighted`](LoadShed::weighted). No
//! lighter one behind a heavy one that waits comes in first, so it is served in its turn.
//!
//! **Health checks** are let in beyond the limit, up to 16 at a time: an overloaded service that is restarted for it is less
//! than an overloaded service. See [`Context::is_health_check`](crate::Context::is_health_check).
//!
//! **Other signals** than the limit shed as well: a [`Gauge`] of yours, the [`SchedulerLag`], or the time that calls
//! [wait](Builder::queue_delay). What an autoscaler wants to know is [`saturation`](LoadShed::saturation).
//!
//! **Clones** of it, of its layer and of the services made from it share the limit and the line.
//!
//! **In a stack** it stands at a server, outermost but for what answers without work. A call that waits holds nothing but its
//! place; the service behind must be `Clone`, and the wait needs a tokio runtime for its timer.

mod config;
mod door;
mod front;
mod operate;
mod policy;
mod pressure;
mod shares;
mod signal;

pub use config::Builder;
pub use policy::LoadShed;
pub use signal::{Gauge, SchedulerLag, Signal};
