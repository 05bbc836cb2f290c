use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH},
};
use http_body::Body;

use super::{
    ClassifyLasting, Errors, EventStreams, Problem, ProblemDetails, ProblemWith, ReadHead, Rest, Tracked, WordWith,
    Wording,
    answer::{read_answer, word},
    lasting::{is_marked, may_last},
    retry_after,
};
use crate::kernel::{ClassifyWith, Guard, Outcome, Plain, Policy, Protocol, Reading, Rejected, Ticket};

/// The protocol of services that answer with HTTP responses: see the [module](super).
///
/// | setting | default |
/// |---|---|
/// | [`wording`](Self::wording) of a rejection | [`Problem`]: 503 or 504, `Retry-After`, a problem body |
/// | [`classify`](Self::classify) | [`ByStatus`]: 429 and 503 are overload, other 5xx failures, the rest success |
/// | [`classify_errors`](Self::classify_errors) | [`AllFailures`] |
/// | end of a call | of the body, or [`until_head`](Self::until_head) |
/// | [`lasting`](Self::lasting) answers, over with their head for limits | [`EventStreams`], and those that are [marked](super::Lasting) |
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
pub struct Http<W = Problem, C = ByStatus, X = AllFailures, L = EventStreams> {
    pub(super) wording: W,
    classify: C,
    errors: X,
    lasting: L,
    until_head: bool,
}

impl Http {
    /// HTTP with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<W, C, X, L> Http<W, C, X, L> {
    /// Words rejections by a function. [`Rejected`] is put into the extensions of what it returns, and if the
    /// [server goes](Rejected::is_departing) `Connection: close`, which sends the client elsewhere, into its headers.
    pub fn wording<F>(self, word: F) -> Http<WordWith<F>, C, X, L>
    where
        F: Fn(&Rejected) -> Response<bytes::Bytes>,
    {
        self.worded(WordWith(word))
    }

    /// Words rejections as problems of your own: see [`ProblemDetails`]. [`Rejected`] is put into the extensions of what it
    /// returns.
    pub fn problem<F>(self, problem: F) -> Http<ProblemWith<F>, C, X, L>
    where
        F: Fn(&Rejected) -> ProblemDetails,
    {
        self.worded(ProblemWith(problem))
    }

    /// Rejections are errors, for services whose error [carries](crate::Carries) one.
    pub fn errors(self) -> Http<Errors, C, X, L> {
        self.worded(Errors)
    }

    /// Tells what became of a call from status and headers. What an error of the service says is told by
    /// [`classify_errors`](Self::classify_errors).
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
    pub fn classify<F>(self, classify: F) -> Http<W, ClassifyWith<F>, X, L>
    where
        F: Fn(StatusCode, &HeaderMap) -> Outcome,
    {
        let Self { wording, classify: _, errors, lasting, until_head } = self;
        Http { wording, classify: ClassifyWith(classify), errors, lasting, until_head }
    }

    /// Tells what became of a call from the service's own error, such as that of a client: whether there was nobody to connect
    /// to, whether an answer broke off, or whether the request made no sense. It is not asked about rejections of our own.
    ///
    /// Default: [`AllFailures`]: each is a failure.
    ///
    /// ```
    /// use std::io;
    /// use cofferdam::{Http, Outcome};
    ///
    /// let protocol = Http::new().classify_errors(|error: &io::Error| match error.kind() {
    ///     io::ErrorKind::InvalidInput => Outcome::Ignored, // That is how we asked, and not how it works.
    ///     _ => Outcome::Failure,
    /// });
    /// # let _ = protocol;
    /// ```
    pub fn classify_errors<E, F>(self, classify: F) -> Http<W, C, ClassifyWith<F>, L>
    where
        F: Fn(&E) -> Outcome,
    {
        let Self { wording, classify: heads, errors: _, lasting, until_head } = self;
        Http { wording, classify: heads, errors: ClassifyWith(classify), lasting, until_head }
    }

    /// Tells from status and headers which answers are lasting ones, that go on for as long as their reader stays, in place of
    /// [`EventStreams`]. Those that are [marked](super::Lasting) are lasting as well, whatever is said here.
    ///
    /// It is asked of answers whose length is not known, and so costs the others nothing.
    ///
    /// ```
    /// use cofferdam::{Http, http::{ClassifyLasting, EventStreams}};
    /// use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
    ///
    /// let protocol = Http::new().lasting(|status: StatusCode, headers: &HeaderMap| {
    ///     let watched = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json-seq");
    ///     watched || EventStreams.lasts(status, headers)
    /// });
    /// # let _ = protocol;
    /// ```
    pub fn lasting<F>(self, lasts: F) -> Http<W, C, X, ClassifyWith<F>>
    where
        F: Fn(StatusCode, &HeaderMap) -> bool,
    {
        let Self { wording, classify, errors, lasting: _, until_head } = self;
        Http { wording, classify, errors, lasting: ClassifyWith(lasts), until_head }
    }

    /// A call ends with the head of its response, whatever the answer is: a body that is still on its way holds no slot, and
    /// what becomes of it counts nothing. No policy follows it, so a drain does not wait for it, nor end it.
    ///
    /// For [lasting](Self::lasting) answers it is not needed: they hold no slot of a limit, and the other policies follow them.
    #[must_use]
    pub fn until_head(self) -> Self {
        Self { until_head: true, ..self }
    }

    fn worded<V>(self, wording: V) -> Http<V, C, X, L> {
        let Self { wording: _, classify, errors, lasting, until_head } = self;
        Http { wording, classify, errors, lasting, until_head }
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

/// Tells what became of a call from the service's own error.
pub trait ClassifyError<E> {
    /// What became of the call.
    fn classify(&self, error: &E) -> Outcome;
}

/// Every error is a failure: nobody was there, or what came was no answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllFailures;

impl<E> ClassifyError<E> for AllFailures {
    #[inline]
    fn classify(&self, _: &E) -> Outcome {
        Outcome::Failure
    }
}

impl<E, F: Fn(&E) -> Outcome> ClassifyError<E> for ClassifyWith<F> {
    #[inline]
    fn classify(&self, error: &E) -> Outcome {
        (self.0)(error)
    }
}

impl<W: Clone, C: ClassifyHead + Clone, X: Clone, L: ClassifyLasting + Clone> ReadHead for Http<W, C, X, L> {
    fn read_head<B: Body>(&self, response: &Response<B>) -> Reading {
        let outcome = self.classify.classify(response.status(), response.headers());
        let asked = if outcome.is_bad() { retry_after::read(response.headers()) } else { None };
        Reading::of(outcome).with_retry_after(asked)
    }

    #[inline(never)] // Few answers get that far, and those that do not are to be small.
    fn lasts<B: Body>(&self, response: &Response<B>) -> bool {
        let ends = || response.body().size_hint().exact().or_else(|| content_length(response.headers())).is_some();
        is_marked(response) || !ends() && self.lasting.lasts(response.status(), response.headers())
    }
}

/// How many bytes a body will have, if its head says so.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Asks a client to close the connection, and so to look for another server. Whoever speaks HTTP/2 takes the header out of
/// answers, and closes connections by itself. One that is there, as with an upgrade, is needed as it is.
#[cold]
fn send_elsewhere(headers: &mut HeaderMap) {
    headers.entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
}

impl<B: Body, E, W, C, X, L> Protocol<Response<B>, E> for Http<W, C, X, L>
where
    W: Wording<E> + Clone,
    C: ClassifyHead + Clone,
    X: ClassifyError<E> + Clone,
    L: ClassifyLasting + Clone,
{
    type Guarded<P: Policy> = Response<Tracked<B, P>>;

    fn read(&self, answer: Result<&Response<B>, &E>) -> Reading {
        read_answer(self, &self.wording, |error| self.errors.classify(error), answer)
    }

    #[inline(always)] // or the response is moved once more
    fn finish<P: Policy>(&self, mut answer: Result<Response<B>, E>, ticket: Ticket<P>) -> Result<Self::Guarded<P>, E> {
        let reading = self.read(answer.as_ref());
        if let Ok(response) = &mut answer
            && ticket.is_departing()
        {
            send_elsewhere(response.headers_mut());
        }
        Tracked::finish(answer, reading, ticket, |response| {
            if self.until_head {
                return None;
            }
            // What the body says is at hand; the header has to be found.
            let promised = response.body().size_hint().exact().or_else(|| content_length(response.headers()));
            let lasts = may_last(response, || promised) && self.lasts(response);
            Some(Rest::new(reading, promised, None, lasts))
        })
    }

    fn reject<P: Policy>(&self, rejected: Rejected) -> Result<Self::Guarded<P>, E> {
        let mut response = word(&self.wording, rejected)?;
        if rejected.is_departing() {
            send_elsewhere(response.headers_mut());
        }
        Ok(response.map(Tracked::from))
    }
}
