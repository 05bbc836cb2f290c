//! Waiting: a bounded room in which calls wait for their turn.
//!
//! Rejecting at once whatever does not fit turns short bursts into errors. A room takes them in: bounded in number and in
//! time, and at its turn a call is judged by the whole group of policies anew.
//!
//! ```text
//!   call --> admitted? --yes--> runs ------------------> gives back --.
//!              | no                                                   |
//!              v                                                      v
//!           [ place ] [ place ] [ place ]  <---- the next is called --'
//!              |          |
//!              |          '-- its time is up, or a better one takes its place: rejected
//!              '-- its turn: admitted by the whole group, or rejected by a breaker that has opened meanwhile
//! ```
//!
//! This is for those who write a policy with a line of its own; [`Bulkhead`](crate::Bulkhead) has one on request, and is
//! the model to follow. Such a policy is of the kind [`Waiting`](crate::Waiting), counts by a [`Capacity`], and lets calls
//! in through a [`Room`] in [`Admit::enter`](crate::Admit::enter).
//!
//! - A call that waits holds its place and nothing else: no token of another policy and no readiness of a service.
//! - Nobody overtakes: while somebody waits, newcomers line up too. A turn that comes to a call that is gone goes to the next.
//! - A call that was called and is not polled, as its task waits for something else, is passed over after 10 ms by the next
//!   one that arrives, leaves, or runs out of time. When it is polled it is ahead of all who were not called yet; of several
//!   such, the one who came first is.
//! - Its place goes to nobody of a lower rank until a second has passed, and in a full line what is free is kept that long as well:
//!   on a busy thread everybody comes late. After that nobody expects it any more.
//! - It wakes nobody but those whose turn has come, and those who lost their place to another. In front of what comes back
//!   with time, as the permits of a rate limit do, the next in line keeps a timer for all, and whoever becomes the next is
//!   woken to set it.
//! - How long the line is makes no difference to what a turn costs.
//! - While nobody waits, the room costs nothing: giving back is one atomic operation.
//! - A place takes about 100 bytes in the room. The request, a clone of the service and a timer wait in a box, which is
//!   allocated when a call has to wait, and not before.

mod capacity;
mod in_line;
mod line;
mod place;
mod queue;
mod queued;
mod room;
mod slots;
mod wakers;

pub use capacity::Capacity;
pub(crate) use in_line::InLine;
pub use line::Order;
pub use place::{Left, Place, Turned};
pub use queue::{Line, LineFor, NoQueue, Queue};
pub use queued::Queued;
pub use room::{Claim, Room};
pub use slots::Usage;
pub(crate) use slots::{LARGEST, Slots};
