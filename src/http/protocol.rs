use http::{HeaderMap, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::Body;

use super::{
    Errors, Problem, ProblemDetails, ProblemWith, ReadHead, Rest, Tracked, WordWith, Wording,
    answer::{read_answer, word},
    retry_after,
};
use crate::kernel::{ClassifyWith, Guard, Outcome, Plain, Policy, Protocol, Reading, Rejected, Ticket};

/// The protocol of services that answer with HTTP responses: see the [module](super).
///
/// | setting | default |
/// |---|---|
/// | [`wording`](Self::wording) of a rejection | [`Problem`]: 503 or 504, `Retry-After`, a problem body |
/// | [`classify`](Self::classify) | [`ByStatus`]: 429 and 503 are overload, other 5xx failures, the rest success |
/// | end of a call | of the body, or [`until_head`](Self::until_head) |
///
/// ```
/// use bytes::Bytes;
/// use cofferdam::{Bulkhead, Http, Policy, Rejected};
/// use http::{Response, StatusCode};
///
/// let protocol = Http::new().until_head().wording(|rejected: &Rejected| {
///     let mut response = Response::new(Bytes::from_static(b"busy"));
///     *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
///     response
/// });
/// let layer = Bulkhead::builder("checkout").build()?.layer().protocol(protocol);
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Http<W = Problem, C = ByStatus> {
    pub(super) wording: W,
    classify: C,
    until_head: bool,
}

impl Http {
    /// HTTP with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<W, C> Http<W, C> {
    /// Words rejections by a function. [`Rejected`] is put into the extensions of what it returns.
    pub fn wording<F>(self, word: F) -> Http<WordWith<F>, C>
    where
        F: Fn(&Rejected) -> Response<bytes::Bytes>,
    {
        Http { wording: WordWith(word), classify: self.classify, until_head: self.until_head }
    }

    /// Words rejections as problems of your own: see [`ProblemDetails`]. [`Rejected`] is put into the extensions of what it
    /// returns.
    pub fn problem<F>(self, problem: F) -> Http<ProblemWith<F>, C>
    where
        F: Fn(&Rejected) -> ProblemDetails,
    {
        Http { wording: ProblemWith(problem), classify: self.classify, until_head: self.until_head }
    }

    /// Rejections are errors, for services whose error [carries](crate::Carries) one.
    pub fn errors(self) -> Http<Errors, C> {
        Http { wording: Errors, classify: self.classify, until_head: self.until_head }
    }

    /// Tells what became of a call from status and headers. An error of the service is a failure in any case.
    ///
    /// ```
    /// use cofferdam::{Http, Outcome};
    /// use http::{HeaderMap, StatusCode};
    ///
    /// let protocol = Http::new().classify(|status: StatusCode, _: &HeaderMap| match status.as_u16() {
    ///     429 | 503 => Outcome::Overload,
    ///     501 | 505 => Outcome::Success, // The dependency works, the request does not.
    ///     500.. => Outcome::Failure,
    ///     _ => Outcome::Success,
    /// });
    /// # let _ = protocol;
    /// ```
    pub fn classify<F>(self, classify: F) -> Http<W, ClassifyWith<F>>
    where
        F: Fn(StatusCode, &HeaderMap) -> Outcome,
    {
        Http { wording: self.wording, classify: ClassifyWith(classify), until_head: self.until_head }
    }

    /// A call ends with the head of its response: a body that is still on its way holds no slot, and what becomes of it
    /// counts nothing.
    #[must_use]
    pub fn until_head(self) -> Self {
        Self { until_head: true, ..self }
    }
}

impl<P: Policy> Guard<P, Plain> {
    /// For services that answer with HTTP responses: servers such as an Axum `Router`, and clients alike.
    ///
    /// What is not to be read by the defaults is said with `.protocol(Http::new()..)`: see [`Http`].
    #[must_use]
    pub fn http(self) -> Guard<P, Http> {
        self.protocol(Http::new())
    }
}

/// Tells what became of a call from the head of its response.
pub trait ClassifyHead {
    /// What became of the call.
    fn classify(&self, status: StatusCode, headers: &HeaderMap) -> Outcome;
}

/// 429 and 503 are overload, any other 5xx is a failure, and the rest is success.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByStatus;

impl ClassifyHead for ByStatus {
    #[inline]
    fn classify(&self, status: StatusCode, _: &HeaderMap) -> Outcome {
        match status.as_u16() {
            429 | 503 => Outcome::Overload,
            500..=599 => Outcome::Failure,
            _ => Outcome::Success,
        }
    }
}

impl<F: Fn(StatusCode, &HeaderMap) -> Outcome> ClassifyHead for ClassifyWith<F> {
    #[inline]
    fn classify(&self, status: StatusCode, headers: &HeaderMap) -> Outcome {
        (self.0)(status, headers)
    }
}

impl<W: Clone, C: ClassifyHead + Clone> ReadHead for Http<W, C> {
    fn read_head<B: Body>(&self, response: &Response<B>) -> Reading {
        let outcome = self.classify.classify(response.status(), response.headers());
        let asked = if outcome.is_bad() { retry_after::read(response.headers()) } else { None };
        Reading::of(outcome).with_retry_after(asked)
    }
}

/// How many bytes a body will have, if its head says so.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl<B: Body, E, W, C> Protocol<Response<B>, E> for Http<W, C>
where
    W: Wording<E> + Clone,
    C: ClassifyHead + Clone,
{
    type Guarded<P: Policy> = Response<Tracked<B, P>>;

    fn read(&self, answer: Result<&Response<B>, &E>) -> Reading {
        read_answer(self, &self.wording, answer)
    }

    fn finish<P: Policy>(&self, answer: Result<Response<B>, E>, ticket: Ticket<P>) -> Result<Self::Guarded<P>, E> {
        let reading = self.read(answer.as_ref());
        Tracked::finish(answer, reading, ticket, |response| {
            let promised = || content_length(response.headers()).or_else(|| response.body().size_hint().exact());
            (!self.until_head).then(|| Rest { reading, promised: promised(), end: None })
        })
    }

    fn reject<P: Policy>(&self, rejected: Rejected) -> Result<Self::Guarded<P>, E> {
        Ok(word(&self.wording, rejected)?.map(Tracked::from))
    }
}
