//! Whether a call may have to wait for a policy: known to the compiler, so that those that never wait pay nothing.

/// What a policy does with a call that it cannot let through now: [`Immediate`] or [`Waiting`], and nothing else.
pub trait Kind: sealed::Sealed {
    /// What a group of one policy of this kind and one of the other is.
    type And<Other: Kind>: Kind;
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
pub enum Immediate {}

/// The policy may ask a call to wait in line. Its services must be `Clone`, as the one that was made ready stays where it is.
#[derive(Debug)]
pub enum Waiting {}

impl Kind for Immediate {
    type And<Other: Kind> = Other;
}

impl Kind for Waiting {
    type And<Other: Kind> = Self;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Immediate {}
    impl Sealed for super::Waiting {}
}
