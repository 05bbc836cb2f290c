/// How requests are kept, so that they can be sent again.
///
/// [`Cloned`] does it by a clone. Whoever keeps requests in another way, such as with a body that is recorded on its way
/// out, sends on another type of request than it was given.
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
#[derive(Clone, Copy, Debug, Default)]
pub struct Cloned<I = Every>(pub(crate) I);

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
