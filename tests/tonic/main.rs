//! Tonic on real sockets: servers and clients under one protocol, and what each end makes of a call.
#![allow(missing_docs)]
#![cfg(feature = "grpc")]

mod context;
mod status;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    Backoff, BreakerState, Bulkhead, CircuitBreaker, Context as _, ContextHeaders, Criticality, Deadline, Drain,
    Outcome, Policy, Retry, TaskKey, Timeout,
    context::{Carried, Trust},
    guard,
    http::Lasting,
};
use futures_util::stream;
use http::uri::PathAndQuery;
use support::{Noticing, Raw, within};
use tokio::{net::TcpListener, sync::mpsc};
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    client::{Grpc, GrpcService},
    server::NamedService,
    service::{LayerExt, Routes},
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tower::{Layer, Service, ServiceBuilder, service_fn, util::MapRequestLayer};

type Message = Result<Bytes, Status>;

/// A service as a generator would write it, with four methods: `unary` says what it was told, or fails if that is a number;
/// `stream` sends what the test feeds it, and so does `watch`, which says that it lasts; `both` sends back what comes.
#[derive(Clone)]
struct Echo {
    streams: mpsc::UnboundedSender<mpsc::UnboundedSender<Message>>,
}

impl Echo {
    /// The service, and the feeding ends of its streams.
    fn new() -> (Self, mpsc::UnboundedReceiver<mpsc::UnboundedSender<Message>>) {
        let (streams, feeds) = mpsc::unbounded_channel();
        (Self { streams }, feeds)
    }
}

async fn unary(request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let message = request.into_inner();
    match std::str::from_utf8(&message).unwrap() {
        "never" => std::future::pending().await,
        text => match text.parse::<i32>() {
            Ok(code) => Err(Status::new(Code::from_i32(code), "as asked")),
            Err(_) => Ok(Response::new(message)),
        },
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let streams = self.streams.clone();
        Box::pin(async move {
            let mut server = tonic::server::Grpc::new(Raw);
            let lasts = request.uri().path() == "/test.Echo/watch";
            Ok(match request.uri().path() {
                "/test.Echo/unary" => server.unary(service_fn(unary), request).await,
                "/test.Echo/stream" | "/test.Echo/watch" => {
                    let (feed, mut messages) = mpsc::unbounded_channel();
                    streams.send(feed).unwrap();
                    let mut messages = Some(stream::poll_fn(move |cx| messages.poll_recv(cx)));
                    let answer = service_fn(move |_: Request<Bytes>| {
                        let mut response = Response::new(messages.take().unwrap());
                        if lasts {
                            response.extensions_mut().insert(Lasting);
                        }
                        async { Ok::<_, Status>(response) }
                    });
                    server.server_streaming(answer, request).await
                }
                "/test.Echo/both" => {
                    let back = service_fn(|request: Request<Streaming<Bytes>>| async {
                        Ok::<_, Status>(Response::new(request.into_inner()))
                    });
                    server.streaming(back, request).await
                }
                path => Status::unimplemented(path).into_http(),
            })
        })
    }
}

/// Serves until the test is over.
async fn listen() -> (SocketAddr, TcpIncoming) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), TcpIncoming::from(listener))
}

/// Serves that service behind that layer. A function would have to spell out all that a server asks of a layer.
macro_rules! serve {
    ($layer:expr, $service:expr) => {{
        let (address, incoming) = listen().await;
        let server = Server::builder().layer($layer).add_service($service);
        tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
        address
    }};
}

use serve;

async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    within("a connection", endpoint.connect()).await.unwrap()
}

/// One call with one answer.
async fn ask<S>(service: S, message: &'static str) -> Message
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<cofferdam::BoxError>,
{
    let mut client = Grpc::new(service);
    within("readiness", client.ready()).await.map_err(|_| Status::internal("not ready"))?;
    let path = PathAndQuery::from_static("/test.Echo/unary");
    let answer = client.unary(Request::new(Bytes::from_static(message.as_bytes())), path, Raw);
    within("an answer", answer).await.map(Response::into_inner)
}

/// One call with many answers.
async fn follow<S>(service: S) -> Result<Streaming<Bytes>, Status>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<cofferdam::BoxError>,
{
    follow_at("/test.Echo/stream", service).await
}

async fn follow_at<S>(path: &'static str, service: S) -> Result<Streaming<Bytes>, Status>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<cofferdam::BoxError>,
{
    let mut client = Grpc::new(service);
    within("readiness", client.ready()).await.map_err(|_| Status::internal("not ready"))?;
    let path = PathAndQuery::from_static(path);
    let answer = client.server_streaming(Request::new(Bytes::new()), path, Raw);
    within("the head of a stream", answer).await.map(Response::into_inner)
}

async fn next(messages: &mut Streaming<Bytes>) -> Result<Option<Bytes>, Status> {
    within("a message", messages.message()).await
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("dependency").consecutive_failures(None).build().unwrap()
}

fn shut(breaker: &CircuitBreaker) -> CircuitBreaker {
    let now = cofferdam::Instant::now();
    let token = cofferdam::Admit::admit(breaker, &(), now).unwrap();
    breaker.settle(token, &cofferdam::Ended::new(Outcome::Failure, now, now));
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker.clone()
}

/// One call, with that request.
async fn send<S>(service: S, request: Request<Bytes>) -> Result<Response<Bytes>, Status>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<cofferdam::BoxError>,
{
    let mut client = Grpc::new(service);
    within("readiness", client.ready()).await.map_err(|_| Status::internal("not ready"))?;
    within("an answer", client.unary(request, PathAndQuery::from_static("/test.Echo/unary"), Raw)).await
}

#[allow(dead_code)] // it need only compile
fn a_call_over_a_channel_can_be_spawned(channel: Channel) {
    fn sendable<S: Service<http::Request<Body>, Future: Send> + Send + Sync + Clone + 'static>(_: S) {}
    let timeout = Timeout::builder("dependency").attempt(Duration::from_secs(1)).grpc().build().unwrap();
    sendable(ServiceBuilder::new().layer(breaker().layer().grpc()).layer(timeout).service(channel));
}
