//! Hedges of HTTP and gRPC requests: on a paused clock, and over real sockets.
#![cfg(all(feature = "test-util", feature = "grpc"))]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use cofferdam::{Context, Hedge, Replay, Retry, Timeout, retry::Exhausted};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{ms, rich, serve, within};

type Calls = Arc<AtomicU32>;

macro_rules! hedge {
    () => {
        Hedge::builder("http").fixed_delay(ms(10)).budget(rich())
    };
}

/// Answers every call with the same after a second, counts them, and looks at their numbers.
fn slow(
    calls: &Calls,
    answer: http::response::Builder,
) -> impl Service<Request<Replay<String>>, Response = Response<String>, Error = Infallible, Future: Send> + Clone {
    let (parts, ()) = answer.body(()).unwrap().into_parts();
    let calls = calls.clone();
    service_fn(move |request: Request<Replay<String>>| {
        let number = calls.fetch_add(1, Ordering::SeqCst) + 1;
        assert_eq!((request.attempt().number(), http_body::Body::size_hint(request.body()).exact()), (number, Some(4)));
        let answer = Response::from_parts(parts.clone(), String::new());
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(answer)
        }
    })
}

fn status(status: u16) -> http::response::Builder {
    Response::builder().status(status)
}

fn request(method: Method) -> Request<String> {
    Request::builder().method(method).body("body".to_string()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn defect_126_a_request_that_may_do_harm_twice_is_sent_once() {
    for (method, key, made) in
        [(Method::GET, false, 3), (Method::PUT, false, 3), (Method::POST, false, 1), (Method::POST, true, 3)]
    {
        let calls = Calls::default();
        let mut request = request(method);
        if key {
            request.headers_mut().insert("idempotency-key", "1".parse().unwrap());
        }
        let layer = hedge!().http().build().unwrap();
        layer.layer(slow(&calls, status(200))).oneshot(request).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), made);
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_method_is_hedged_if_that_was_said() {
    for (said, made) in [(false, 1), (true, 3)] {
        let calls = Calls::default();
        let layer = hedge!().grpc().idempotent(move |_: &Request<String>| said).build().unwrap();
        let answer = status(200).header("grpc-status", "0");
        layer.layer(slow(&calls, answer)).oneshot(request(Method::POST)).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), made, "{said}");
    }
}

/// The status of a call whose original has a good answer late, and whose hedge has that failure before.
async fn status_of_a_failed_hedge(failure: fn() -> Response<String>) -> String {
    let calls = Calls::default();
    let counted = calls.clone();
    let service = service_fn(move |_: Request<Replay<String>>| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            tokio::time::sleep(ms(if first { 100 } else { 5 })).await;
            let good = status(200).header("grpc-status", "0").body(String::new()).unwrap();
            Ok::<_, Infallible>(if first { good } else { failure() })
        }
    });
    let layer = hedge!().extra(1).grpc().idempotent(|_: &Request<String>| true).build().unwrap();
    let response = layer.layer(service).oneshot(request(Method::POST)).await.unwrap();
    assert_eq!(layer.counts().won, 0);
    response.headers()["grpc-status"].to_str().unwrap().to_owned()
}

/// The original would have a good answer later: a final one ends the call all the same.
#[tokio::test(start_paused = true)]
async fn a_final_answer_ends_the_call_and_another_failure_does_not() {
    let stopped = || {
        let builder = status(200).header("grpc-status", "14").header("grpc-retry-pushback-ms", "-1");
        builder.body(String::new()).unwrap()
    };
    let plain = || status(200).header("grpc-status", "13").body(String::new()).unwrap();
    assert_eq!(status_of_a_failed_hedge(stopped).await, "14");
    assert_eq!(status_of_a_failed_hedge(plain).await, "0");

    // As one that a retry further down has given up on.
    let given_up = || {
        let mut response = status(200).header("grpc-status", "13").body(String::new()).unwrap();
        response.extensions_mut().insert(exhausted());
        response
    };
    assert_eq!(status_of_a_failed_hedge(given_up).await, "13");
}

#[tokio::test(start_paused = true)]
async fn defect_115_a_mark_that_came_over_the_wire_ends_a_hedged_call() {
    fn marked(mark: &str) -> Response<String> {
        let builder = status(200).header("grpc-status", "13").header("x-request-exhausted", mark);
        builder.body(String::new()).unwrap()
    }
    assert_eq!(status_of_a_failed_hedge(|| marked("2")).await, "13");
    assert_eq!(status_of_a_failed_hedge(|| marked("0")).await, "0");

    // And an original that failed with it is not sent again, as another failure is.
    for (mark, made) in [("2", 1), ("none", 3)] {
        let calls = Calls::default();
        let layer = hedge!().fixed_delay(Duration::from_secs(5)).http().build().unwrap();
        let answer = status(500).header("x-request-exhausted", mark);
        layer.layer(slow(&calls, answer)).oneshot(request(Method::PUT)).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), made, "{mark}");
    }
}

/// The mark that a retry leaves.
fn exhausted() -> Exhausted {
    let failing = service_fn(|_: Request<Replay<String>>| async {
        Ok::<_, Infallible>(status(500).body(String::new()).unwrap())
    });
    let service = Retry::builder("marks").attempts(2).http().build().unwrap().layer(failing);
    let response = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(service.oneshot(request(Method::GET))).unwrap()
    });
    *response.join().unwrap().extensions().get::<Exhausted>().unwrap()
}

fn client() -> Client<HttpConnector, Replay<Empty<Bytes>>> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn to(address: SocketAddr) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{address}/")).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn defect_131_the_winners_body_is_read_to_its_end_after_losers_and_layers_are_gone() {
    const LENGTH: usize = 10 << 20;
    let calls = Calls::default();
    let counted = calls.clone();
    let app = Router::new().route(
        "/",
        get(move || {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if first {
                    std::future::pending::<()>().await;
                }
                Body::from(vec![7; LENGTH])
            }
        }),
    );
    let address = serve(app).await;
    let hedge = Hedge::builder("body").fixed_delay(ms(20)).budget(rich()).http().build().unwrap();
    let service = ServiceBuilder::new()
        .layer(Timeout::builder("body").attempt(Duration::from_secs(30)).http().build().unwrap())
        .layer(hedge.clone())
        .service(client());
    let response = within("the head", service.oneshot(to(address))).await.unwrap();
    assert!(hedge.counts().won == 1 && hedge.in_flight() == 0);
    let body = within("the body", response.into_body().collect()).await.unwrap().to_bytes();
    assert!(body.len() == LENGTH && body.iter().all(|byte| *byte == 7));
    assert!(calls.load(Ordering::SeqCst) >= 2);
}

/// Every call is hedged, and each loser has had a head of its own by then or never has: their connections are let go of.
#[tokio::test]
async fn defect_132_losers_keep_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (open, calls) = (Calls::default(), Calls::default());
    let app = {
        let calls = calls.clone();
        Router::new().route(
            "/",
            get(move || {
                let number = calls.fetch_add(1, Ordering::SeqCst);
                async move {
                    match number % 3 {
                        // The original hangs, the second fails with a body that nobody reads, and the third has it.
                        0 => std::future::pending().await,
                        1 => Response::builder().status(500).body(Body::from(vec![0; 1 << 16])).unwrap(),
                        _ => Response::new(Body::from("answer")),
                    }
                }
            }),
        )
    };
    let opened = open.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (service, open) = (TowerToHyperService::new(app.clone()), opened.clone());
            open.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let budget = rich();
    let layer = Hedge::builder("losers").fixed_delay(ms(2)).budget(budget.clone()).http().build().unwrap();
    let service = layer.layer(client());
    let mut most = 0;
    for _ in 0..200 {
        budget.succeeded();
        let response = within("the head", service.clone().oneshot(to(address))).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "answer");
        most = most.max(open.load(Ordering::SeqCst));
    }
    assert_eq!((calls.load(Ordering::SeqCst), layer.counts().sent), (600, 400));
    // Three at a time, and those that the server has not seen closing yet.
    assert!(most <= 12, "{most}");
}
