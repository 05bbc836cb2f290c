//! The dependency as one thing: what a breaker, a limit and a throttle know of it, for whoever makes calls to it.
//!
//! Patterns around one dependency do not know each other. A retry that asks again while the breaker is open wastes its wait,
//! and a hedge that is sent into an overload makes it worse. So all of them are given the same small handle: those who
//! know something say so there, and those who make extra attempts look.
//!
//! ```text
//!   breaker ---- not closed, stalled ---.                    .---> retry: gives up while it is open
//!   limit ------ reached, or cut -------+--> [ Dependency ] -+---> hedge: none while anything is wrong
//!   throttle --- pressed ---------------|     and a Budget   '---> you: a health check, a log, a switch
//!   hedge ------ an answer "not now" ---'
//! ```
//!
//! ```
//! use cofferdam::{AdaptiveLimit, CircuitBreaker, Dependency, Retry, guard};
//!
//! let payments = Dependency::builder("payments").build()?;
//! let breaker = CircuitBreaker::builder("payments").dependency(&payments).build()?;
//! let limit = AdaptiveLimit::builder("payments").dependency(&payments).build()?;
//! let retry = Retry::builder("payments").dependency(&payments).build()?;
//!
//! breaker.force_open();
//! assert!(payments.is_open());
//! breaker.reset();
//! assert!(!payments.is_open());
//! # let _ = (guard((breaker, limit)), retry); Ok::<(), cofferdam::Invalid>(())
//! ```
//!
//! **A fact ends by itself** when nobody confirms it, and with the policy that stated it: a breaker that was dropped leaves
//! nothing open. Several policies may state the same; it holds until the last of them takes it back.
//!
//! **It costs** those who state nothing as long as nothing changes, and those who look one load while all is well.
//!
//! **Policies per key** ([`Keyed`](crate::Keyed)) state nothing: what is wrong with one key's share is not wrong with the
//! dependency. The template that they are made from keeps what it was given, so it may be used by itself. Retries and hedges
//! around them still share the budget.

mod report;

use std::fmt;

pub use report::Report;

use super::{
    Budget, Instant, Invalid, Name, clock,
    sync::{Arc, AtomicU64, Mutex, Ordering},
};

/// Something that holds of a dependency for a while.
///
/// ```
/// use cofferdam::dependency::Fact;
///
/// assert_eq!(Fact::Pressed.to_string(), "under pressure");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fact {
    /// Its breaker is not closed: open, half-open or forced open.
    Open,
    /// It has more to do than it gets done, or comes back to load by degrees.
    Pressed,
    /// It does not answer, though it is called.
    Stalled,
}

impl Fact {
    /// All of them, the gravest first.
    pub const ALL: [Self; 3] = [Self::Open, Self::Stalled, Self::Pressed];

    /// The fact in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Pressed => "under pressure",
            Self::Stalled => "stalled",
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is known of a dependency, and the [`Budget`] for extra attempts to it. Clones share it.
///
/// See the [module](self) for who states what, and who looks.
///
/// ```
/// use cofferdam::{Budget, Dependency};
///
/// let budget = Budget::builder("search").ratio(0.2).build()?;
/// let search = Dependency::builder("search").budget(budget).build()?;
/// assert!(!search.is_open() && !search.is_under_pressure() && !search.is_stalled());
/// assert_eq!(search.budget().balance(), 3.0);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dependency(Arc<Known>);

/// For each fact, until when it holds.
type Until<T> = [T; Fact::ALL.len()];

#[derive(Debug)]
struct Known {
    name: Name,
    budget: Budget,
    /// The latest of the claims, in nanoseconds; zero for none.
    until: Until<AtomicU64>,
    claims: Mutex<slab::Slab<Until<Instant>>>,
}

/// Builds a [`Dependency`].
///
/// | setting | default |
/// |---|---|
/// | [`budget`](Self::budget) | one of its own, of a tenth of the successes |
///
/// ```
/// use cofferdam::Dependency;
///
/// assert_eq!(Dependency::builder("").build().unwrap_err().field(), "name");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    name: String,
    budget: Option<Budget>,
}

impl Builder {
    /// What extra attempts to it are paid from, whoever makes them. Default: one of its own, of a tenth of the successes.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Builds the handle. Nothing is known yet.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if the name cannot be one.
    pub fn build(self) -> Result<Dependency, Invalid> {
        Ok(Dependency(Arc::new(Known {
            name: Name::new(&self.name)?,
            budget: self.budget.map_or_else(|| Budget::builder(self.name).build(), Ok)?,
            until: std::array::from_fn(|_| AtomicU64::new(0)),
            claims: Mutex::default(),
        })))
    }
}

impl Dependency {
    /// Starts a handle for the dependency of that name.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder { name: name.into(), budget: None }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.0.name
    }

    /// What extra attempts to it are paid from.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// Whether its breaker is not closed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is(Fact::Open)
    }

    /// Whether it has more to do than it gets done.
    #[must_use]
    pub fn is_under_pressure(&self) -> bool {
        self.is(Fact::Pressed)
    }

    /// Whether it does not answer, though it is called.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.is(Fact::Stalled)
    }

    /// Whether that holds now. While it was never stated, or is taken back, nobody asks for the time.
    #[inline]
    #[must_use]
    pub fn is(&self, fact: Fact) -> bool {
        let until = self.until(fact);
        until != 0 && clock::coarse().as_nanos() < until
    }

    /// Whether that holds at that time: for those who keep the time themselves.
    #[inline]
    #[must_use]
    pub fn is_at(&self, fact: Fact, now: Instant) -> bool {
        now.as_nanos() < self.until(fact)
    }

    /// The gravest of what holds now.
    #[inline]
    #[must_use]
    pub fn trouble(&self) -> Option<Fact> {
        Fact::ALL.into_iter().find(|fact| self.is(*fact))
    }

    /// The gravest of what holds at that time.
    #[must_use]
    pub fn trouble_at(&self, now: Instant) -> Option<Fact> {
        Fact::ALL.into_iter().find(|fact| self.is_at(*fact, now))
    }

    /// Lets somebody state facts: a policy of your own, or whatever else knows of the dependency.
    pub fn report(&self) -> Report {
        Report::new(self.clone())
    }

    #[inline]
    fn until(&self, fact: Fact) -> u64 {
        // A fact stands alone: nothing else is read because of it.
        self.0.until[fact as usize].load(Ordering::Relaxed)
    }
}
