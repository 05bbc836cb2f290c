use http::Request;

use super::Grpc;
use crate::{
    http::{HttpAttempts, Replayed},
    kernel::{
        attempts::{Builder, Cloned, Every, Idempotent},
        context::CarriedDeadline,
    },
};

/// No request may be sent again: what a gRPC method does when it is called twice, its name does not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unsaid;

impl<B> Idempotent<Request<B>> for Unsaid {
    fn is_idempotent(&self, _: &Request<B>) -> bool {
        false
    }
}

impl<K, D, M> Builder<K, Cloned<Every>, D, M> {
    /// For gRPC clients. Nothing is sent again unless [`idempotent`](Self::idempotent), said after it, allows it: which
    /// methods may be called twice is known only to those who wrote them.
    ///
    /// Messages are kept up to a [`body_limit`](Self::body_limit), and sent on as a [`Replay`](crate::Replay): in front of a Tonic
    /// `Channel`, which takes bodies of one type, say `.tonic()` in place of this, with the feature `tonic`.
    ///
    /// A status is looked for in the head; one that comes in trailers is not. A `grpc-retry-pushback-ms` that is negative, or
    /// no time at all, stops it.
    ///
    /// ```
    /// use cofferdam::Retry;
    /// use http::Request;
    ///
    /// let layer = Retry::builder("payments")
    ///     .grpc()
    ///     .idempotent(|request: &Request<String>| request.uri().path() == "/Payments/Find")
    ///     .build()?;
    /// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn grpc(self) -> Builder<K, Replayed<Unsaid>, CarriedDeadline, HttpAttempts<Grpc>> {
        self.http_with(Grpc::new()).repeat(Replayed::default())
    }
}
