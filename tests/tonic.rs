//! Tonic on real sockets: servers and clients under one protocol, and what each end makes of a call.
#![allow(missing_docs)]
#![cfg(feature = "grpc")]

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

/// A service as a generator would write it, with three methods: `unary` says what it was told, or fails if that is a number;
/// `stream` sends what the test feeds it; `both` sends back what comes.
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
            Ok(match request.uri().path() {
                "/test.Echo/unary" => server.unary(service_fn(unary), request).await,
                "/test.Echo/stream" => {
                    let (feed, mut messages) = mpsc::unbounded_channel();
                    streams.send(feed).unwrap();
                    let mut messages = Some(stream::poll_fn(move |cx| messages.poll_recv(cx)));
                    let answer = service_fn(move |_: Request<Bytes>| {
                        let messages = messages.take().unwrap();
                        async { Ok::<_, Status>(Response::new(messages)) }
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
    let mut client = Grpc::new(service);
    within("readiness", client.ready()).await.map_err(|_| Status::internal("not ready"))?;
    let path = PathAndQuery::from_static("/test.Echo/stream");
    let answer = client.server_streaming(Request::new(Bytes::new()), path, Raw);
    within("the head of a stream", answer).await.map(Response::into_inner)
}

async fn next(messages: &mut Streaming<Bytes>) -> Result<Option<Bytes>, Status> {
    within("a message", messages.message()).await
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("dependency").consecutive_failures(None).build().unwrap()
}

#[tokio::test]
async fn defect_216_both_ends_see_the_status_wherever_it_is() {
    // Given a guard at each end of the wire
    let (echo, mut feeds) = Echo::new();
    let (server, server_breaker) = (Noticing::new(), breaker());
    let (client, client_breaker) = (Noticing::new(), breaker());
    let address = serve!(guard((server.clone(), server_breaker.clone())).grpc(), echo);
    let service = ServiceBuilder::new()
        .layer(guard((client.clone(), client_breaker.clone())).grpc())
        .service(connect(address).await);

    // When a call fails, whose status is in the head
    assert_eq!(ask(service.clone(), "13").await.unwrap_err().code(), Code::Internal);

    // And one whose status is in the trailers, after three messages
    let mut messages = follow(service.clone()).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    for text in ["one", "two", "three"] {
        feed.send(Ok(text.into())).unwrap();
        assert_eq!(next(&mut messages).await.unwrap().unwrap(), text);
    }
    assert_eq!((server.so_far().len(), client.so_far().len()), (1, 1), "a call that goes on has ended");
    feed.send(Err(Status::internal("as fed"))).unwrap();
    assert_eq!(next(&mut messages).await.unwrap_err().code(), Code::Internal);

    // And one succeeds
    assert_eq!(ask(service, "hello").await.unwrap(), "hello");

    // Then that is what both have seen
    for (ends, breaker) in [(server, server_breaker), (client, client_breaker)] {
        assert_eq!(ends.ended(3).await, [Outcome::Failure, Outcome::Failure, Outcome::Success]);
        assert_eq!((breaker.counts().calls, breaker.counts().failures), (3, 2));
    }
}

#[tokio::test]
async fn what_the_caller_did_wrong_is_not_the_dependency_s_failure() {
    let ends = Noticing::new();
    let address = serve!(ends.clone().layer().grpc(), Echo::new().0);
    let channel = connect(address).await;
    for code in [3, 5, 6, 7, 9, 10, 11, 12, 16] {
        assert_eq!(ask(channel.clone(), code.to_string().leak()).await.unwrap_err().code(), Code::from_i32(code));
    }
    assert_eq!(ends.ended(9).await, [Outcome::Success; 9]);

    // Nor is a method that nobody has
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/test.Nobody/unary");
    let answer = client.unary::<Bytes, Bytes, _>(Request::new(Bytes::new()), path, Raw);
    assert_eq!(within("an answer", answer).await.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(ends.ended(10).await[9], Outcome::Success);
}

#[tokio::test]
async fn defect_72_a_stream_that_the_client_drops_gives_its_slot_back_at_both_ends() {
    // Given a stream, which holds the only slot at each end
    let (echo, mut feeds) = Echo::new();
    let (server, server_slots) = (Noticing::new(), Bulkhead::builder("server").limit(1).build().unwrap());
    let (client, client_slots) = (Noticing::new(), Bulkhead::builder("client").limit(1).build().unwrap());
    let address = serve!(guard((server_slots.clone(), server.clone())).grpc(), echo);
    let channel = connect(address).await;
    let service = guard((client_slots.clone(), client.clone())).grpc().layer(channel.clone());
    let mut messages = follow(service).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    feed.send(Ok("one".into())).unwrap();
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "one");
    assert_eq!((server_slots.in_flight(), client_slots.in_flight()), (1, 1));
    assert_eq!(ask(channel.clone(), "hello").await.unwrap_err().message(), "no slot is free");

    // When the client leaves in the middle
    drop(messages);

    // Then both ends let go of it, the server too, and neither blames anybody
    assert_eq!(client.ended(1).await, [Outcome::Abandoned]);
    within("the end of the stream", feed.closed()).await;
    assert_eq!(server.ended(1).await, [Outcome::Abandoned]);
    assert_eq!((server_slots.in_flight(), client_slots.in_flight()), (0, 0));
    assert_eq!(ask(channel, "hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn a_stream_in_both_directions_lasts_until_both_have_ended() {
    let (ends, slots) = (Noticing::new(), Bulkhead::builder("server").limit(1).build().unwrap());
    let address = serve!(guard((slots.clone(), ends.clone())).grpc(), Echo::new().0);
    let own = Noticing::new();
    let mut client = Grpc::new(own.clone().layer().grpc().layer(connect(address).await));
    within("readiness", client.ready()).await.unwrap();

    // Given a conversation
    let (say, mut said) = mpsc::unbounded_channel::<Bytes>();
    let path = PathAndQuery::from_static("/test.Echo/both");
    let messages = Request::new(stream::poll_fn(move |cx| said.poll_recv(cx)));
    let mut answers = within("the head of a stream", client.streaming(messages, path, Raw)).await.unwrap().into_inner();
    for text in ["one", "two"] {
        say.send(text.into()).unwrap();
        assert_eq!(next(&mut answers).await.unwrap().unwrap(), text);
        assert_eq!(slots.in_flight(), 1);
    }

    // When one side has said all, the other ends it
    drop(say);
    assert_eq!(next(&mut answers).await.unwrap(), None);
    assert_eq!((ends.ended(1).await, own.ended(1).await), (vec![Outcome::Success], vec![Outcome::Success]));
    assert_eq!(slots.in_flight(), 0);
}

fn shut(breaker: &CircuitBreaker) -> CircuitBreaker {
    let now = cofferdam::Instant::now();
    let token = cofferdam::Admit::admit(breaker, &(), now).unwrap();
    breaker.settle(token, &cofferdam::Ended::new(Outcome::Failure, now, now));
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker.clone()
}

#[tokio::test]
async fn a_rejection_is_an_unavailable_with_pushback_at_either_end() {
    let ten = Duration::from_secs(600);
    let open = shut(
        &CircuitBreaker::builder("secret")
            .consecutive_failures(1)
            .open_time(ten)
            .open_time_max(ten)
            .open_time_jitter(0.0)
            .build()
            .unwrap(),
    );
    let pushback = |status: &Status| -> u64 {
        status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap()
    };

    // Given an open breaker around a server, then the client is told, and told nothing more than that
    let address = serve!(open.clone().layer().grpc(), Echo::new().0);
    let seen = Noticing::new();
    let service = seen.clone().layer().grpc().layer(connect(address).await);
    for status in [ask(service.clone(), "hello").await.unwrap_err(), follow(service).await.unwrap_err()] {
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "the circuit is open"));
        assert!((590_000..=600_000).contains(&pushback(&status)), "{status:?}");
    }

    // And a guard in another process takes it for an overload
    assert_eq!(seen.ended(2).await, [Outcome::Overload; 2]);

    // Given one around a client, then it is the same, without a server and without a connection
    let nobody = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    let status = ask(open.layer().grpc().layer(nobody), "hello").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the circuit is open"));
    assert!((590_000..=600_000).contains(&pushback(&status)), "{status:?}");
}

#[tokio::test]
async fn defect_145_a_call_whose_time_is_up_is_a_deadline_exceeded() {
    let moment = Duration::from_millis(5);
    let timeout = || Timeout::builder("dependency").attempt(moment).grpc().build().unwrap();
    let stalling = Timeout::builder("dependency").grpc().between_frames(moment).build().unwrap();
    let (server, client) = (Noticing::new(), Noticing::new());

    // At a server, whose guard knows it for a failure, as does that of its client
    let address =
        serve!(ServiceBuilder::new().layer(server.clone().layer().grpc()).layer(timeout()).into_inner(), Echo::new().0);
    let status = ask(client.clone().layer().grpc().layer(connect(address).await), "never").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "the call timed out"));
    assert_eq!((server.ended(1).await, client.ended(1).await), (vec![Outcome::Failure], vec![Outcome::Failure]));

    // At a client
    let address = serve!(guard(()).grpc(), Echo::new().0);
    let service = ServiceBuilder::new().layer(client.clone().layer().grpc()).layer(timeout());
    let status = ask(service.service(connect(address).await), "never").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "the call timed out"));
    assert_eq!(client.ended(2).await[1], Outcome::Failure);

    // And in the middle of a stream, at a server and at a client
    let (echo, mut feeds) = Echo::new();
    let address =
        serve!(ServiceBuilder::new().layer(server.clone().layer().grpc()).layer(stalling.clone()).into_inner(), echo);
    let mut messages = follow(connect(address).await).await.unwrap();
    let _feed = feeds.recv().await.unwrap();
    let status = next(&mut messages).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "the call timed out"));
    assert_eq!(server.ended(2).await[1], Outcome::Failure);

    let (echo, mut feeds) = Echo::new();
    let address = serve!(guard(()).grpc(), echo);
    let service = ServiceBuilder::new().layer(client.clone().layer().grpc()).layer(stalling);
    let mut messages = follow(service.service(connect(address).await)).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    assert_eq!(next(&mut messages).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(client.ended(3).await[2], Outcome::Failure);
    within("the end of the stream", feed.closed()).await;
}

#[tokio::test]
async fn one_service_of_a_server_is_guarded_by_itself() {
    // Given a guard around one service, which is full
    let slots = Bulkhead::builder("echo").limit(1).build().unwrap();
    let (echo, mut feeds) = Echo::new();
    let (address, incoming) = listen().await;
    let routes = Routes::new(slots.clone().layer().grpc().named_layer(echo));
    tokio::spawn(async move { Server::builder().add_routes(routes).serve_with_incoming(incoming).await.unwrap() });
    let channel = connect(address).await;
    let messages = follow(channel.clone()).await.unwrap();
    let _feed = feeds.recv().await.unwrap();

    // Then it rejects, and others of that server are as they were
    assert_eq!(ask(channel.clone(), "hello").await.unwrap_err().code(), Code::Unavailable);
    let mut other = Grpc::new(channel);
    other.ready().await.unwrap();
    let path = PathAndQuery::from_static("/test.Other/unary");
    let answer = other.unary::<Bytes, Bytes, _>(Request::new(Bytes::new()), path, Raw);
    assert_eq!(within("an answer", answer).await.unwrap_err().code(), Code::Unimplemented);
    drop(messages);
}

#[tokio::test]
async fn an_idle_connection_holds_nothing() {
    // Given a server with one slot, and many clients that have called it and stay connected
    let (ends, slots) = (Noticing::new(), Bulkhead::builder("server").limit(1).build().unwrap());
    let address = serve!(guard((slots.clone(), ends.clone())).grpc(), Echo::new().0);
    let mut idle = Vec::new();
    for calls in 1..=8 {
        let own = Bulkhead::builder("client").limit(1).build().unwrap();
        let service = own.clone().layer().grpc().layer(connect(address).await);
        // Then each finds the slot free
        assert_eq!(ask(service.clone(), "hello").await.unwrap(), "hello");
        ends.ended(calls).await;
        assert_eq!((slots.in_flight(), own.in_flight()), (0, 0));
        idle.push(service);
    }
    assert_eq!(ends.so_far(), [Outcome::Success; 8]);
}

/// What arrived on the wire, and what is made of it.
type Arrived = (Option<String>, Carried);

/// A service that says what it was told, and asks the next one, if there is one, for each call.
#[derive(Clone)]
struct Asking {
    tell: mpsc::UnboundedSender<Arrived>,
    next: Option<Channel>,
}

impl NamedService for Asking {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<Body>> for Asking {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { tell, next } = self.clone();
        let answer = service_fn(move |request: Request<Bytes>| {
            let (tell, next) = (tell.clone(), next.clone());
            async move {
                let wire = request.extensions().get::<Wire>().unwrap().0.clone();
                tell.send((wire, Carried::of(request.extensions()))).unwrap();
                let Some(next) = next else { return Ok(Response::new(Bytes::new())) };
                // Tonic has extensions in its requests, and passes them on to the layers of its channel.
                let mut outgoing = Request::new(Bytes::new());
                outgoing.set_timeout(Duration::from_secs(86_400));
                outgoing.extensions_mut().on_behalf_of(request.extensions());
                outgoing.extensions_mut().set_criticality(Criticality::CriticalPlus);
                let channel = ServiceBuilder::new().layer(ContextHeaders::grpc().outbound()).service(next);
                send(channel, outgoing).await
            }
        });
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(answer, request).await) })
    }
}

/// The timeout as it came.
#[derive(Clone)]
struct Wire(Option<String>);

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

/// Serves it behind what reads the context, which says what came.
async fn asking(next: Option<SocketAddr>) -> (SocketAddr, mpsc::UnboundedReceiver<Arrived>) {
    let next = match next {
        Some(address) => Some(connect(address).await),
        None => None,
    };
    let (tell, told) = mpsc::unbounded_channel();
    let look = MapRequestLayer::new(|mut request: http::Request<Body>| {
        let wire = request.headers().get("grpc-timeout").map(|value| value.to_str().unwrap().to_owned());
        request.extensions_mut().insert(Wire(wire));
        request
    });
    let layers = ServiceBuilder::new().layer(look).layer(ContextHeaders::grpc().inbound(Trust::default()));
    (serve!(layers.into_inner(), Asking { tell, next }), told)
}

#[tokio::test]
async fn defect_144_164_a_timeout_and_a_class_reach_the_end_of_a_call_tree_and_are_never_more() {
    // Given two services, one behind the other
    let (last, mut second) = asking(None).await;
    let (address, mut first) = asking(Some(last)).await;
    let channel = connect(address).await;

    // (what Tonic itself sends, what is left at most at the first)
    for (timeout, most) in [("5S", 5), ("5000m", 5), ("99999999H", 3600), ("5000000u", 5)] {
        let mut request = Request::new(Bytes::new());
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        request.metadata_mut().insert("x-request-criticality", "sheddable-plus".parse().unwrap());
        request.metadata_mut().insert("x-request-task", "order 4711".parse().unwrap());
        send(channel.clone(), request).await.unwrap();

        let (wire, caller) = first.recv().await.unwrap();
        assert_eq!(wire.as_deref(), Some(timeout));
        assert!(caller.deadline().unwrap() <= Deadline::after(Duration::from_secs(most)));

        // Then the second is told no more than the first, in a form that gRPC has
        let (wire, told) = second.recv().await.unwrap();
        let wire = wire.unwrap();
        assert!(wire.len() <= 9 && wire.ends_with(['u', 'm']), "{wire}");
        assert!(told.deadline().unwrap() <= Deadline::after(Duration::from_secs(most)));
        for carried in [caller, told] {
            assert_eq!(carried.criticality(), Some(Criticality::SheddablePlus));
            assert_eq!(carried.task(), Some(TaskKey::of("order 4711")));
        }
    }
}

#[tokio::test]
async fn a_deadline_that_was_told_ends_the_call_at_the_server() {
    // Given a server that keeps to deadlines, and a service that never answers
    let timeout = Timeout::builder("server").deadline().grpc().build().unwrap();
    let ends = Noticing::new();
    let layers = ServiceBuilder::new()
        .layer(
            ContextHeaders::grpc()
                .inbound(Trust::builder().longest_deadline(Duration::from_millis(50)).build().unwrap()),
        )
        .layer(guard(ends.clone()).grpc())
        .layer(timeout);
    let address = serve!(layers.into_inner(), Echo::new().0);

    // When a client is ready to wait for an hour, then it waits for as long as the server believes
    let mut request = Request::new(Bytes::from_static(b"never"));
    request.set_timeout(Duration::from_secs(3600));
    let status = send(connect(address).await, request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "the deadline passed"));
    assert_eq!(ends.ended(1).await, [Outcome::Failure]);
}

#[allow(dead_code)] // it need only compile
fn a_call_over_a_channel_can_be_spawned(channel: Channel) {
    fn sendable<S: Service<http::Request<Body>, Future: Send> + Send + Sync + Clone + 'static>(_: S) {}
    let timeout = Timeout::builder("dependency").attempt(Duration::from_secs(1)).grpc().build().unwrap();
    sendable(ServiceBuilder::new().layer(breaker().layer().grpc()).layer(timeout).service(channel));
}

#[tokio::test]
async fn s8_a_drain_waits_for_streams_and_tells_new_calls_that_the_server_is_unavailable() {
    // Given a stream that goes on
    let (echo, mut feeds) = Echo::new();
    let drain = Drain::builder("server").grace(Duration::ZERO).deadline(Duration::from_secs(3600)).build().unwrap();
    let address = serve!(drain.clone().layer().grpc(), echo);
    let channel = connect(address).await;
    let mut messages = follow(channel.clone()).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    feed.send(Ok("one".into())).unwrap();
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "one");

    // When the server drains
    let report = tokio::spawn(drain.begin());

    // Then a new call is told so, on the same connection
    let status = ask(channel, "hello").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the server is shutting down"));
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "0");

    // And the stream loses nothing
    feed.send(Ok("two".into())).unwrap();
    drop(feed);
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "two");
    assert_eq!(next(&mut messages).await.unwrap(), None);
    let report = within("the end of the drain", report).await.unwrap();
    assert_eq!((report.ended, report.cut), (1, 0));
}

#[tokio::test]
async fn a_stream_that_a_drain_cuts_ends_in_a_status() {
    let (echo, mut feeds) = Echo::new();
    let drain = Drain::builder("server").grace(Duration::ZERO).deadline(Duration::from_millis(20)).build().unwrap();
    let address = serve!(drain.clone().layer().grpc(), echo);
    let mut messages = follow(connect(address).await).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    feed.send(Ok("one".into())).unwrap();
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "one");
    assert_eq!(within("the end of the drain", drain.begin()).await.cut, 1);
    let status = next(&mut messages).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the server shut down before the call was done"));
    within("the end of the stream", feed.closed()).await;
}

/// A client as a generator would write it, over a retry: the messages are sent again, and the channel is given its own bodies.
#[tokio::test]
async fn defect_102_a_call_is_made_again_with_the_same_message() {
    // Given a server that is unavailable once, after it has read the message
    let calls = Arc::new(AtomicU32::new(0));
    let answers = {
        let calls = calls.clone();
        move |request: Request<Bytes>| {
            let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            assert_eq!(request.get_ref(), "hello");
            async move { if first { Err(Status::unavailable("once")) } else { Ok(Response::new(request.into_inner())) } }
        }
    };
    let unary = service_fn(move |request: http::Request<Body>| {
        let answers = answers.clone();
        async move { Ok::<_, Infallible>(tonic::server::Grpc::new(Raw).unary(service_fn(answers), request).await) }
    });
    let address = serve!(tower::layer::util::Identity::new(), Named(unary));

    // When it is called through a retry that may call this method twice
    let layer = Retry::builder("echo")
        .backoff(Backoff::constant(Duration::ZERO))
        .grpc()
        .map_body(Body::new)
        .idempotent(|request: &http::Request<Body>| request.uri().path() == "/test.Echo/unary")
        .build()
        .unwrap();
    let service = layer.layer(connect(address).await);

    // Then the second attempt has the same message, and an answer
    assert_eq!(ask(service, "hello").await.unwrap(), "hello");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

/// Any service under the name of the other one.
#[derive(Clone)]
struct Named<S>(S);

impl<S> NamedService for Named<S> {
    const NAME: &'static str = Echo::NAME;
}

impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for Named<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> S::Future {
        self.0.call(request)
    }
}
