//! Calls that take more than one of what a policy has.
//!
//! A search over a year of data is not one call like any other: it keeps a service as busy as a hundred small ones. With a
//! weight for each request, a policy that counts slots or permits counts what the calls are, not how many they are.
//!
//! ```text
//!   request --> weight: 3 --> [ o o o . . ]  three of five slots are taken, and three come back when it ends
//! ```
//!
//! ```
//! use std::num::NonZeroU32;
//! use cofferdam::{Admit, Bulkhead, Instant, Policy, Why};
//!
//! let slots = Bulkhead::builder("reports").limit(5).build()?;
//! let weighted = slots.clone().weighted(|months: &u32| NonZeroU32::new(*months).unwrap_or(NonZeroU32::MIN));
//!
//! let now = Instant::now();
//! let year = weighted.admit(&12, now).expect("heavier than all slots together, it runs alone");
//! assert_eq!(weighted.admit(&1, now).unwrap_err().why(), Why::Full);
//! weighted.undo(year, now);
//! assert!(weighted.admit(&3, now).is_ok() && weighted.admit(&2, now).is_ok());
//! # Ok::<(), cofferdam::Invalid>(())
//! ```
//!
//! [`Bulkhead`](crate::Bulkhead), [`AdaptiveLimit`](crate::AdaptiveLimit), [`LoadShed`](crate::LoadShed) and `RateLimit` have
//! a method `weighted`, which says what a weight means to them. What it makes is a [`Weighted`] policy, which shares its
//! state with the one it was made from, and goes wherever that one would. The function sees the request on its way in, and
//! again when it has waited in line; what it said first is what holds.
//!
//! A weight is a [`NonZeroU32`], wherever it is asked for: a call that takes nothing could come in as often as it likes, and no
//! limit would hold. What becomes of a request that reckons to zero is for the function to say: it weighs one
//! (`NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)`), or it goes around the layer. So this does not compile:
//!
//! ```compile_fail,E0271
//! # use cofferdam::Bulkhead;
//! let by_months = Bulkhead::builder("reports").build()?.weighted(|months: &u32| *months);
//! # Ok::<(), cofferdam::Invalid>(())
//! ```
//!
//! A policy of your own is weighted by [`Weigh`] and [`AdmitWeighed`].

use std::num::NonZeroU32;

use super::{
    Admit, Bell, Control, Ended, Fresh, Instant, Invalid, Name, Policy, Rejected, Setting, Timing,
    waiting::{Place, Turned},
};

/// A policy of which a call may take more than one.
///
/// ```
/// use std::{num::NonZeroU32, sync::{Arc, atomic::{AtomicU32, Ordering}}};
/// use cofferdam::{Admit, Ended, Immediate, Instant, Policy, Rejected, Weighted, weighted::{AdmitWeighed, Weigh}};
///
/// /// Counts what is in flight; rejects nothing.
/// #[derive(Clone, Default)]
/// struct InFlight(Arc<AtomicU32>);
///
/// impl Policy for InFlight {
///     type Kind = Immediate;
///     type Token = ();
///     fn settle(&self, (): (), _: &Ended) {
///         self.0.fetch_sub(1, Ordering::Relaxed);
///     }
///     fn undo(&self, (): (), _: Instant) {
///         self.0.fetch_sub(1, Ordering::Relaxed);
///     }
/// }
/// impl<Request> Admit<Request> for InFlight {
///     fn admit(&self, _: &Request, _: Instant) -> Result<(), Rejected> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         Ok(())
///     }
/// }
///
/// impl Weigh for InFlight {
///     type Taken = u32;
///     fn settle_weighed(&self, taken: u32, _: &Ended) {
///         self.0.fetch_sub(taken, Ordering::Relaxed);
///     }
///     fn undo_weighed(&self, taken: u32, _: Instant) {
///         self.0.fetch_sub(taken, Ordering::Relaxed);
///     }
/// }
/// impl<Request> AdmitWeighed<Request> for InFlight {
///     fn admit_weighed(&self, _: &Request, weight: NonZeroU32, _: Instant) -> Result<u32, Rejected> {
///         self.0.fetch_add(weight.get(), Ordering::Relaxed);
///         Ok(weight.get())
///     }
/// }
///
/// let in_flight = InFlight::default();
/// let by_size = Weighted::new(in_flight.clone(), |upload: &Vec<u8>| NonZeroU32::MIN.saturating_add(upload.len() as u32));
/// let now = Instant::now();
/// let taken = by_size.admit(&vec![0; 700], now).unwrap();
/// assert_eq!(in_flight.0.load(Ordering::Relaxed), 701);
/// by_size.undo(taken, now);
/// # assert_eq!(in_flight.0.load(Ordering::Relaxed), 0);
/// ```
pub trait Weigh: Policy {
    /// Handed out with a weight, and given back once. What it stands for is what comes back, whatever has changed since.
    type Taken;

    /// As [`Policy::head`].
    fn head_weighed(&self, taken: &Self::Taken, started: Instant, now: Instant) {
        let _ = (taken, started, now);
    }

    /// As [`Policy::lasts`].
    fn lasts_weighed(&self, taken: &mut Self::Taken, head: &Ended) {
        let _ = (taken, head);
    }

    /// As [`Policy::settle`].
    fn settle_weighed(&self, taken: Self::Taken, ended: &Ended);

    /// As [`Policy::undo`].
    fn undo_weighed(&self, taken: Self::Taken, now: Instant);
}

/// A policy that can judge requests of this type by their weight: see [`Weigh`] for an example.
pub trait AdmitWeighed<Request>: Weigh + Admit<Request> {
    /// As [`Admit::admit`].
    ///
    /// # Errors
    ///
    /// [`Rejected`]; the inner service is then not called.
    fn admit_weighed(&self, request: &Request, weight: NonZeroU32, now: Instant) -> Result<Self::Taken, Rejected>;

    /// As [`Admit::enter`]: what policies without a line leave as it is.
    ///
    /// # Errors
    ///
    /// [`Turned`]: the call is rejected, or it has to wait.
    fn enter_weighed(
        &self,
        request: &Request,
        weight: NonZeroU32,
        now: Instant,
        place: &mut Option<Place>,
    ) -> Result<Self::Taken, Turned> {
        let _ = place;
        Ok(self.admit_weighed(request, weight, now)?)
    }
}

/// A policy of which requests take as much as they weigh: see [`Bulkhead::weighted`](crate::Bulkhead::weighted),
/// [`AdaptiveLimit::weighted`](crate::AdaptiveLimit::weighted), [`LoadShed::weighted`](crate::LoadShed::weighted) and
/// `RateLimit::weighted`.
///
/// ```
/// use std::num::NonZeroU32;
/// use cofferdam::{Bulkhead, Policy};
///
/// let kilobytes = |upload: &Vec<u8>| NonZeroU32::MIN.saturating_add(upload.len() as u32 / 1024);
/// let by_size = Bulkhead::builder("uploads").limit(1000).build()?.weighted(kilobytes);
/// let slots = by_size.policy().clone();
/// let layer = by_size.layer();
/// # let _ = (slots, layer); Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Weighted<P, F> {
    policy: P,
    weight: F,
}

impl<P, F> Weighted<P, F> {
    /// That policy, of which a request takes what `weight` says.
    pub fn new(policy: P, weight: F) -> Self {
        Self { policy, weight }
    }

    /// The policy by itself, of which a call takes one.
    pub fn policy(&self) -> &P {
        &self.policy
    }
}

impl<P: Weigh, F> Policy for Weighted<P, F> {
    type Kind = P::Kind;
    type Token = P::Taken;

    const TIMING: Timing = P::TIMING;
    const TIMING_OF_ENDS: Timing = P::TIMING_OF_ENDS;

    fn head(&self, taken: &P::Taken, started: Instant, now: Instant) {
        self.policy.head_weighed(taken, started, now);
    }

    fn lasts(&self, taken: &mut P::Taken, head: &Ended) {
        self.policy.lasts_weighed(taken, head);
    }

    #[inline(always)]
    fn settle(&self, taken: P::Taken, ended: &Ended) {
        self.policy.settle_weighed(taken, ended);
    }

    #[inline]
    fn undo(&self, taken: P::Taken, now: Instant) {
        self.policy.undo_weighed(taken, now);
    }

    fn name(&self) -> Option<Name> {
        self.policy.name()
    }

    fn bells(&self, visit: &mut dyn FnMut(&std::sync::Arc<Bell>)) {
        self.policy.bells(visit);
    }
}

impl<Request, P: AdmitWeighed<Request>, F: Fn(&Request) -> NonZeroU32> Admit<Request> for Weighted<P, F> {
    #[inline(always)]
    fn admit(&self, request: &Request, now: Instant) -> Result<P::Taken, Rejected> {
        self.policy.admit_weighed(request, (self.weight)(request), now)
    }

    #[inline(always)]
    fn enter(&self, request: &Request, now: Instant, place: &mut Option<Place>) -> Result<P::Taken, Turned> {
        self.policy.enter_weighed(request, (self.weight)(request), now, place)
    }

    #[inline]
    fn shut(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        self.policy.shut(now)
    }
}

impl<P: Fresh, F: Clone> Fresh for Weighted<P, F> {
    fn fresh(&self) -> Self {
        Self { policy: self.policy.fresh(), weight: self.weight.clone() }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.policy.is_fresh(now)
    }
}

impl<P: Control, F: Send + Sync> Control for Weighted<P, F> {
    fn name(&self) -> Name {
        self.policy.name()
    }

    fn state(&self) -> String {
        self.policy.state()
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        self.policy.force(state)
    }

    fn settings(&self) -> Vec<Setting> {
        self.policy.settings()
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        self.policy.configure(setting, value)
    }
}
