//! Services that are just functions: `Ok` is a success, `Err` is not.

use super::{Carries, Outcome, Policy, Protocol, Reading, Rejected, Ticket};

/// The protocol of a service that returns a result and is done.
///
/// A rejection is an error, so the error must carry one: see [`Carries`]. A call ends with its future.
///
/// ```
/// use cofferdam::{Bulkhead, Plain, Policy};
///
/// // The default, so there is no need to say it.
/// let layer = Bulkhead::builder("checkout").build()?.layer().protocol(<Plain>::default());
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain<C = ByResult> {
    pub(crate) classify: C,
}

/// Tells what became of a call from its result.
pub trait Classify<Response, Error> {
    /// What became of the call. Rejections of our own do not come here: see [`Rejected::outcome`].
    fn classify(&self, answer: Result<&Response, &Error>) -> Outcome;
}

/// `Ok` is a success and `Err` a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByResult;

impl<T, E> Classify<T, E> for ByResult {
    #[inline]
    fn classify(&self, answer: Result<&T, &E>) -> Outcome {
        match answer {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        }
    }
}

/// Classifies by a function: see [`Guard::classify`](crate::Guard::classify).
#[derive(Clone, Copy, Debug)]
pub struct ClassifyWith<F>(pub(crate) F);

impl<T, E, F: Fn(Result<&T, &E>) -> Outcome> Classify<T, E> for ClassifyWith<F> {
    #[inline]
    fn classify(&self, answer: Result<&T, &E>) -> Outcome {
        (self.0)(answer)
    }
}

impl<T, E: Carries, C: Classify<T, E> + Clone> Protocol<T, E> for Plain<C> {
    type Guarded<P: Policy> = T;

    #[inline(always)]
    fn read(&self, answer: Result<&T, &E>) -> Reading {
        match answer.err().and_then(E::carried) {
            Some(rejected) => Reading::of_rejection(*rejected),
            None => Reading::of(self.classify.classify(answer)),
        }
    }

    #[inline(always)]
    fn finish<P: Policy>(&self, answer: Result<T, E>, ticket: Ticket<P>) -> Result<T, E> {
        let reading = self.read(answer.as_ref());
        ticket.settle(reading);
        answer
    }

    #[inline]
    fn reject<P: Policy>(&self, rejected: Rejected) -> Result<T, E> {
        Err(E::carry(rejected))
    }
}
