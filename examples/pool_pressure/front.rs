//! A front end over HTTP with so many slots, whose requests wait for one of two dependencies each.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::Request, response::IntoResponse, routing::get};
use bytes::Bytes;
use cofferdam::{BoxError, Bulkhead, Context, Pool, PoolShare, guard};
use http::{Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{dependency::Dependency, serving::listen};

pub(crate) const SLOTS: usize = 32;

/// For how long somebody waits for an answer, and an attempt may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

type Outgoing = Empty<Bytes>;
type Client = BoxCloneSyncService<http::Request<Outgoing>, Response<Body>, BoxError>;

pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    /// The one that stays well, and the one that gets into trouble.
    pub(crate) dependencies: [Dependency; 2],
}

impl Front {
    /// Starts one whose dependencies have shares of its slots, or one where they have none.
    pub(crate) async fn start(has_pool: bool) -> Result<Self, BoxError> {
        let dependencies = [Dependency::start().await?, Dependency::start().await?];
        let slots = Bulkhead::builder("front").limit(SLOTS).queue(1_000).max_wait(PATIENCE).build()?;
        let pool = Pool::builder("front").slots_of(slots.usage()).build()?;
        let mut app = Router::new();
        for (name, dependency) in ["a", "b"].into_iter().zip(&dependencies) {
            let share = has_pool.then(|| pool.share(name)).transpose()?;
            let (client, uri) = (client(name, share)?, dependency.uri());
            app = app.route(&format!("/{name}"), get(move |request| ask(client, uri, request)));
        }
        let app = app.layer(cofferdam::http::server("front").shedding(None).policy(slots).build()?);
        Ok(Self { address: listen(app).await?, dependencies })
    }
}

async fn ask(client: Client, uri: Uri, incoming: Request) -> axum::response::Response {
    let mut outgoing = request(&uri);
    outgoing.on_behalf_of(&incoming);
    client.oneshot(outgoing).await.map_or_else(|_| StatusCode::BAD_GATEWAY.into_response(), IntoResponse::into_response)
}

/// The stack for clients, and the share of the pool in front of it, if there is one.
fn client(name: &str, share: Option<PoolShare>) -> Result<Client, BoxError> {
    let service = ServiceBuilder::new()
        .layer(guard(share).http())
        .layer(cofferdam::http::client(name).timeout(PATIENCE).build()?)
        .service(hyper());
    Ok(BoxCloneSyncService::new(service.map_response(|response| response.map(Body::new)).map_err(BoxError::from)))
}

pub(crate) fn hyper<B>() -> Hyper<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Hyper::builder(TokioExecutor::new()).pool_max_idle_per_host(1024).build(connector)
}

pub(crate) fn request(uri: &Uri) -> http::Request<Outgoing> {
    let mut request = http::Request::new(Empty::new());
    *request.uri_mut() = uri.clone();
    request
}
