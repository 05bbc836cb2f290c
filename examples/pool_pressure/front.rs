//! A front end over HTTP with so many slots, whose requests wait for one of two dependencies each.

use std::{future::IntoFuture, net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use bytes::Bytes;
use cofferdam::{BoxError, Bulkhead, CircuitBreaker, Invalid, Policy, Pool, Timeout, guard, waiting::Order};
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::dependency::{Dependency, without_delay};

pub(crate) const SLOTS: usize = 12;

/// For how long a request waits for a slot, and a call for its answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks a dependency, and passes on how that went.
type Client = BoxCloneSyncService<(), StatusCode, BoxError>;

pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    /// The one that stays well, and the one that gets into trouble.
    pub(crate) dependencies: [Dependency; 2],
}

impl Front {
    /// Starts one: as most are, or one whose dependencies have shares of its slots.
    pub(crate) async fn start(shares: bool) -> Result<Self, BoxError> {
        let dependencies = [Dependency::start().await?, Dependency::start().await?];
        let slots =
            Bulkhead::builder("front").limit(SLOTS).queue(10_000).max_wait(PATIENCE).order(Order::Fifo).build()?;
        let pool = Pool::builder("front").slots_of(slots.usage()).build()?;
        let mut app = Router::new();
        for (name, dependency) in ["a", "b"].into_iter().zip(&dependencies) {
            let client = client(name, dependency.uri(), shares.then_some(&pool))?;
            let ask = move || async move { client.oneshot(()).await.unwrap_or(StatusCode::BAD_GATEWAY) };
            app = app.route(&format!("/{name}"), get(ask));
        }
        let app = app.layer(slots.layer().http());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(axum::serve(without_delay(listener), app).into_future());
        Ok(Self { address, dependencies })
    }
}

/// A breaker and a timeout with their defaults; and the share of the pool in front of them, if there is one.
fn client(name: &str, uri: Uri, pool: Option<&Pool>) -> Result<Client, Invalid> {
    let share = pool.map(|pool| pool.share(name)).transpose()?;
    let service = ServiceBuilder::new()
        .layer(guard((share, CircuitBreaker::builder(name).build()?)).http())
        .layer(Timeout::builder(name).attempt(PATIENCE).http().build()?)
        .service(hyper());
    Ok(BoxCloneSyncService::new(
        service.map_request(move |()| request(&uri)).map_response(|response| response.status()).map_err(BoxError::from),
    ))
}

pub(crate) fn hyper() -> Hyper<HttpConnector, Empty<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Hyper::builder(TokioExecutor::new()).pool_max_idle_per_host(1024).build(connector)
}

pub(crate) fn request(uri: &Uri) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri.clone();
    request
}
