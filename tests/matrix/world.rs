//! How each column is built: a server and a client over real sockets, and the layer at one of them.

use std::{convert::Infallible, io, net::SocketAddr};

use axum::{Router, response::IntoResponse, routing::Route};
use bytes::Bytes;
use cofferdam::{BoxError, Outcome, guard};
use http::{Request, Response};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, sync::mpsc};
use tonic::{
    body::Body,
    transport::{Channel, Server},
};
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};

use crate::{
    app::{App, Feed},
    caller::{AnyBody, Boxed, Caller, Held, Speaks},
    grpc::echo,
    stack::{Axum, HyperClient, HyperServer, TonicClient, TonicServer},
    support::{Answering, Named, Noticing, connect, incoming, serve, within},
};

/// A running server, whoever calls it, and what becomes of the calls behind and in front of the layer.
pub(crate) struct World {
    pub(crate) caller: Caller,
    feeds: mpsc::UnboundedReceiver<Feed>,
    ends: Noticing,
    ended: usize,
}

impl World {
    fn new(speaks: Speaks, layered: bool, feeds: mpsc::UnboundedReceiver<Feed>, ends: Noticing) -> Self {
        Self { caller: Caller { speaks, layered }, feeds, ends, ended: 0 }
    }

    /// How the next call has ended, as a policy outside of the layer sees it.
    pub(crate) async fn ended(&mut self) -> Outcome {
        self.ended += 1;
        self.ends.ended(self.ended).await[self.ended - 1]
    }

    /// How many calls have ended that nobody has asked for.
    pub(crate) fn calls_ended(&self) -> usize {
        self.ends.so_far().len() - self.ended
    }

    /// Waits until every call has ended that was begun.
    pub(crate) async fn all_ended(&self) {
        let all = async {
            while self.ends.running() > 0 {
                tokio::task::yield_now().await;
            }
        };
        within("the end of all calls", all).await;
    }

    /// A call in the middle of its body, and what feeds it.
    pub(crate) async fn hold(&mut self) -> (Held, Feed) {
        let held = self.caller.hold().await;
        let feed = within("a call at the server", self.feeds.recv()).await.unwrap();
        // The head is on its way: what is behind the layer has made it, and the layer has seen it.
        (held, feed)
    }
}

/// What a service behind a layer has to be, whatever it answers with.
pub(crate) trait Answers<B>:
    Service<Request<B>, Response = Response<Self::Body>, Error: Into<BoxError>, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
    type Body: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B, RB> Answers<B> for S
where
    S: Service<Request<B>, Response = Response<RB>, Error: Into<BoxError>, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
    RB: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = RB;
}

/// Puts a service behind a name that has nothing of its layers in it.
fn boxed<S: Answers<B>, B: Send + 'static>(service: S) -> Boxed<B> {
    let any = |response: Response<S::Body>| response.map(|body| UnsyncBoxBody::new(body.map_err(io::Error::other)));
    BoxCloneSyncService::new(service.map_response(any).map_err(io::Error::other))
}

/// The same with somebody outside who notices how calls end.
fn noticed_over_http<B: Send + 'static>(ends: &Noticing, service: Boxed<B>) -> Boxed<B> {
    boxed(guard(ends.clone()).http().layer(service))
}

fn noticed_over_grpc(ends: &Noticing, service: Boxed<Body>) -> Boxed<Body> {
    boxed(guard(ends.clone()).grpc().layer(service))
}

type HyperUtil = Client<HttpConnector, AnyBody>;

fn hyper_client(two: bool) -> HyperUtil {
    Client::builder(TokioExecutor::new()).http2_only(two).build_http()
}

impl<const TWO: bool> Axum<TWO> {
    pub(crate) async fn build<L>(layer: L) -> World
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<axum::extract::Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<axum::extract::Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<axum::extract::Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<axum::extract::Request>>::Future: Send + 'static,
    {
        let (feed, feeds) = mpsc::unbounded_channel();
        let ends = Noticing::new();
        let app = Router::new().route_service("/{*path}", App(feed)).layer(layer).layer(guard(ends.clone()).http());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        World::new(Speaks::Http(boxed(hyper_client(TWO)), address), false, feeds, ends)
    }
}

impl<const TWO: bool> HyperServer<TWO> {
    pub(crate) async fn build<L: Layer<App, Service: Answers<Incoming>>>(layer: L) -> World {
        let (feed, feeds) = mpsc::unbounded_channel();
        let ends = Noticing::new();
        let address = serve(noticed_over_http(&ends, boxed(layer.layer(App(feed))))).await;
        World::new(Speaks::Http(boxed(hyper_client(TWO)), address), false, feeds, ends)
    }
}

impl HyperClient {
    pub(crate) async fn build<L: Layer<HyperUtil, Service: Answers<AnyBody>>>(layer: L) -> World {
        let (feed, feeds) = mpsc::unbounded_channel();
        let ends = Noticing::new();
        let address = serve(boxed(App(feed))).await;
        let client = noticed_over_http(&ends, boxed(layer.layer(hyper_client(false))));
        World::new(Speaks::Http(client, address), true, feeds, ends)
    }
}

impl<const MANY: bool> TonicServer<MANY> {
    pub(crate) async fn build<L: Layer<Answering, Service: Answers<Body>>>(layer: L) -> World {
        let (feed, feeds) = mpsc::unbounded_channel();
        let ends = Noticing::new();
        let address = serve_tonic(noticed_over_grpc(&ends, boxed(layer.layer(echo(feed))))).await;
        let channel = boxed(connect(address).await);
        let speaks = if MANY { Speaks::Stream(channel) } else { Speaks::Unary(channel) };
        World::new(speaks, false, feeds, ends)
    }
}

impl TonicClient {
    pub(crate) async fn build<L: Layer<Channel, Service: Answers<Body>>>(layer: L) -> World {
        let (feed, feeds) = mpsc::unbounded_channel();
        let ends = Noticing::new();
        let channel = connect(serve_tonic(boxed(echo(feed))).await).await;
        let client = noticed_over_grpc(&ends, boxed(layer.layer(channel)));
        World::new(Speaks::Stream(client), true, feeds, ends)
    }
}

async fn serve_tonic(service: Boxed<Body>) -> SocketAddr {
    let (address, incoming) = incoming().await;
    let never = |error| panic!("a service of Tonic has no errors: {error}");
    let server = Server::builder().add_service(Named(service.map_err(never)));
    tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
    address
}
