//! Attempts that are numbered on the way down, and answers that are marked on the way up, over hops of real sockets.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::State, routing::get};
use cofferdam::{
    Backoff, ContextHeaders, Replay, Retry, RetryLayer,
    context::{CarriedDeadline, Trust},
    http::{HttpAttempts, Replayed},
};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{rich, serve, within};

/// What the last service was told of the number of each attempt that reached it.
type Told = Arc<Mutex<Vec<Option<String>>>>;

async fn fails(State(told): State<Told>, headers: HeaderMap) -> StatusCode {
    let number = headers.get("x-request-attempt").map(|number| number.to_str().unwrap().to_owned());
    told.lock().unwrap().push(number);
    StatusCode::INTERNAL_SERVER_ERROR
}

fn client() -> Client<HttpConnector, Replay<Body>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Where answers are not marked, so that numbers alone are looked at.
fn twice(name: &str) -> RetryLayer<Replayed, CarriedDeadline, HttpAttempts> {
    let retry = Retry::builder(name).attempts(2).backoff(Backoff::constant(Duration::from_millis(1))).http();
    retry.exhausted_header(None).build().unwrap()
}

/// A proxy in front of that service, which tries twice itself.
async fn proxy(address: SocketAddr) -> SocketAddr {
    let headers = ContextHeaders::default();
    let upstream = ServiceBuilder::new().layer(twice("proxy")).layer(headers.outbound()).service(client());
    let forward = service_fn(move |mut request: Request<Body>| {
        *request.uri_mut() = Uri::try_from(format!("http://{address}/")).unwrap();
        request.headers_mut().remove("host");
        let answer = upstream.clone().oneshot(request);
        async move { Ok(answer.await.unwrap().map(Body::new)) }
    });
    serve(Router::new().fallback_service(forward).layer(headers.inbound(Trust::default()))).await
}

#[tokio::test]
async fn defect_115_what_was_tried_twice_is_not_tried_four_times_two_hops_further() {
    let told = Told::default();
    let last = serve(Router::new().route("/", get(fails)).with_state(told.clone())).await;
    let proxy = proxy(last).await;
    let service =
        ServiceBuilder::new().layer(twice("client")).layer(ContextHeaders::default().outbound()).service(client());

    let request = Request::get(format!("http://{proxy}/")).body(Body::empty()).unwrap();
    let response = within("an answer", service.oneshot(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);

    // The proxy tries the first attempt again, and leaves the second alone.
    let second = || Some("2".to_owned());
    assert_eq!(*told.lock().unwrap(), [None, second(), second()]);
}

/// A service that passes on what the next one answers, of which it makes so many attempts. It knows nothing of who asks.
async fn passes_on(next: SocketAddr, retry: RetryLayer<Replayed, CarriedDeadline, HttpAttempts>) -> SocketAddr {
    let upstream = retry.layer(client());
    let ask = move || {
        let request = Request::get(format!("http://{next}/")).body(Body::empty()).unwrap();
        let answer = upstream.clone().oneshot(request);
        async move { answer.await.unwrap().map(Body::new) }
    };
    serve(Router::new().route("/", get(ask))).await
}

/// How often a broken service is asked, of which the service in front of it makes two attempts, and a client of that three; and what
/// the client is told.
async fn asked_of_the_last(header: Option<&str>) -> (u32, Option<HeaderValue>) {
    // Others succeed all the while, or attempts would be passed over.
    let (calls, budget) = (Arc::new(AtomicU32::new(0)), rich());
    let (counted, others) = (calls.clone(), budget.clone());
    let broken = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        others.succeeded();
        async { StatusCode::INTERNAL_SERVER_ERROR }
    };
    let retry = |attempts| {
        let retry = Retry::builder("hops").attempts(attempts).backoff(Backoff::constant(Duration::from_millis(1)));
        retry.budget(budget.clone()).http().exhausted_header(header).build().unwrap()
    };
    let last = serve(Router::new().route("/", get(broken))).await;
    let first = passes_on(last, retry(2)).await;

    let request = Request::get(format!("http://{first}/")).body(Body::empty()).unwrap();
    let response = within("an answer", retry(3).layer(client()).oneshot(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let two = (calls.swap(0, Ordering::SeqCst), response.headers().get("x-request-exhausted").cloned());

    // One more in between changes nothing, where the mark is passed on.
    if header.is_some() {
        let between = passes_on(first, retry(2)).await;
        let request = Request::get(format!("http://{between}/")).body(Body::empty()).unwrap();
        within("an answer", retry(3).layer(client()).oneshot(request)).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), two.0);
    }
    two
}

#[tokio::test]
async fn defect_115_what_was_given_up_far_down_a_chain_is_asked_for_by_the_last_service_alone() {
    let marked = asked_of_the_last(Some("x-request-exhausted")).await;
    assert_eq!(marked, (2, Some(HeaderValue::from_static("2"))));
    // Without it, the attempts of both are multiplied.
    assert_eq!(asked_of_the_last(None).await, (6, None));
}
