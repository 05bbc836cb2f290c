/// How requests are kept, so that they can be sent again.
///
/// [`Cloned`] does it by a clone. Whoever keeps requests in another way, as `http::Replayed` does with a body that is
/// recorded on its way out, sends on another type of request than it was given.
pub trait Repeat<Request>: Clone {
    /// What the service is called with.
    type Request;
    /// What is kept of it.
    type Kept;

    /// The request as it is sent first, and what is kept of it: nothing if it must not be sent again.
    fn keep(&self, request: Request) -> (Self::Request, Option<Self::Kept>);

    /// The request as it is sent on if there is no second attempt in any case.
    fn once(&self, request: Request) -> Self::Request;

    /// The request as it is sent again. None if that is not possible, or no longer.
    fn again(&self, kept: &mut Self::Kept) -> Option<Self::Request>;

    /// What [`again`](Self::again) gave last is now sent instead of all before it: those have been answered, and whatever is
    /// still being sent of them is of no use. Told by those who make one attempt after the other. Nothing, unless overridden.
    fn supersede(&self, kept: &mut Self::Kept) {
        let _ = kept;
    }
}

/// Ways to keep requests that can be told of which requests.
pub trait Selective<I> {
    /// The same way, told so.
    type Of;

    /// Keeps only what may be sent again according to that.
    fn only(self, idempotent: I) -> Self::Of;
}

/// Says of requests whether sending them twice does no more than sending them once.
pub trait Idempotent<Request>: Clone {
    /// Whether this one may be sent again.
    fn is_idempotent(&self, request: &Request) -> bool;
}

/// Every request may be sent again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Every;

impl<Request> Idempotent<Request> for Every {
    #[inline]
    fn is_idempotent(&self, _: &Request) -> bool {
        true
    }
}

impl<Request, F: Fn(&Request) -> bool + Clone> Idempotent<Request> for F {
    #[inline]
    fn is_idempotent(&self, request: &Request) -> bool {
        self(request)
    }
}

/// Keeps a clone of requests that may be sent again.
#[derive(Clone, Copy, Debug)]
pub struct Cloned<I = Every>(pub(crate) I);

/// Every request.
impl Default for Cloned {
    fn default() -> Self {
        Self(Every)
    }
}

impl<I, N> Selective<N> for Cloned<I> {
    type Of = Cloned<N>;

    fn only(self, idempotent: N) -> Cloned<N> {
        Cloned(idempotent)
    }
}

impl<Request: Clone, I: Idempotent<Request>> Repeat<Request> for Cloned<I> {
    type Request = Request;
    type Kept = Request;

    #[inline]
    fn keep(&self, request: Request) -> (Request, Option<Request>) {
        let kept = self.0.is_idempotent(&request).then(|| request.clone());
        (request, kept)
    }

    #[inline]
    fn once(&self, request: Request) -> Request {
        request
    }

    fn again(&self, kept: &mut Request) -> Option<Request> {
        Some(kept.clone())
    }
}
