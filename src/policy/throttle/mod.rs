//! Adaptive throttle: do not send what an overloaded server would only reject.
//!
//! A server that rejects what is too much for it pays for every rejection, and a caller waits for it. When many clients ask for
//! four times what a server can do, the server may spend more on saying no than on its work. With a throttle, each client
//! notices how much of what it sends is taken, and sends little more than that. The rest it rejects by itself, at once.
//!
//! ```text
//!                  rank 63 |#####                  sent
//!   what its              |########               sent
//!   calls ask for,        |###                    sent
//!   by rank               |######--  . . . . . .  the margin: a share of these is sent
//!                         |----------             rejected here
//!                   rank 0 |-----------------      rejected here
//!
//!   the margin lies where the demand from the top down reaches   K * (accepted + 1) + 1
//! ```
//!
//! This is client-side throttling after the [Google SRE book, chapter "Handling Overload"][sre], where a client rejects with
//! the probability `max(0, (requests - K * accepts) / (requests + 1))`. Here the same share is cut, but from the bottom of a
//! [`Rank`](crate::context::Rank) that all clients agree on, rather than by a coin: so all clients of a server cut the same
//! tasks without talking to each other, and the most important ones go through whole. A coin takes as many of those as
//! of any others, and they are gone before the server could have preferred them. [`Builder::coin`] is there all the same.
//!
//! ```
//! use std::time::Duration;
//! use cofferdam::{Admit, AdaptiveThrottle, Criticality, Ended, Instant, Outcome, Policy, TaskKey, Why, context::Rank};
//!
//! let by_class = |class: &Criticality| Rank::in_epoch(*class, TaskKey::from_bits(1), 0);
//! let throttle = AdaptiveThrottle::builder("search").rank(by_class).build()?;
//!
//! // A server that takes a tenth of a thousand calls in a second, half of which are critical.
//! let (mut sent, mut now) = ([0, 0], Instant::now());
//! for call in 0..1000_usize {
//!     now = now.after(Duration::from_millis(1));
//!     let class = [Criticality::Sheddable, Criticality::Critical][call % 2];
//!     match throttle.admit(&class, now) {
//!         Ok(token) => {
//!             sent[call % 2] += 1;
//!             let outcome = if call % 20 == 1 { Outcome::Success } else { Outcome::Overload };
//!             throttle.settle(token, &Ended::new(outcome, now, now));
//!         }
//!         Err(rejected) => assert_eq!(rejected.why(), Why::Throttled),
//!     }
//! }
//! assert!(sent[0] < 50 && sent[1] > sent[0], "{sent:?}");
//! # Ok::<(), cofferdam::Invalid>(())
//! ```
//!
//! **When it rejects**, it does so at once and with [`Why::Throttled`](crate::Why::Throttled), without a time for the next try, as
//! nobody knows it. Over HTTP that is a 503. A policy further out reads it as [`Outcome::Ignored`](crate::Outcome::Ignored).
//!
//! **It is never shut.** At most [`Builder::cap`] of what is asked for is rejected, and the rest, taken from the top, finds out
//! whether the server has recovered. It sends twice of what is taken once [`Builder::keen_after`] answers in a row were good,
//! and twice as much again with each further time.
//!
//! **After an outage** in which nothing was good for four time constants, the first good answer ends all that was counted: everything
//! is sent again, and for one time constant no rejection counts. A server that comes back has its own limit to find, which
//! it cannot without calls, and turns some of them away until then. So all calls flow again after one answer, and it takes
//! a server that protects itself, as with [`LoadShed`](crate::LoadShed), not to be knocked over by them.
//!
//! # What it counts
//!
//! Only [`Outcome::Overload`](crate::Outcome::Overload) says that a call was not taken: 429, 503, `RESOURCE_EXHAUSTED`,
//! `UNAVAILABLE` with pushback. Whatever is sent counts as taken until then, so there is no history that it needs. Failures and timeouts count as taken: what they
//! mean, a breaker judges. Calls that were rejected further in by policies of our own count neither way.
//!
//! All counts fade with [`Builder::time_constant`], and are looked at anew 128 times in one, or as often as the clock ticks.
//! While there was no overload for eight time constants, it is [calm](State::Calm): then it counts nothing, and a call
//! costs it one load. The first overload makes it [pressed](State::Pressed), which costs a call two additions and a server
//! nothing, until calls are cut.
//!
//! **Clones** of a throttle, of its layer and of the services made from it share their counts. Another server is another throttle:
//! put it into a [`Keyed`](crate::Keyed) for one per key.
//!
//! **In a stack** it stands where the breaker stands: inside retry, so that each attempt is counted, outside the timeout, and
//! before the bulkhead, so that what it rejects costs no slot.
//!
//! [sre]: https://sre.google/sre-book/handling-overload/

mod config;
mod control;
mod gate;
mod operate;
mod policy;
mod state;
mod tally;

pub use config::Builder;
pub use gate::Token;
pub use policy::AdaptiveThrottle;
pub use state::{Load, State};
