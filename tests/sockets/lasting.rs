//! Server-sent events over real sockets, HTTP/1 and HTTP/2, behind a server's stack as it stands.

use std::time::Duration;

use axum::{Router, body::Body, response::IntoResponse, routing::get};
use bytes::Bytes;
use cofferdam::{Replay, context::Trust};
use http::{Request, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::sync::mpsc;
use tower::{ServiceBuilder, ServiceExt};

use crate::support::{Connection, Version, fed, serve, within};

const LISTENERS: usize = 100;

#[tokio::test]
async fn a_hundred_listeners_keep_nobody_out_outlive_the_deadline_and_end_with_the_drain() {
    for version in [Version::One, Version::Two] {
        // Given a fresh server, whose requests have 300 ms if they name no time, and its listeners
        let trust = Trust::builder().default_deadline(Duration::from_millis(300)).build().unwrap();
        let stack = cofferdam::http::server("shop")
            .trust(trust)
            .set("drain.grace", "0s")
            .set("drain.deadline", "100ms")
            .build()
            .unwrap();
        let (stream, mut streams) = mpsc::unbounded_channel();
        let events = get(move || {
            let (feed, body) = fed();
            stream.send(feed).unwrap();
            async move { ([(CONTENT_TYPE, "text/event-stream")], Body::new(body)).into_response() }
        });
        let app = Router::new().route("/", get(|| async { "hello" })).route("/events", events).layer(stack.clone());
        let address = serve(app).await;
        let (mut connections, mut listening, mut feeds) =
            (Vec::new(), Vec::new(), Vec::<mpsc::UnboundedSender<Bytes>>::new());
        for _ in 0..LISTENERS {
            let mut connection = Connection::open(address, version).await;
            let response = connection.get("/events").await;
            assert_eq!(response.status(), 200, "{version:?}");
            listening.push(response.into_body());
            connections.push(connection);
            feeds.push(within("a stream", streams.recv()).await.unwrap());
        }

        // When others ask, then they are served at once
        let mut other = Connection::open(address, version).await;
        for _ in 0..50 {
            assert_eq!(other.read("/").await, (200, "hello".into()), "{version:?}");
        }
        let (drain, shedding) = (stack.drain().unwrap(), stack.shedding().unwrap());
        assert_eq!((drain.in_flight() as usize, shedding.limit().in_flight()), (LISTENERS, 0), "{version:?}");

        // And everybody hears what is said after that time
        tokio::time::sleep(Duration::from_millis(500)).await;
        feeds.iter().for_each(|feed| feed.send("data: late\n\n".into()).unwrap());
        for body in &mut listening {
            let frame = within("an event", body.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "data: late\n\n", "{version:?}");
        }

        // Until the server goes
        let report = within("the end of the drain", drain.begin()).await;
        assert_eq!((report.ended, report.cut), (0, LISTENERS as u64), "{version:?}");
        for mut body in listening {
            assert!(within("the end of a stream", body.frame()).await.unwrap().is_err(), "{version:?}");
        }
    }
}

#[tokio::test]
async fn a_client_hears_what_comes_after_the_time_of_its_attempt() {
    for version in [Version::One, Version::Two] {
        // Given a client's stack whose attempts have 300 ms, and events of a server's stack, which is told so
        let stack = cofferdam::http::client("events").timeout(Duration::from_millis(300)).build().unwrap();
        let (stream, mut streams) = mpsc::unbounded_channel();
        let events = get(move || {
            let (feed, body) = fed();
            stream.send(feed).unwrap();
            async move { ([(CONTENT_TYPE, "text/event-stream")], Body::new(body)).into_response() }
        });
        let server = cofferdam::http::server("shop").build().unwrap();
        let address = serve(Router::new().route("/", events).layer(server)).await;
        let client =
            Client::builder(TokioExecutor::new()).http2_only(version == Version::Two).build_http::<Replay<Body>>();
        let service = ServiceBuilder::new().layer(stack).service(client);
        let request = Request::get(format!("http://{address}/")).body(Body::empty()).unwrap();
        let answer = within("a head", service.oneshot(request)).await.unwrap();
        let feed: mpsc::UnboundedSender<Bytes> = within("a stream", streams.recv()).await.unwrap();

        // Then it hears what is said after that
        tokio::time::sleep(Duration::from_millis(500)).await;
        feed.send("data: late\n\n".into()).unwrap();
        let mut body = answer.into_body();
        let frame = within("an event", body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: late\n\n", "{version:?}");
    }
}
