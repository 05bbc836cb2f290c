//! How a front end calls what it depends on: with a plain client, or with the same one behind this crate.

use std::{net::SocketAddr, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use cofferdam::{BoxError, Bulkhead, CircuitBreaker, Invalid, Timeout, guard};
use http::{Request, Response};
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client as Hyper, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

/// Calls one service, which has one thing to say.
pub(crate) type Client = BoxCloneSyncService<(), Response<Body>, Error>;

/// A Hyper client that keeps the connections it has made.
pub(crate) fn hyper() -> Hyper<HttpConnector, Empty<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Hyper::builder(TokioExecutor::new()).pool_max_idle_per_host(1024).build(connector)
}

/// As most are.
pub(crate) fn plain(address: SocketAddr) -> Client {
    calling(address, hyper())
}

/// Behind a breaker as it is by default, a bulkhead of so many slots, and a timeout.
pub(crate) fn contained(name: &str, slots: usize, address: SocketAddr) -> Result<(Client, CircuitBreaker), Invalid> {
    // A hung service is probed by three calls for each open time and timeout: the shorter the timeout, the more often.
    let second = Duration::from_secs(1);
    let breaker = CircuitBreaker::builder(name).build()?;
    let slots = Bulkhead::builder(name).limit(slots).build()?;
    let service = ServiceBuilder::new()
        .layer(guard((breaker.clone(), slots)).http())
        .layer(Timeout::builder(name).attempt(second).http().between_frames(second).build()?)
        .service(hyper());
    Ok((calling(address, service), breaker))
}

/// Makes one type of both, so that the front ends cannot differ in anything else.
fn calling<S, B>(address: SocketAddr, service: S) -> Client
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let request = move |()| {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri(address, "/");
        request
    };
    BoxCloneSyncService::new(service.map_request(request).map_response(|response: Response<B>| response.map(Body::new)))
}

pub(crate) fn uri(address: SocketAddr, path: &str) -> http::Uri {
    format!("http://{address}{path}").parse().expect("an address and a path make a URI")
}
