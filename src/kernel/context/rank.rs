use std::fmt;

use super::{Context, Criticality, TaskKey};
use crate::kernel::clock;

/// Where a request stands among all others when not all of them can be served: its class first, and its task within the
/// class.
///
/// There are 64 ranks, sixteen for each [`Criticality`]; the higher is served first. Everything that is asked for one task
/// has the same rank in every service, so that overloaded services shed the same tasks, and those that are served are
/// served whole. Every hour the tasks of a class change places, so that nobody is always the victim.
///
/// ```
/// use cofferdam::{Criticality, TaskKey, context::Rank};
///
/// let task = TaskKey::of("order 4711");
/// let rank = Rank::of(Criticality::Critical, Some(task));
/// assert_eq!(rank, Rank::of(Criticality::Critical, Some(task)));
/// assert!(rank < Rank::of(Criticality::CriticalPlus, None));
/// assert_eq!(rank.criticality(), Criticality::Critical);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(u8);

/// How many of them there are in a class, as a power of two: enough to cut a class near the margin.
const BITS: u32 = 4;

impl Rank {
    /// How many there are.
    pub const COUNT: usize = Criticality::ALL.len() << BITS;

    /// The rank of that class and task in this hour. Without a task, any of the class: each time another one.
    #[inline]
    #[must_use]
    pub fn of(criticality: Criticality, task: Option<TaskKey>) -> Self {
        match task {
            Some(task) => Self::in_epoch(criticality, task, clock::hour()),
            // A place that nobody can foretell needs no order that all agree on.
            None => Self::new(criticality, fastrand::u64(..)),
        }
    }

    /// The rank of that class and task in that epoch: see [`TaskKey::order`].
    #[inline]
    #[must_use]
    pub const fn in_epoch(criticality: Criticality, task: TaskKey, epoch: u64) -> Self {
        // The task whose order is lowest goes first.
        Self::new(criticality, !task.order(epoch))
    }

    /// The highest bits of the place say how high it stands within its class.
    const fn new(criticality: Criticality, place: u64) -> Self {
        Self((criticality as u8) << BITS | (place >> (u64::BITS - BITS)) as u8)
    }

    /// Its number, from zero for those who are shed first to one below [`COUNT`](Self::COUNT).
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The class.
    #[must_use]
    pub const fn criticality(self) -> Criticality {
        match self.0 >> BITS {
            0 => Criticality::Sheddable,
            1 => Criticality::SheddablePlus,
            2 => Criticality::Critical,
            _ => Criticality::CriticalPlus,
        }
    }
}

impl fmt::Debug for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rank({}.{})", self.criticality(), self.0 & ((1 << BITS) - 1))
    }
}

/// Where a pattern finds the rank of a request: [`CarriedRank`], or a function of yours.
///
/// ```
/// use cofferdam::{Criticality, context::{Rank, RankSource}};
///
/// let by_length = |text: &&str| {
///     let class = if text.len() < 10 { Criticality::Critical } else { Criticality::Sheddable };
///     Rank::of(class, None)
/// };
/// assert_eq!(by_length.rank(&"short").criticality(), Criticality::Critical);
/// ```
#[diagnostic::on_unimplemented(
    message = "the rank of a `{Request}` is not known",
    label = "neither a function of the request, nor `CarriedRank` for a request that implements `Context`",
    note = "with the feature `http`, `http::Request` carries a context; for another type implement `cofferdam::Context`, \
            or say how to tell its rank: `.rank(|request| Rank::of(..))`"
)]
pub trait RankSource<Request> {
    /// The rank of that request.
    fn rank(&self, request: &Request) -> Rank;

    /// Whether it is a health check, which is let in whatever its rank: see [`Context::is_health_check`].
    ///
    /// Unless overridden: never.
    fn is_exempt(&self, request: &Request) -> bool {
        let _ = request;
        false
    }
}

/// The rank is what the [`Context`] of the request says: its criticality, or the default, and its task, if it has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct CarriedRank;

impl<Request: Context> RankSource<Request> for CarriedRank {
    #[inline]
    fn rank(&self, request: &Request) -> Rank {
        Rank::of(request.criticality().unwrap_or_default(), request.task())
    }

    #[inline]
    fn is_exempt(&self, request: &Request) -> bool {
        request.is_health_check()
    }
}

impl<Request, F: Fn(&Request) -> Rank> RankSource<Request> for F {
    #[inline]
    fn rank(&self, request: &Request) -> Rank {
        self(request)
    }
}
