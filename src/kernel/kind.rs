//! What a policy may do with a call: known to the compiler, so that those with which it does not pay nothing.

use std::marker::PhantomData;

use super::{Carries, Rejected};
use crate::BoxError;

/// What a policy does with a call that it cannot let through now: [`Immediate`] or [`Waiting`], and nothing else. And what it
/// does with one that it has let through: [`Lasting`] or [`Cutting`].
pub trait Kind: sealed::Sealed {
    /// What a group of one policy of this kind and one of the other is.
    type And<Other: Kind>: Kind;

    /// The same, whose calls may also end as that says.
    #[doc(hidden)]
    type With<More: Ends>: Kind;

    /// How its calls may end.
    type Ends: Ends;
}

/// The policy answers at once. Its services need no `Clone`.
///
/// ```
/// use cofferdam::{CircuitBreaker, Immediate, Policy};
///
/// fn never_waits<P: Policy<Kind = Immediate>>(_: &P) {}
/// never_waits(&CircuitBreaker::builder("payments").build()?);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Immediate<E = Lasting>(PhantomData<E>);

/// The policy may ask a call to wait in line. Its services must be `Clone`, as the one that was made ready stays where it is.
#[derive(Debug)]
pub struct Waiting<E = Lasting>(PhantomData<E>);

impl<E: Ends> Kind for Immediate<E> {
    type And<Other: Kind> = Other::With<E>;
    type With<More: Ends> = Immediate<E::Or<More>>;
    type Ends = E;
}

impl<E: Ends> Kind for Waiting<E> {
    type And<Other: Kind> = Waiting<E::Or<Other::Ends>>;
    type With<More: Ends> = Waiting<E::Or<More>>;
    type Ends = E;
}

/// How the calls of a policy may end: [`Lasting`] or [`Cutting`], and nothing else.
pub trait Ends: sealed::Sealed {
    /// How those of a group may end.
    #[doc(hidden)]
    type Or<Other: Ends>: Ends;
}

/// Calls last until they end by themselves. The bodies of their answers end in no errors but their own.
#[derive(Debug)]
pub enum Lasting {}

/// Calls may be [ended early](crate::Policy::poll_cut). The body of an answer that has begun ends in an error then, so its
/// errors are boxed.
///
/// ```
/// use cofferdam::{Bulkhead, Cutting, Drain, Immediate, Policy};
///
/// fn may_cut<P: Policy<Kind = Immediate<Cutting>>>(_: &P) {}
/// let (drain, slots) = (Drain::builder("checkout").build()?, Bulkhead::builder("checkout").build()?);
/// may_cut(&slots.and(drain));
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
pub enum Cutting {}

impl Ends for Lasting {
    type Or<Other: Ends> = Other;
}

impl Ends for Cutting {
    type Or<Other: Ends> = Self;
}

/// What errors a body ends in whose own are `E`.
pub trait Breaks<E>: Ends {
    /// The errors.
    type Error;

    /// One of the body's own.
    #[doc(hidden)]
    fn own(error: E) -> Self::Error;

    /// The one for a call that is ended early, if there may be any such.
    #[doc(hidden)]
    fn early(rejected: Rejected) -> Option<Self::Error>;
}

impl<E> Breaks<E> for Lasting {
    type Error = E;

    #[inline]
    fn own(error: E) -> E {
        error
    }

    fn early(_: Rejected) -> Option<E> {
        None
    }
}

impl<E: Into<BoxError>> Breaks<E> for Cutting {
    type Error = BoxError;

    fn own(error: E) -> BoxError {
        error.into()
    }

    fn early(rejected: Rejected) -> Option<BoxError> {
        Some(BoxError::carry(rejected))
    }
}

mod sealed {
    pub trait Sealed {}

    impl<E> Sealed for super::Immediate<E> {}
    impl<E> Sealed for super::Waiting<E> {}
    impl Sealed for super::Lasting {}
    impl Sealed for super::Cutting {}
}
