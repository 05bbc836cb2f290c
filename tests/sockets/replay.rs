//! Streams that are sent again on real sockets, over both versions of HTTP: by Hyper clients, to servers that give up at any
//! moment.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::State, routing::post};
use bytes::Bytes;
use cofferdam::{Backoff, GivenUp, Replay, Retry, retry::Exhausted};
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::sync::{mpsc, watch};
use tower::{Layer, ServiceExt};

use crate::support::{Version, serve, within};

/// What the server has read of each attempt.
#[derive(Clone, Debug, Default, PartialEq)]
struct Read {
    key: String,
    data: Vec<u8>,
    trailers: HeaderMap,
}

/// Reads so much of the first attempts before it gives up, all of the later ones, and echoes how much that was.
#[derive(Clone)]
struct Server {
    gives_up_after: Vec<usize>,
    attempts: Arc<AtomicU32>,
    read: Arc<watch::Sender<Vec<Read>>>,
}

async fn answer(State(server): State<Server>, request: Request<Body>) -> Response<Body> {
    let attempt = server.attempts.fetch_add(1, Ordering::SeqCst) as usize;
    let enough = server.gives_up_after.get(attempt).copied();
    let key = request.headers()["idempotency-key"].to_str().unwrap().to_string();
    let mut read = Read { key, ..Read::default() };
    let mut body = request.into_body();
    while enough.is_none_or(|enough| read.data.len() < enough)
        && let Some(frame) = body.frame().await
    {
        match frame.unwrap().into_data() {
            Ok(data) => read.data.extend_from_slice(&data),
            Err(frame) => read.trailers = frame.into_trailers().unwrap(),
        }
    }
    let mut response = Response::new(Body::from(read.data.len().to_string()));
    if enough.is_some() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    server.read.send_modify(|all| all.push(read));
    response
}

impl Server {
    async fn start(gives_up_after: &[usize]) -> (Self, SocketAddr) {
        let server = Self { gives_up_after: gives_up_after.into(), attempts: Arc::default(), read: Arc::default() };
        let address = serve(Router::new().route("/", post(answer)).with_state(server.clone())).await;
        (server, address)
    }

    async fn has_read(&self, attempts: usize) -> Vec<Read> {
        let mut read = self.read.subscribe();
        within("the attempts", read.wait_for(|read| read.len() >= attempts)).await.unwrap().clone()
    }
}

type Upload = UnboundedBody;
type UnboundedBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// A body that the test feeds, and that does not know its length.
fn upload() -> (mpsc::UnboundedSender<Frame<Bytes>>, Upload) {
    let (feed, mut frames) = mpsc::unbounded_channel();
    let frames = stream::poll_fn(move |cx| frames.poll_recv(cx).map(|frame| frame.map(Ok)));
    (feed, UnboundedBody::new(StreamBody::new(frames)))
}

fn client(version: Version) -> Client<HttpConnector, Replay<Upload>> {
    Client::builder(TokioExecutor::new()).http2_only(version == Version::Two).build_http()
}

fn request(address: SocketAddr, body: Upload) -> Request<Upload> {
    Request::post(format!("http://{address}/"))
        .header("idempotency-key", "8e03978e")
        .header("trailer", "x-sum")
        .body(body)
        .unwrap()
}

macro_rules! retry {
    () => {
        Retry::builder("upload").attempts(3).backoff(Backoff::constant(Duration::ZERO)).http()
    };
}

fn chunk(n: u8, len: usize) -> Frame<Bytes> {
    Frame::data((0..len).map(|at| (at as u8).wrapping_mul(7).wrapping_add(n)).collect())
}

fn sum() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "17".parse().unwrap())])
}

fn all(chunks: u8, len: usize) -> Vec<u8> {
    (0..chunks).flat_map(|n| chunk(n, len).into_data().unwrap()).collect()
}

/// The server gives up before it has read anything, and in the middle; then it reads all, and all is there.
async fn a_stream_is_sent_again(version: Version) {
    let (server, address) = Server::start(&[0, 2000]).await;
    let (feed, body) = upload();
    let service = retry!().build().unwrap().layer(client(version));
    let call = tokio::spawn(service.oneshot(request(address, body)));

    // Given an attempt whose body has begun, and is answered before there is more
    feed.send(chunk(0, 1000)).unwrap();
    server.has_read(1).await;

    // And a second that is answered in the middle, after bytes that the first never sent
    feed.send(chunk(1, 1000)).unwrap();
    let read = server.has_read(2).await;
    assert_eq!(read[1].data, all(2, 1000), "{version:?}");

    // When the body ends
    feed.send(chunk(2, 1000)).unwrap();
    feed.send(Frame::trailers(sum())).unwrap();
    drop(feed);

    // Then the third attempt has all of it, under the same key
    let response = within("an answer", call).await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let read = server.has_read(3).await;
    assert_eq!(read[2], Read { key: "8e03978e".into(), data: all(3, 1000), trailers: sum() }, "{version:?}");
    assert!(read.iter().all(|read| read.key == "8e03978e"));
}

#[tokio::test]
async fn defect_102_a_stream_is_sent_again_over_http_1() {
    a_stream_is_sent_again(Version::One).await;
}

#[tokio::test]
async fn defect_102_a_stream_is_sent_again_over_http_2() {
    a_stream_is_sent_again(Version::Two).await;
}

/// The server reads all of each attempt and fails twice: what it reads is the same each time, to the last trailer.
async fn what_is_read_is_the_same(version: Version) {
    for (chunks, len) in [(1, 1), (5, 3), (3, 9000), (40, 500)] {
        let (server, address) = Server::start(&[usize::MAX, usize::MAX]).await;
        let (feed, body) = upload();
        (0..chunks).for_each(|n| feed.send(chunk(n, len)).unwrap());
        feed.send(Frame::trailers(sum())).unwrap();
        drop(feed);
        let service = retry!().build().unwrap().layer(client(version));
        let response = within("an answer", service.oneshot(request(address, body))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let whole = Read { key: "8e03978e".into(), data: all(chunks, len), trailers: sum() };
        assert_eq!(server.has_read(3).await, vec![whole; 3], "{chunks} chunks of {len} over {version:?}");
    }
}

#[tokio::test]
async fn defect_102_what_is_read_is_the_same_over_http_1() {
    what_is_read_is_the_same(Version::One).await;
}

#[tokio::test]
async fn defect_102_what_is_read_is_the_same_over_http_2() {
    what_is_read_is_the_same(Version::Two).await;
}

#[tokio::test]
async fn defect_103_an_upload_past_the_limit_arrives_whole_and_once() {
    for version in [Version::One, Version::Two] {
        // Given a server that reads all and fails, and eight megabytes
        let (server, address) = Server::start(&[usize::MAX]).await;
        let (feed, body) = upload();
        (0..128).for_each(|n| feed.send(chunk(n, 64 * 1024)).unwrap());
        feed.send(Frame::trailers(sum())).unwrap();
        drop(feed);

        // Then they arrive, and are not sent again
        let service = retry!().build().unwrap().layer(client(version));
        let response = within("an answer", service.oneshot(request(address, body))).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.extensions().get::<Exhausted>().unwrap().why, GivenUp::Unrepeatable);
        let read = server.has_read(1).await;
        assert_eq!((read.len(), read[0].data == all(128, 64 * 1024), &read[0].trailers), (1, true, &sum()));
    }
}

/// An answer that comes while the request is still being sent: the rest of the request is sent all the same.
#[tokio::test]
async fn defect_102_an_early_answer_does_not_cut_the_upload_off() {
    async fn echo(request: Request<Body>) -> Response<Body> {
        Response::new(request.into_body())
    }
    let address = serve(Router::new().route("/", post(echo))).await;
    let (feed, body) = upload();
    let service = retry!().build().unwrap().layer(client(Version::Two));
    feed.send(chunk(0, 1000)).unwrap();
    let response = within("the head", service.oneshot(request(address, body))).await.unwrap();

    // Given an answer that has begun, and nobody who would make another attempt
    let mut echoed = response.into_body();
    let mut data = Vec::new();
    for n in 1..100_u8 {
        while data.len() < usize::from(n) * 1000 {
            let frame = within("the echo", echoed.frame()).await.unwrap().unwrap();
            data.extend_from_slice(&frame.into_data().unwrap());
        }
        // Then whatever the request goes on with is sent
        feed.send(chunk(n, 1000)).unwrap();
    }
    drop(feed);
    data.extend_from_slice(&within("the rest", echoed.collect()).await.unwrap().to_bytes());
    assert_eq!(data, all(100, 1000));
}

/// Two attempts at once, of one body, to two servers of which one stops: the other has all, and so has whoever begins later.
#[tokio::test]
async fn defect_102_several_attempts_at_once_are_sent_the_same() {
    for version in [Version::One, Version::Two] {
        let (stops, slow_address) = Server::start(&[500]).await;
        let (reads, address) = Server::start(&[]).await;
        let (feed, body) = upload();
        let (first, tape) = Replay::new(body, 64 * 1024);
        let tape = tape.unwrap();
        let client = client(version);
        let send = |address: SocketAddr, body: Replay<Upload>| {
            let (head, ()) = request(address, UnboundedBody::default()).map(drop).into_parts();
            tokio::spawn(client.request(Request::from_parts(head, body)))
        };
        let (loser, winner) = (send(slow_address, first), send(address, tape.again().unwrap()));
        feed.send(chunk(0, 1000)).unwrap();
        stops.has_read(1).await;
        loser.abort();
        feed.send(chunk(1, 1000)).unwrap();
        let late = send(address, tape.again().unwrap());
        feed.send(Frame::trailers(sum())).unwrap();
        drop(feed);
        for attempt in [winner, late] {
            let response = within("an answer", attempt).await.unwrap().unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
        let whole = Read { key: "8e03978e".into(), data: all(2, 1000), trailers: sum() };
        assert_eq!(reads.has_read(2).await, vec![whole; 2]);
    }
}
