//! What a call is sent again by: how its request is kept, how answers are read, and what a final one is marked with.
//! Retry and hedge stand on it.

mod builder;
mod repeat;
mod unsent;

pub use builder::Builder;
pub(crate) use builder::{Common, Said};
pub use repeat::{Cloned, Every, Idempotent, Repeat, Selective};
pub use unsent::Unsent;

use super::{Carries, Classify, GivenUp, Plain, Protocol, Reading};

/// What the types decide: how a request is kept, where its deadline and number are, and how an answer is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How<R, D, M> {
    pub(crate) repeat: R,
    pub(crate) deadline: D,
    pub(crate) protocol: M,
}

/// What those who make several attempts need of a protocol: to read an answer, and to mark one that nobody should try to mend any more.
pub trait AttemptProtocol<Response, Error>: Clone {
    /// Reads an answer: what became of the attempt.
    fn read(&self, answer: Result<&Response, &Error>) -> Reading;

    /// Whether the answer says that there must be no further attempt.
    fn is_final(&self, answer: Result<&Response, &Error>) -> bool;

    /// Marks the answer of a call that was given up, if it has a place for that, so that retries further out leave it.
    fn mark(&self, answer: &mut Result<Response, Error>, exhausted: Exhausted);

    /// Whether anything of an attempt with this answer was sent: another one after it costs less if not. Unless overridden,
    /// it was.
    fn was_sent(&self, answer: Result<&Response, &Error>) -> bool {
        let _ = answer;
        true
    }
}

/// Marks the answer of a call of which no further attempt was made, though one might have mended it. Retries further out
/// do not try again either. What was not to be sent again in any case bears no mark.
///
/// Over HTTP it is in the extensions of the response, and in a [header](crate::retry#across-hops), so that it reaches retries of
/// other processes; a plain error keeps it if it has a place: see [`Carries::exhaust`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exhausted {
    /// How many attempts were made, or passed over while too many calls failed.
    pub attempts: u32,
    /// Why there was no further one.
    pub why: GivenUp,
}

impl Exhausted {
    pub(crate) fn new(attempts: u32, why: GivenUp) -> Self {
        Self { attempts, why }
    }
}

impl<T, E: Carries, C: Classify<T, E> + Clone> AttemptProtocol<T, E> for Plain<C> {
    #[inline]
    fn read(&self, answer: Result<&T, &E>) -> Reading {
        Protocol::read(self, answer)
    }

    fn is_final(&self, answer: Result<&T, &E>) -> bool {
        answer.err().and_then(E::exhausted).is_some()
    }

    fn mark(&self, answer: &mut Result<T, E>, exhausted: Exhausted) {
        if let Err(error) = answer {
            error.exhaust(exhausted);
        }
    }
}
