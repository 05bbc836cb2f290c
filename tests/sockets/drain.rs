//! Servers on real sockets, HTTP/1 and HTTP/2, on their way out.

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use cofferdam::{Drain, DrainState, Policy};
use http::{Response, header::CONNECTION};
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};

use crate::support::{Connection, Version, fed, serve, within};

const VERSIONS: [Version; 2] = [Version::One, Version::Two];

/// Feeds of bodies, and what makes a handler answer.
type Calls<T> = mpsc::UnboundedReceiver<T>;

struct Server {
    drain: Drain,
    address: std::net::SocketAddr,
    /// Calls of `/work`, which answer when they are told.
    works: Calls<oneshot::Sender<()>>,
    /// Calls of `/stream`, whose bodies are fed.
    streams: Calls<mpsc::UnboundedSender<Bytes>>,
}

impl Server {
    async fn start(grace: Duration, deadline: Duration) -> Self {
        let drain = Drain::builder("server").grace(grace).deadline(deadline).build().unwrap();
        let ((work, works), (stream, streams)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let working = get(move || {
            let (done, told) = oneshot::channel();
            work.send(done).unwrap();
            async move {
                let _ = told.await;
                "done"
            }
        });
        let streaming = get(move || {
            let (feed, body) = fed();
            stream.send(feed).unwrap();
            async move { Response::new(Body::new(body)) }
        });
        let app = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/work", working)
            .route("/stream", streaming)
            .layer(drain.clone().layer().http())
            .route_service("/readyz", drain.readiness());
        Self { address: serve(app).await, drain, works, streams }
    }

    async fn connect(&self, version: Version) -> Connection {
        Connection::open(self.address, version).await
    }
}

const LONG: Duration = Duration::from_secs(3600);

/// Twenty calls in flight, half of them streams, when the drain closes: what a hundred calls a second of 200 ms each are.
#[tokio::test]
async fn s8_of_the_calls_in_flight_none_is_lost_and_new_ones_are_sent_elsewhere() {
    for version in VERSIONS {
        // Given calls in flight, and a connection that is idle
        let mut server = Server::start(Duration::ZERO, LONG).await;
        let mut idle = server.connect(version).await;
        assert_eq!(idle.read("/readyz").await.0, 200);
        let mut calls = Vec::new();
        for path in ["/work", "/stream"].into_iter().cycle().take(20) {
            let mut connection = server.connect(version).await;
            calls.push(tokio::spawn(async move { connection.read(path).await }));
        }
        let (mut works, mut feeds) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            works.push(within("a call", server.works.recv()).await.unwrap());
            feeds.push(within("a stream", server.streams.recv()).await.unwrap());
        }

        // When the drain begins
        let report = tokio::spawn(server.drain.begin());

        // Then readiness says no, and a new call is sent elsewhere: over HTTP/1 in words, over HTTP/2 by the server
        assert_eq!(idle.read("/readyz").await, (503, "draining\n".into()));
        let rejected = idle.get("/").await;
        assert_eq!(rejected.status(), 503);
        assert_eq!(rejected.headers()["retry-after"], "0");
        let hint = rejected.headers().get(CONNECTION).map(|value| value.to_str().unwrap());
        assert_eq!(hint, (version == Version::One).then_some("close"));
        drop(rejected);
        assert_eq!((server.drain.state(), server.drain.in_flight()), (DrainState::Draining, 20), "{version:?}");

        // And those in flight come to their end, whole
        for feed in feeds {
            feed.send(Bytes::from("do")).unwrap();
            feed.send(Bytes::from("ne")).unwrap();
        }
        works.into_iter().for_each(|work| work.send(()).unwrap());
        for call in calls {
            assert_eq!(within("an answer", call).await.unwrap(), (200, "done".into()), "{version:?}");
        }
        let report = within("the end of the drain", report).await.unwrap();
        assert_eq!((report.ended, report.cut), (20, 0), "{version:?}");
    }
}

/// A call that hangs, a stream that never ends, a reader who does not read, and an idle connection.
#[tokio::test]
async fn defect_189_nothing_keeps_a_drain_longer_than_its_deadline() {
    for version in VERSIONS {
        let mut server = Server::start(Duration::ZERO, Duration::from_millis(50)).await;
        let _idle = server.connect(version).await;
        let (mut hangs, mut streams) = (server.connect(version).await, server.connect(version).await);
        let mut stalls = server.connect(version).await;
        let hanging = tokio::spawn(async move { hangs.get("/work").await });
        let _work = within("a call", server.works.recv()).await.unwrap();
        let mut stream = streams.get("/stream").await.into_body();
        let feed = within("a stream", server.streams.recv()).await.unwrap();
        feed.send(Bytes::from("part")).unwrap();
        assert_eq!(within("a part", stream.frame()).await.unwrap().unwrap().into_data().unwrap(), "part");
        let _unread = stalls.get("/stream").await;
        let flood = within("a stream", server.streams.recv()).await.unwrap();
        for _ in 0..64 {
            flood.send(Bytes::from(vec![0; 1 << 20])).unwrap();
        }

        // When it drains, it is over at the deadline, and says that three calls were cut
        let report = within("the end of the drain", server.drain.begin()).await;
        assert_eq!((report.ended, report.cut), (0, 3), "{version:?}");

        // Then the one that hung has an answer, and the stream breaks off: nobody takes it for whole
        let response = within("an answer", hanging).await.unwrap();
        assert_eq!(response.status(), 503, "{version:?}");
        within("the end of the stream", feed.closed()).await;
        assert!(within("the end of the stream", stream.frame()).await.unwrap().is_err(), "{version:?}");
    }
}

/// A client that keeps its connection is sent elsewhere by the answer that it has while the server is leaving.
#[tokio::test]
async fn answers_send_clients_elsewhere_before_anybody_is_turned_away() {
    for version in VERSIONS {
        let server = Server::start(LONG, LONG).await;
        let mut connection = server.connect(version).await;
        assert!(!connection.get("/").await.headers().contains_key(CONNECTION));
        drop(server.drain.begin());
        let mut connection = server.connect(version).await;
        let response = connection.get("/").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().contains_key(CONNECTION), version == Version::One);
        assert_eq!(within("a body", response.into_body().collect()).await.unwrap().to_bytes(), "hello");
    }
}
