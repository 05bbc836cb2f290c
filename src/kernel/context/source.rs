use super::{Attempt, Context, Deadline};

/// Whether there may be a deadline at all.
pub trait Bounds: sealed::Sealed {
    /// There may.
    const BOUNDS: bool;
}

/// Where a pattern finds a request's deadline: [`NoDeadline`] or [`CarriedDeadline`], and nothing else. It is a type, so
/// that only those who look at deadlines need requests with a [`Context`].
///
/// ```
/// use std::time::Duration;
/// use cofferdam::context::{CarriedDeadline, DeadlineSource, NoDeadline};
/// # #[cfg(feature = "http")] {
/// use cofferdam::{Context, Deadline};
///
/// let mut request = http::Request::new(());
/// let deadline = Deadline::after(Duration::from_secs(1));
/// request.set_deadline(deadline);
/// assert_eq!(CarriedDeadline.read(&request), Some(deadline));
/// # }
/// assert_eq!(NoDeadline.read(&"any request"), None);
/// ```
pub trait DeadlineSource<Request>: Bounds + Clone {
    /// The deadline that the request carries, after which it carries `own` if that is earlier, as one [to the
    /// head](Deadline::to_head).
    ///
    /// `own` is a function because without a deadline nobody needs to know the time.
    fn bind(&self, request: &mut Request, own: impl FnOnce() -> Option<Deadline>) -> Option<Deadline>;

    /// The deadline that the request carries.
    fn read(&self, request: &Request) -> Option<Deadline>;

    /// The deadline of the whole answer, of a request that carries one to the head.
    fn whole(&self, request: &Request) -> Option<Deadline>;
}

/// Deadlines are not looked at, and requests may be anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDeadline;

/// Requests carry their deadline: see [`Context`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CarriedDeadline;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::NoDeadline {}
    impl Sealed for super::CarriedDeadline {}
}

impl Bounds for NoDeadline {
    const BOUNDS: bool = false;
}

impl Bounds for CarriedDeadline {
    const BOUNDS: bool = true;
}

impl<Request> DeadlineSource<Request> for NoDeadline {
    #[inline]
    fn bind(&self, _: &mut Request, _: impl FnOnce() -> Option<Deadline>) -> Option<Deadline> {
        None
    }

    #[inline]
    fn read(&self, _: &Request) -> Option<Deadline> {
        None
    }

    #[inline]
    fn whole(&self, _: &Request) -> Option<Deadline> {
        None
    }
}

impl<Request: Context> DeadlineSource<Request> for CarriedDeadline {
    fn bind(&self, request: &mut Request, own: impl FnOnce() -> Option<Deadline>) -> Option<Deadline> {
        let carried = request.deadline();
        if let Some(own) = own()
            && carried.is_none_or(|carried| own < carried)
        {
            request.set_deadline(own.to_head());
        }
        carried
    }

    fn read(&self, request: &Request) -> Option<Deadline> {
        request.deadline()
    }

    #[cold]
    fn whole(&self, request: &Request) -> Option<Deadline> {
        request.whole_deadline()
    }
}

/// Where a pattern finds the number of a request's attempt, and puts it: the same types as for its deadline.
pub trait AttemptSource<Request>: DeadlineSource<Request> {
    /// Which attempt the request is.
    fn attempt(&self, request: &Request) -> Attempt;

    /// Sends the request on as that attempt.
    fn number(&self, request: &mut Request, attempt: Attempt);
}

impl<Request> AttemptSource<Request> for NoDeadline {
    #[inline]
    fn attempt(&self, _: &Request) -> Attempt {
        Attempt::FIRST
    }

    #[inline]
    fn number(&self, _: &mut Request, _: Attempt) {}
}

impl<Request: Context> AttemptSource<Request> for CarriedDeadline {
    fn attempt(&self, request: &Request) -> Attempt {
        request.attempt()
    }

    fn number(&self, request: &mut Request, attempt: Attempt) {
        request.set_attempt(attempt);
    }
}
