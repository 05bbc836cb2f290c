//! The settings of [`Http`] on the layers themselves, once `.http()` has chosen it.

use super::{Http, ProblemDetails, ProblemWith, WordWith};
use crate::{
    flow::timeout::Builder,
    kernel::{ClassifyWith, Guard, Outcome, Policy, Rejected},
};

impl<P: Policy, W, C, X> Guard<P, Http<W, C, X>> {
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
    pub fn problem<F>(self, problem: F) -> Guard<P, Http<ProblemWith<F>, C, X>>
    where
        F: Fn(&Rejected) -> ProblemDetails,
    {
        self.map_protocol(|http| http.problem(problem))
    }

    /// Words rejections by a function: see [`Http::wording`].
    pub fn wording<F>(self, word: F) -> Guard<P, Http<WordWith<F>, C, X>>
    where
        F: Fn(&Rejected) -> http::Response<bytes::Bytes>,
    {
        self.map_protocol(|http| http.wording(word))
    }

    /// Tells what became of a call from the service's own error: see [`Http::classify_errors`].
    pub fn classify_errors<E, F>(self, classify: F) -> Guard<P, Http<W, C, ClassifyWith<F>>>
    where
        F: Fn(&E) -> Outcome,
    {
        self.map_protocol(|http| http.classify_errors(classify))
    }

    /// A call ends with the head of its response: see [`Http::until_head`].
    #[must_use]
    pub fn until_head(self) -> Self {
        self.map_protocol(Http::until_head)
    }
}

impl<D, W, C, X> Builder<D, Http<W, C, X>> {
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
    pub fn problem<F>(self, problem: F) -> Builder<D, Http<ProblemWith<F>, C, X>>
    where
        F: Fn(&Rejected) -> ProblemDetails,
    {
        self.map_protocol(|http| http.problem(problem))
    }

    /// Words the rejection of a call whose time is up by a function: see [`Http::wording`].
    pub fn wording<F>(self, word: F) -> Builder<D, Http<WordWith<F>, C, X>>
    where
        F: Fn(&Rejected) -> http::Response<bytes::Bytes>,
    {
        self.map_protocol(|http| http.wording(word))
    }
}
