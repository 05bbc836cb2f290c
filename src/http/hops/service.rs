use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::ContextHeaders;
use crate::kernel::{
    Context,
    context::{Carried, Trust, hold_to_deadline},
};

/// Which way requests go: [`Inbound`] or [`Outbound`], and no other.
///
/// ```
/// use cofferdam::hops::{Direction, Hop, HopLayer};
/// use tower::Layer;
///
/// fn around<S, D: Direction + Clone>(service: S, hop: &HopLayer<D>) -> Hop<S, D> {
///     hop.layer(service)
/// }
/// ```
pub trait Direction: sealed::Sealed {
    /// Moves the context of a request between its headers and its extensions.
    fn pass<B>(&self, request: &mut Request<B>);
}

/// Requests come in: what their headers say is put into their extensions, as far as it is believed.
///
/// ```
/// use cofferdam::{ContextHeaders, context::Trust, hops::{HopLayer, Inbound}};
///
/// fn from_anybody() -> HopLayer<Inbound> {
///     ContextHeaders::default().inbound(Trust::default())
/// }
/// # from_anybody();
/// ```
#[derive(Clone, Debug)]
pub struct Inbound(Arc<Believed>);

/// Servers clone their services for each request, so this is shared.
#[derive(Debug)]
struct Believed {
    headers: ContextHeaders,
    trust: Trust,
}

impl Inbound {
    pub(super) fn new(headers: ContextHeaders, trust: Trust) -> Self {
        Self(Arc::new(Believed { headers, trust }))
    }
}

/// Requests go out: what their extensions say is written to their headers.
///
/// ```
/// use cofferdam::{ContextHeaders, hops::{HopLayer, Outbound}};
///
/// fn to_dependencies() -> HopLayer<Outbound> {
///     ContextHeaders::default().outbound()
/// }
/// # to_dependencies();
/// ```
#[derive(Clone, Debug)]
pub struct Outbound {
    pub(super) headers: ContextHeaders,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Inbound {}
    impl Sealed for super::Outbound {}
}

impl Direction for Inbound {
    #[inline]
    fn pass<B>(&self, request: &mut Request<B>) {
        let Believed { headers, trust } = &*self.0;
        let said = headers.take(request.headers_mut(), trust);
        lower(request, said);
        trust.bound(request);
    }
}

impl Direction for Outbound {
    #[inline]
    fn pass<B>(&self, request: &mut Request<B>) {
        let mut carried = Carried::of(request);
        carried.set_attempt(request.attempt());
        self.headers.write(&carried, request.headers_mut());
    }
}

/// Holds a request to what was said of it. What is known of it already is known better than from outside, so it is only
/// ever lowered, and keeps its task. An attempt of a higher number is worth less.
fn lower<B>(request: &mut Request<B>, said: Carried) {
    hold_to_deadline(request, &said);
    if let Some(class) = said.criticality() {
        request.set_criticality(request.criticality().map_or(class, |known| known.min(class)));
    }
    if let Some(task) = said.task()
        && request.task().is_none()
    {
        request.set_task(task);
    }
    if said.attempt().is_extra() && said.attempt() > request.attempt() {
        request.set_attempt(said.attempt());
    }
}

/// The layer of a [`Hop`]: [`ContextHeaders::inbound`] and [`ContextHeaders::outbound`] make it.
///
/// ```
/// use cofferdam::{ContextHeaders, context::Trust};
///
/// let headers = ContextHeaders::default();
/// let (server, client) = (headers.inbound(Trust::default()), headers.outbound());
/// # let _ = (server, client);
/// ```
#[derive(Clone, Debug)]
pub struct HopLayer<D> {
    direction: D,
}

impl<D> HopLayer<D> {
    pub(super) fn new(direction: D) -> Self {
        Self { direction }
    }
}

impl<S, D: Clone> Layer<S> for HopLayer<D> {
    type Service = Hop<S, D>;

    fn layer(&self, inner: S) -> Self::Service {
        Hop { inner, direction: self.direction.clone() }
    }
}

/// Moves the context of each request between its headers and its extensions, and leaves all else to the service inside: see
/// the [module](super).
///
/// ```
/// use cofferdam::{Context, ContextHeaders, Criticality, context::Trust};
/// use http::Request;
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
/// let service = ServiceBuilder::new()
///     .layer(ContextHeaders::default().inbound(Trust::default()))
///     .service(service_fn(|request: Request<()>| async move { Ok::<_, BoxError>(request.criticality()) }));
///
/// let request = Request::get("/").header("x-request-criticality", "sheddable").body(())?;
/// assert_eq!(service.oneshot(request).await?, Some(Criticality::Sheddable));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Hop<S, D> {
    inner: S,
    direction: D,
}

impl<S, D> Hop<S, D> {
    /// The service behind it.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Gives the service back.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, D, B> Service<Request<B>> for Hop<S, D>
where
    S: Service<Request<B>>,
    D: Direction,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)] // or the request is moved once more
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.direction.pass(&mut request);
        self.inner.call(request)
    }
}
