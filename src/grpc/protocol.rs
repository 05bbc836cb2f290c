use http::{HeaderMap, Response, StatusCode};
use http_body::Body;

use super::{Code, TrailersOnly, status, wording};
use crate::{
    http::{
        AllFailures, ClassifyError, Errors, ReadEnd, ReadHead, Rest, Tracked, WordWith, Wording, read_answer, word,
    },
    kernel::{ClassifyWith, Guard, Outcome, Plain, Policy, Protocol, Reading, Rejected, Ticket},
};

/// The protocol of services that speak gRPC: see the [module](super).
///
/// | setting | default |
/// |---|---|
/// | [`wording`](Self::wording) of a rejection | [`TrailersOnly`]: `UNAVAILABLE` or `DEADLINE_EXCEEDED`, with pushback |
/// | [`classify`](Self::classify) | [`ByCode`] |
/// | [`classify_errors`](Self::classify_errors) | [`AllFailures`] |
///
/// ```
/// use cofferdam::{Bulkhead, Grpc, Policy, Rejected, grpc::{Code, trailers_only}};
///
/// let protocol = Grpc::new().wording(|rejected: &Rejected| {
///     trailers_only(Code::ResourceExhausted, "busy", rejected.retry_after())
/// });
/// let layer = Bulkhead::builder("checkout").build()?.layer().protocol(protocol);
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Grpc<W = TrailersOnly, C = ByCode, X = AllFailures> {
    pub(super) wording: W,
    classify: C,
    errors: X,
}

impl Grpc {
    /// gRPC with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<W, C, X> Grpc<W, C, X> {
    /// Words rejections by a function, of which [`trailers_only`](super::trailers_only) makes short work. [`Rejected`] is
    /// put into the extensions of what it returns. An `UNAVAILABLE` without pushback is a [failure](ByCode) to callers in other
    /// processes, and no "not now". An answer that had begun when time was up ends in trailers with the
    /// words of [`TrailersOnly`], whatever is said here.
    pub fn wording<F>(self, word: F) -> Grpc<WordWith<F>, C, X>
    where
        F: Fn(&Rejected) -> Response<bytes::Bytes>,
    {
        Grpc { wording: WordWith(word), classify: self.classify, errors: self.errors }
    }

    /// Rejections are errors, for services whose error [carries](crate::Carries) one.
    pub fn errors(self) -> Grpc<Errors, C, X> {
        Grpc { wording: Errors, classify: self.classify, errors: self.errors }
    }

    /// Tells what became of a call from its status and from the metadata that came with it: the trailers, or the head if
    /// that had the status. An answer without a status is [`Code::Unknown`].
    ///
    /// ```
    /// use cofferdam::{Grpc, Outcome, grpc::{ByCode, ClassifyStatus, Code}};
    /// use http::HeaderMap;
    ///
    /// let protocol = Grpc::new().classify(|code: Code, metadata: &HeaderMap| match code {
    ///     Code::NotFound if metadata.contains_key("x-replica-behind") => Outcome::Failure,
    ///     Code::Aborted => Outcome::Overload,
    ///     _ => ByCode.classify(code, metadata),
    /// });
    /// # let _ = protocol;
    /// ```
    pub fn classify<F>(self, classify: F) -> Grpc<W, ClassifyWith<F>, X>
    where
        F: Fn(Code, &HeaderMap) -> Outcome,
    {
        Grpc { wording: self.wording, classify: ClassifyWith(classify), errors: self.errors }
    }

    /// Tells what became of a call from the service's own error, such as that of a client's connection, as
    /// [`Http::classify_errors`](crate::Http::classify_errors) does.
    ///
    /// Default: [`AllFailures`]: each is a failure.
    ///
    /// ```
    /// use std::io;
    /// use cofferdam::{Grpc, Outcome};
    ///
    /// let protocol = Grpc::new().classify_errors(|error: &io::Error| match error.kind() {
    ///     io::ErrorKind::InvalidInput => Outcome::Ignored, // That is how we asked, and not how it works.
    ///     _ => Outcome::Failure,
    /// });
    /// # let _ = protocol;
    /// ```
    pub fn classify_errors<E, F>(self, classify: F) -> Grpc<W, C, ClassifyWith<F>>
    where
        F: Fn(&E) -> Outcome,
    {
        Grpc { wording: self.wording, classify: self.classify, errors: ClassifyWith(classify) }
    }
}

impl<P: Policy> Guard<P, Plain> {
    /// For services that speak gRPC: a Tonic server or one of its services, and clients such as a Tonic `Channel`.
    ///
    /// What is not to be read by the defaults is said with `.protocol(Grpc::new()..)`: see [`Grpc`].
    #[must_use]
    pub fn grpc(self) -> Guard<P, Grpc> {
        self.protocol(Grpc::new())
    }
}

/// Tells what became of a call from its status.
pub trait ClassifyStatus {
    /// What became of the call.
    fn classify(&self, code: Code, metadata: &HeaderMap) -> Outcome;
}

/// Errors of the caller are no failures of the dependency.
///
/// | status | outcome | because |
/// |---|---|---|
/// | `OK` | success | |
/// | `INVALID_ARGUMENT`, `NOT_FOUND`, `ALREADY_EXISTS`, `PERMISSION_DENIED`, `UNAUTHENTICATED`, `FAILED_PRECONDITION`, `OUT_OF_RANGE`, `ABORTED` | success | the dependency has looked at the request and said what is wrong with it |
/// | `UNIMPLEMENTED` | success | there is no such method, as with a 404: or a stranger who asks for one that never was could open a server's breaker |
/// | `CANCELLED` | ignored | somebody did not want the answer any more, which says nothing about the dependency |
/// | `RESOURCE_EXHAUSTED` | overload | |
/// | `UNAVAILABLE` with a `grpc-retry-pushback-ms` that is a time | overload | it says "not now" |
/// | `UNAVAILABLE` without | failure | whoever cannot be reached says so too |
/// | `UNKNOWN`, `DEADLINE_EXCEEDED`, `INTERNAL`, `DATA_LOSS` | failure | |
///
/// ```
/// use cofferdam::{Outcome, grpc::{ByCode, ClassifyStatus, Code}};
/// use http::{HeaderMap, HeaderValue};
///
/// let mut metadata = HeaderMap::new();
/// assert_eq!(ByCode.classify(Code::Unavailable, &metadata), Outcome::Failure);
/// metadata.insert("grpc-retry-pushback-ms", HeaderValue::from_static("250"));
/// assert_eq!(ByCode.classify(Code::Unavailable, &metadata), Outcome::Overload);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByCode;

impl ClassifyStatus for ByCode {
    #[inline]
    fn classify(&self, code: Code, metadata: &HeaderMap) -> Outcome {
        match code {
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Aborted
            | Code::Unimplemented => Outcome::Success,
            Code::Cancelled => Outcome::Ignored,
            Code::ResourceExhausted => Outcome::Overload,
            Code::Unavailable if status::pushback(metadata).is_some() => Outcome::Overload,
            Code::Unavailable | Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::DataLoss => {
                Outcome::Failure
            }
        }
    }
}

impl<F: Fn(Code, &HeaderMap) -> Outcome> ClassifyStatus for ClassifyWith<F> {
    #[inline]
    fn classify(&self, code: Code, metadata: &HeaderMap) -> Outcome {
        (self.0)(code, metadata)
    }
}

/// What a status says of its call.
fn read<C: ClassifyStatus>(classify: &C, code: Code, metadata: &HeaderMap) -> Reading {
    let outcome = classify.classify(code, metadata);
    let asked = if outcome.is_bad() { status::pushback(metadata) } else { None };
    Reading::of(outcome).with_retry_after(asked)
}

/// The status of an answer that has it in its head. Whatever is no gRPC at all will not have one later either.
fn code_in_head<B: Body>(response: &Response<B>) -> Option<Code> {
    let nothing_follows = response.status() != StatusCode::OK || response.body().is_end_stream();
    status::code(response.headers()).or(nothing_follows.then_some(Code::Unknown))
}

/// Reads the status in the trailers: see [`Tracked`].
#[derive(Clone, Debug)]
pub struct ByTrailers<C = ByCode> {
    classify: C,
}

impl<C: ClassifyStatus> ReadEnd for ByTrailers<C> {
    fn read_end(&self, trailers: Option<&HeaderMap>) -> Reading {
        let none = HeaderMap::new();
        let trailers = trailers.unwrap_or(&none);
        read(&self.classify, status::code(trailers).unwrap_or(Code::Unknown), trailers)
    }

    fn cut(rejected: &Rejected) -> Option<HeaderMap> {
        Some(wording::trailers(rejected))
    }
}

impl<W: Clone, C: ClassifyStatus + Clone, X: Clone> ReadHead for Grpc<W, C, X> {
    fn read_head<B: Body>(&self, response: &Response<B>) -> Reading {
        match code_in_head(response) {
            Some(code) => read(&self.classify, code, response.headers()),
            // Good as far as it goes: what was promised is still to come.
            None => Reading::of(Outcome::Success),
        }
    }

    fn forbids_another(&self, headers: &HeaderMap) -> bool {
        status::forbids_another(headers)
    }

    fn forbid_another(&self, headers: &mut HeaderMap) {
        status::forbid_another(headers);
    }
}

impl<B: Body, E, W, C, X> Protocol<Response<B>, E> for Grpc<W, C, X>
where
    W: Wording<E> + Clone,
    C: ClassifyStatus + Clone,
    X: ClassifyError<E> + Clone,
{
    type Guarded<P: Policy> = Response<Tracked<B, P, ByTrailers<C>>>;

    fn read(&self, answer: Result<&Response<B>, &E>) -> Reading {
        read_answer(self, &self.wording, |error| self.errors.classify(error), answer)
    }

    fn finish<P: Policy>(&self, answer: Result<Response<B>, E>, ticket: Ticket<P>) -> Result<Self::Guarded<P>, E> {
        let reading = self.read(answer.as_ref());
        Tracked::finish(answer, reading, ticket, |response| Some(self.rest(reading, response)))
    }

    fn reject<P: Policy>(&self, rejected: Rejected) -> Result<Self::Guarded<P>, E> {
        Ok(word(&self.wording, rejected)?.map(Tracked::from))
    }
}

impl<W: Clone, C: ClassifyStatus + Clone, X: Clone> Grpc<W, C, X> {
    /// What the head says about the rest: either the status is in it, and nothing is to follow, or the trailers decide.
    fn rest<B: Body>(&self, reading: Reading, response: &Response<B>) -> Rest<ByTrailers<C>> {
        let lasts = self.lasts(response);
        let decided = reading.outcome != Outcome::Success || code_in_head(response).is_some();
        if decided {
            Rest::new(reading, Some(0), None, lasts)
        } else {
            let end = Some(ByTrailers { classify: self.classify.clone() });
            Rest::new(reading, None, end, lasts)
        }
    }
}
