//! How a hedge inside of a retry keeps HTTP requests.

use http::Request;
use http_body::Body;

use super::{AsReplay, Kept, MapBody, Replay, WayBack};
use crate::kernel::attempts::{Builder, Repeat};

/// Keeps requests whose bodies a retry further out records or could record: the same tape is played again, so that nothing is
/// kept twice, and the service behind is sent the same [`Replay`].
///
/// It is for a hedge inside of a retry that says `.http()` or `.grpc()`, and is given to [`repeat`](Builder::repeat). Which
/// requests may be sent again, and how much of them is kept, is what the retry was told, also where that makes one attempt only.
///
/// ```
/// use cofferdam::{Dependency, Hedge, Retry, replay::Taped};
///
/// let search = Dependency::builder("search").build()?;
/// let retry = Retry::builder("search").dependency(&search).http().build()?;
/// let hedge = Hedge::builder("search").dependency(&search).http().repeat(Taped::default()).build()?;
/// # let _ = (retry, hedge); Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Taped<W = AsReplay>(W);

/// Sends on what the retry has made.
impl Default for Taped {
    fn default() -> Self {
        Self(AsReplay)
    }
}

impl<B: Body, W: WayBack<B>> Repeat<Request<Replay<B>>> for Taped<W> {
    type Request = Request<W::Body>;
    type Kept = Kept<B>;

    fn keep(&self, request: Request<Replay<B>>) -> (Self::Request, Option<Kept<B>>) {
        let (head, body) = request.into_parts();
        let (body, tape) = body.taped();
        let kept = tape.map(|tape| Kept::new(&head, tape));
        (Request::from_parts(head, self.0.body(body)), kept)
    }

    #[inline]
    fn once(&self, request: Request<Replay<B>>) -> Self::Request {
        request.map(|body| self.0.body(body))
    }

    fn again(&self, kept: &mut Kept<B>) -> Option<Self::Request> {
        kept.again(&self.0)
    }

    fn supersede(&self, kept: &mut Kept<B>) {
        kept.supersede();
    }
}

impl<K, W, D, M> Builder<K, Taped<W>, D, M> {
    /// Makes the body that the service takes, where it takes only one type: as for a retry that is by itself.
    pub fn map_body<F>(self, map: F) -> Builder<K, Taped<MapBody<F>>, D, M> {
        self.way_back(MapBody::new(map))
    }

    /// The service takes what that makes.
    pub(crate) fn way_back<N>(self, way_back: N) -> Builder<K, Taped<N>, D, M> {
        self.repeat(Taped(way_back))
    }
}
