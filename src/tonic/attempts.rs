use ::tonic::body::Body;
use bytes::Bytes;

use crate::{
    BoxError,
    grpc::{Grpc, Unsaid},
    http::{
        HttpAttempts, Replayed,
        replay::{Replay, Taped, WayBack},
    },
    kernel::{
        attempts::{Builder, Cloned, Every},
        context::CarriedDeadline,
    },
};

/// The service takes the bodies of Tonic, as a `Channel` does, and each attempt is sent one.
///
/// `.tonic()` chooses it. It has a name, so that a stack that is kept in a struct has one too:
///
/// ```
/// use cofferdam::{Grpc, grpc::Unsaid, presets::Client, tonic::AsBody};
///
/// struct Shop {
///     payments: Client<(), Unsaid, AsBody, Grpc>,
/// }
///
/// let shop = Shop { payments: cofferdam::tonic::client("payments").build()? };
/// # let _ = shop.payments; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AsBody;

impl<B> WayBack<B> for AsBody
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = Body;

    #[inline]
    fn body(&self, replay: Replay<B>) -> Body {
        Body::new(replay)
    }
}

impl<K, D, M> Builder<K, Cloned<Every>, D, M> {
    /// For clients over a Tonic `Channel`: [`grpc`](Self::grpc), and each attempt is sent with a body of Tonic, as a `Channel`
    /// takes no other. Nothing is sent again unless [`idempotent`](Self::idempotent), said after it, allows it.
    ///
    /// ```
    /// use cofferdam::Retry;
    /// use http::Request;
    /// use tonic::body::Body;
    ///
    /// let layer = Retry::builder("payments")
    ///     .tonic()
    ///     .idempotent(|request: &Request<Body>| request.uri().path() == "/Payments/Find")
    ///     .build()?;
    /// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn tonic(self) -> Builder<K, Replayed<Unsaid, AsBody>, CarriedDeadline, HttpAttempts<Grpc>> {
        self.grpc().way_back(AsBody)
    }
}

impl<K, W, D, M> Builder<K, Taped<W>, D, M> {
    /// For a Tonic `Channel`, where a retry further out records the bodies: each attempt is sent with a body of Tonic. The retry, of
    /// which the hedge is given what it sends, says `.grpc()`.
    ///
    /// ```
    /// use cofferdam::{Dependency, Hedge, Retry, replay::Taped};
    ///
    /// let search = Dependency::builder("search").build()?;
    /// let retry = Retry::builder("search").dependency(&search).grpc().build()?;
    /// let hedge = Hedge::builder("search").dependency(&search).grpc().repeat(Taped::default()).tonic().build()?;
    /// # let _ = (retry, hedge); Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn tonic(self) -> Builder<K, Taped<AsBody>, D, M> {
        self.way_back(AsBody)
    }
}
