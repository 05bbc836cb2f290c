//! The settings of [`Http`] on the layers themselves, once `.http()` has chosen it.

use http::{HeaderMap, StatusCode};

use super::{Http, ProblemDetails, ProblemWith, WordWith};
use crate::{
    flow::timeout::Builder,
    kernel::{ClassifyWith, Guard, Outcome, Policy, Rejected},
};

impl<P: Policy, W, C, X, L> Guard<P, Http<W, C, X, L>> {
    /// Words rejections as problems of your own: see [`Http::problem`].
    ///
    /// ```
    /// use cofferdam::{CircuitBreaker, Policy, Rejected, http::ProblemDetails};
    ///
    /// let layer = CircuitBreaker::builder("payments").build()?.layer().http().problem(|rejected: &Rejected| {
    ///     ProblemDetails::of(rejected).title("Payments are down").text("by", rejected.by().as_str())
    /// });
    /// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn problem<F>(self, problem: F) -> Guard<P, Http<ProblemWith<F>, C, X, L>>
    where
        F: Fn(&Rejected) -> ProblemDetails,
    {
        self.map_protocol(|http| http.problem(problem))
    }

    /// Words rejections by a function: see [`Http::wording`].
    pub fn wording<F>(self, word: F) -> Guard<P, Http<WordWith<F>, C, X, L>>
    where
        F: Fn(&Rejected) -> http::Response<bytes::Bytes>,
    {
        self.map_protocol(|http| http.wording(word))
    }

    /// Tells what became of a call from the service's own error: see [`Http::classify_errors`].
    pub fn classify_errors<E, F>(self, classify: F) -> Guard<P, Http<W, C, ClassifyWith<F>, L>>
    where
        F: Fn(&E) -> Outcome,
    {
        self.map_protocol(|http| http.classify_errors(classify))
    }

    /// Tells which answers are lasting ones, over with their head for a limit: see [`Http::lasting`].
    ///
    /// ```
    /// use cofferdam::{AdaptiveLimit, Policy};
    /// use http::{HeaderMap, StatusCode};
    ///
    /// let is_watch = |_: StatusCode, headers: &HeaderMap| headers.contains_key("x-watch");
    /// let layer = AdaptiveLimit::builder("objects").build()?.layer().http().lasting(is_watch);
    /// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn lasting<F>(self, lasts: F) -> Guard<P, Http<W, C, X, ClassifyWith<F>>>
    where
        F: Fn(StatusCode, &HeaderMap) -> bool,
    {
        self.map_protocol(|http| http.lasting(lasts))
    }

    /// A call ends with the head of its response: see [`Http::until_head`].
    #[must_use]
    pub fn until_head(self) -> Self {
        self.map_protocol(Http::until_head)
    }
}

impl<D, W, C, X, L> Builder<D, Http<W, C, X, L>> {
    /// Words the rejection of a call whose time is up as a problem of your own: see [`Http::problem`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use cofferdam::{Rejected, Timeout, http::ProblemDetails};
    ///
    /// let layer = Timeout::builder("search")
    ///     .attempt(Duration::from_millis(250))
    ///     .http()
    ///     .problem(|rejected: &Rejected| ProblemDetails::of(rejected).detail("the search took too long"))
    ///     .build()?;
    /// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn problem<F>(self, problem: F) -> Builder<D, Http<ProblemWith<F>, C, X, L>>
    where
        F: Fn(&Rejected) -> ProblemDetails,
    {
        self.map_protocol(|http| http.problem(problem))
    }

    /// Words the rejection of a call whose time is up by a function: see [`Http::wording`].
    pub fn wording<F>(self, word: F) -> Builder<D, Http<WordWith<F>, C, X, L>>
    where
        F: Fn(&Rejected) -> http::Response<bytes::Bytes>,
    {
        self.map_protocol(|http| http.wording(word))
    }

    /// Tells which answers are lasting ones, which an [assumed](crate::Deadline::assumed) deadline leaves alone once their head
    /// is there: see [`Http::lasting`].
    pub fn lasting<F>(self, lasts: F) -> Builder<D, Http<W, C, X, ClassifyWith<F>>>
    where
        F: Fn(StatusCode, &HeaderMap) -> bool,
    {
        self.map_protocol(|http| http.lasting(lasts))
    }
}
