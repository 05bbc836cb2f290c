//! Tonic on real sockets: servers and clients under one protocol, and what each end makes of a call.
#![allow(missing_docs)]
#![cfg(feature = "grpc")]

#[cfg(feature = "tonic")]
mod attempts;
mod context;
#[cfg(feature = "tonic")]
mod exhausted;
#[cfg(feature = "tonic")]
mod generated;
#[cfg(feature = "tonic")]
mod rejections;
mod status;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    Backoff, BreakerState, Bulkhead, CircuitBreaker, Context as _, ContextHeaders, Criticality, Deadline, Drain,
    Outcome, Policy, Replay, Retry, TaskKey, Timeout,
    context::{Carried, Trust},
    guard,
    http::Lasting,
};
use futures_util::stream;
use http::uri::PathAndQuery;
use support::{Answering, Noticing, Raw, answering, connect, incoming, within};
use tokio::sync::mpsc;
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    client::{Grpc, GrpcService},
    service::{LayerExt, Routes},
    transport::{Channel, Endpoint, Server},
};
use tower::{Layer, Service, ServiceBuilder, service_fn, util::MapRequestLayer};

type Message = Result<Bytes, Status>;

/// Where the test gets the feeding ends of streams.
type Feeds = mpsc::UnboundedReceiver<mpsc::UnboundedSender<Message>>;

/// A service with five methods, and the feeding ends of its streams: `unary` says what it was told, or fails if that is a
/// number; `stream` sends what the test feeds it, and so does `watch`, which says that it lasts; `gather` says all that it was
/// told at once; `both` sends back what comes.
fn an_echo() -> (Answering, Feeds) {
    let (streams, feeds) = mpsc::unbounded_channel();
    let answer = move |request: http::Request<Body>| {
        let streams = streams.clone();
        async move {
            let mut server = tonic::server::Grpc::new(Raw);
            let lasts = request.uri().path() == "/test.Echo/watch";
            match request.uri().path() {
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
                "/test.Echo/gather" => server.client_streaming(service_fn(gather), request).await,
                "/test.Echo/both" => {
                    let back = service_fn(|request: Request<Streaming<Bytes>>| async {
                        Ok::<_, Status>(Response::new(request.into_inner()))
                    });
                    server.streaming(back, request).await
                }
                path => Status::unimplemented(path).into_http(),
            }
        }
    };
    (answering(answer), feeds)
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

async fn gather(request: Request<Streaming<Bytes>>) -> Result<Response<Bytes>, Status> {
    let (mut messages, mut all) = (request.into_inner(), Vec::new());
    while let Some(message) = messages.message().await? {
        all.extend_from_slice(&message);
    }
    Ok(Response::new(all.into()))
}

/// Serves that service behind that layer until the test is over. A function would have to spell out all that a server asks of a layer.
macro_rules! serve {
    ($layer:expr, $service:expr) => {{
        let (address, incoming) = incoming().await;
        let server = Server::builder().layer($layer).add_service($service);
        tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
        address
    }};
}

use serve;

/// What can be called over gRPC, whatever is around it.
trait Callable:
    GrpcService<Body, ResponseBody: http_body::Body<Error: Into<cofferdam::BoxError>> + Send + 'static>
{
}

impl<S> Callable for S where
    S: GrpcService<Body, ResponseBody: http_body::Body<Error: Into<cofferdam::BoxError>> + Send + 'static>
{
}

async fn ready<S: Callable>(service: S) -> Result<Grpc<S>, Status> {
    let mut client = Grpc::new(service);
    match within("readiness", client.ready()).await {
        Ok(()) => Ok(client),
        Err(_) => Err(Status::internal("not ready")),
    }
}

/// One call, with that request.
async fn send(service: impl Callable, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let mut client = ready(service).await?;
    within("an answer", client.unary(request, PathAndQuery::from_static("/test.Echo/unary"), Raw)).await
}

/// One call with one answer.
async fn ask(service: impl Callable, message: &'static str) -> Message {
    send(service, Request::new(Bytes::from_static(message.as_bytes()))).await.map(Response::into_inner)
}

/// One call with many answers.
async fn follow(service: impl Callable) -> Result<Streaming<Bytes>, Status> {
    follow_at("/test.Echo/stream", service).await
}

async fn follow_at(path: &'static str, service: impl Callable) -> Result<Streaming<Bytes>, Status> {
    let mut client = ready(service).await?;
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

#[allow(dead_code)] // it need only compile
fn a_call_over_a_channel_can_be_spawned(channel: Channel) {
    fn sendable<S: Service<http::Request<Body>, Future: Send> + Send + Sync + Clone + 'static>(_: S) {}
    let timeout = Timeout::builder("dependency").attempt(Duration::from_secs(1)).grpc().build().unwrap();
    sendable(ServiceBuilder::new().layer(breaker().layer().grpc()).layer(timeout).service(channel));
}
