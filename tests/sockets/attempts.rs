//! Attempts that are numbered, over two hops of real sockets.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, extract::State, routing::get};
use cofferdam::{
    Backoff, ContextHeaders, Replay, Retry, RetryLayer, context::Trust, http::HttpAttempts, http::Replayed,
};
use http::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::support::{serve, within};

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

fn twice(name: &str) -> RetryLayer<Replayed, cofferdam::context::CarriedDeadline, HttpAttempts> {
    Retry::builder(name).attempts(2).backoff(Backoff::constant(Duration::from_millis(1))).http().build().unwrap()
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
