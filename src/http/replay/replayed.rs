//! How a retry keeps HTTP requests.

use std::fmt;

use http::{Request, request::Parts};
use http_body::Body;

use super::{Replay, Tape};
use crate::{
    http::ByMethod,
    kernel::{
        Invalid,
        attempts::{Builder, Idempotent, Repeat, Selective},
    },
};

/// How much is kept of a body unless somebody says otherwise.
const LIMIT: usize = 64 * 1024;

/// More is not kept for each of many calls at a time.
const LARGEST_LIMIT: usize = 1 << 30;

/// Keeps the head of a request, and of its body what has been sent: see the [module](super).
///
/// It is what `.http()` and `.grpc()` choose, and may be given to [`repeat`](Builder::repeat) for services of another protocol
/// over HTTP. `I` says which requests may be sent again, and `W` what the service behind takes as a body.
#[derive(Clone, Copy, Debug)]
pub struct Replayed<I = ByMethod, W = AsReplay> {
    idempotent: I,
    way_back: W,
    limit: usize,
}

/// Keeps 64 KiB of each body.
impl<I: Default> Default for Replayed<I> {
    fn default() -> Self {
        Self::of(I::default())
    }
}

/// What a service takes as a body, when what it is sent is a [`Replay`].
pub trait WayBack<B>: Clone {
    /// The body that it takes.
    type Body;

    /// Makes one of it.
    fn body(&self, replay: Replay<B>) -> Self::Body;
}

/// The service takes bodies of any type, and so this one too.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsReplay;

impl<B> WayBack<B> for AsReplay {
    type Body = Replay<B>;

    #[inline]
    fn body(&self, replay: Replay<B>) -> Replay<B> {
        replay
    }
}

/// The service takes bodies of one type, and a function makes one: see [`map_body`](Builder::map_body).
#[derive(Clone, Copy)]
pub struct MapBody<F>(F);

impl<F> MapBody<F> {
    pub(super) fn new(map: F) -> Self {
        Self(map)
    }
}

impl<F> fmt::Debug for MapBody<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MapBody")
    }
}

impl<B, T, F: Fn(Replay<B>) -> T + Clone> WayBack<B> for MapBody<F> {
    type Body = T;

    #[inline]
    fn body(&self, replay: Replay<B>) -> T {
        (self.0)(replay)
    }
}

/// What is kept of a request.
#[derive(Debug)]
pub struct Kept<B> {
    head: Parts,
    tape: Tape<B>,
}

impl<B> Kept<B> {
    pub(super) fn new(head: &Parts, tape: Tape<B>) -> Self {
        Self { head: head.clone(), tape }
    }

    /// The request once more, if all of its body is still there.
    pub(super) fn again<W: WayBack<B>>(&self, way_back: &W) -> Option<Request<W::Body>> {
        let body = way_back.body(self.tape.again()?);
        Some(Request::from_parts(self.head.clone(), body))
    }

    pub(super) fn supersede(&self) {
        self.tape.supersede();
    }
}

impl<I, W, N> Selective<N> for Replayed<I, W> {
    type Of = Replayed<N, W>;

    fn only(self, idempotent: N) -> Replayed<N, W> {
        Replayed { idempotent, way_back: self.way_back, limit: self.limit }
    }
}

impl<B: Body, I: Idempotent<Request<B>>, W: WayBack<B>> Repeat<Request<B>> for Replayed<I, W> {
    type Request = Request<W::Body>;
    type Kept = Kept<B>;

    fn keep(&self, request: Request<B>) -> (Self::Request, Option<Kept<B>>) {
        if !self.idempotent.is_idempotent(&request) {
            return (request.map(|body| self.way_back.body(Replay::once(body))), None);
        }
        let (head, body) = request.into_parts();
        let (body, tape) = Replay::new(body, self.limit);
        let kept = tape.map(|tape| Kept::new(&head, tape));
        (Request::from_parts(head, self.way_back.body(body)), kept)
    }

    fn once(&self, request: Request<B>) -> Self::Request {
        let repeatable = self.idempotent.is_idempotent(&request);
        request.map(|body| {
            // Sent once by this one; but a hedge further in may do more.
            let body = if repeatable { Replay::repeatable(body, self.limit) } else { Replay::once(body) };
            self.way_back.body(body)
        })
    }

    fn again(&self, kept: &mut Kept<B>) -> Option<Self::Request> {
        kept.again(&self.way_back)
    }

    fn supersede(&self, kept: &mut Kept<B>) {
        kept.supersede();
    }
}

impl<I> Replayed<I> {
    /// Keeps the requests that are idempotent according to that.
    pub(crate) fn of(idempotent: I) -> Self {
        Self { idempotent, way_back: AsReplay, limit: LIMIT }
    }
}

impl<I, W> Replayed<I, W> {
    /// How much of a body is kept, in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Keeps that much of a body. What is wrong with it, if it cannot be.
    fn with_limit(self, limit: usize) -> (Self, Option<Invalid>) {
        let invalid = (limit > LARGEST_LIMIT).then(|| Invalid::new("body_limit", limit, "at most 1073741824 bytes"));
        (Self { limit, ..self }, invalid)
    }
}

impl<K, I, W, D, M> Builder<K, Replayed<I, W>, D, M> {
    /// How much of a request's body is kept for another attempt, in bytes. A longer one is sent all the same, and once.
    /// Default: 64 KiB. Range: at most 1 GiB; with zero only requests without a body are sent again. What counts how much: see
    /// [`Replay::new`](crate::replay::Replay::new).
    pub fn body_limit(self, limit: usize) -> Self {
        self.change_repeat(|repeat| repeat.with_limit(limit))
    }

    /// Makes the body that the service takes, where it takes only one type, such as `axum::body::Body::new`. Others need not be
    /// told: they are sent a [`Replay`] of the request's own body.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use axum::body::Body;
    /// use cofferdam::Retry;
    /// use http::{Request, Response};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::BoxError> {
    /// let service = ServiceBuilder::new()
    ///     .layer(Retry::builder("payments").http().map_body(Body::new).build()?)
    ///     .service(service_fn(|request: Request<Body>| async move { Ok::<_, Infallible>(Response::new(request.into_body())) }));
    ///
    /// let response = service.oneshot(Request::put("/charges/7").body(Body::from("250"))?).await?;
    /// assert_eq!(axum::body::to_bytes(response.into_body(), 16).await?, "250");
    /// # Ok(()) }
    /// ```
    pub fn map_body<F>(self, map: F) -> Builder<K, Replayed<I, MapBody<F>>, D, M> {
        self.way_back(MapBody(map))
    }

    /// The service takes what that makes.
    pub(crate) fn way_back<N>(self, way_back: N) -> Builder<K, Replayed<I, N>, D, M> {
        self.change_repeat(|Replayed { idempotent, limit, .. }| (Replayed { idempotent, way_back, limit }, None))
    }
}
