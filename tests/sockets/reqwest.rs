//! Reqwest, whose client is a Tower service with requests and responses of its own.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    http::{HeaderMap, Request, Response, StatusCode},
    routing::{get, post},
};
use cofferdam::{
    BoxError, BreakerState, Bulkhead, CircuitBreaker, Outcome, Policy, Rejected, Replay, Timeout, Why, guard,
};
use http_body_util::BodyExt;
use reqwest::ResponseBuilderExt;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Connection, Noticing, Version, nobody, serve, within};

/// A response of Reqwest as any other, which keeps its URL.
fn into_http(response: reqwest::Response) -> http::Response<reqwest::Body> {
    let url = http::Response::builder().url(response.url().clone()).body(()).unwrap();
    let mut response = http::Response::from(response);
    response.extensions_mut().extend(url.into_parts().0.extensions);
    response
}

/// And back, whatever body the layers have made of it.
fn into_reqwest<B>(response: http::Response<B>) -> reqwest::Response
where
    B: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    response.map(reqwest::Body::wrap).into()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn to(address: SocketAddr, path: &str) -> reqwest::Request {
    let url = format!("http://{address}{path}").parse().unwrap();
    reqwest::Request::new(reqwest::Method::GET, url)
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("shop")
        .consecutive_failures(2)
        .open_time(Duration::from_secs(600))
        .open_time_max(Duration::from_secs(600))
        .build()
        .unwrap()
}

async fn shop() -> SocketAddr {
    let app = Router::new()
        .route("/works", get(|| async { "hello" }))
        .route("/fails", get(|| async { StatusCode::BAD_GATEWAY }))
        .route("/hangs", get(std::future::pending::<()>));
    let address = serve(app).await;
    // It is there.
    assert_eq!(Connection::open(address, Version::One).await.read("/works").await.0, 200);
    address
}

#[tokio::test]
async fn its_responses_are_followed_to_the_end_and_stay_its_own() {
    // Given the layers that any client has, between two conversions
    let (breaker, slots, ends) = (breaker(), Bulkhead::builder("shop").limit(1).build().unwrap(), Noticing::new());
    let service = ServiceBuilder::new()
        .map_response(into_reqwest)
        .layer(guard((ends.clone(), breaker.clone(), slots.clone())).http())
        .layer(Timeout::builder("shop").attempt(Duration::from_millis(500)).http().build().unwrap())
        .map_response(into_http)
        .service(client());
    let shop = shop().await;
    let call = |path| service.clone().oneshot(to(shop, path));

    // Then an answer is Reqwest's, and its call lasts as long as its body
    let response = within("an answer", call("/works")).await.unwrap();
    assert_eq!((response.url().path(), response.status(), slots.in_flight()), ("/works", reqwest::StatusCode::OK, 1));
    assert_eq!(within("the text", response.text()).await.unwrap(), "hello");
    assert_eq!((ends.ended(1).await, slots.in_flight()), (vec![Outcome::Success], 0));

    // And one that fails and one that hangs open the breaker
    assert_eq!(within("an answer", call("/fails")).await.unwrap().status(), 502);
    assert_eq!(within("an answer", call("/hangs")).await.unwrap().status(), 504);
    assert_eq!((breaker.state(), ends.ended(3).await[1..].to_vec()), (BreakerState::Open, vec![Outcome::Failure; 2]));

    // Which then answers by itself
    let response = within("an answer", call("/works")).await.unwrap();
    assert_eq!(response.extensions().get::<Rejected>().unwrap().why(), Why::Open);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(response.error_for_status().unwrap_err().status().unwrap(), 503);
}

#[tokio::test]
async fn a_whole_stack_sends_again_through_it_what_may_be_sent_twice() {
    // Given a shop that is out of order for every first attempt
    let order = |headers: HeaderMap, order: String| async move {
        match headers.get("x-request-attempt") {
            Some(attempt) => Ok(format!("attempt {}: {order}", attempt.to_str().unwrap())),
            None => Err(StatusCode::BAD_GATEWAY),
        }
    };
    let shop = serve(Router::new().route("/orders", post(order))).await;
    let stack = cofferdam::http::client("shop").build().unwrap();
    let client = client();
    let service = ServiceBuilder::new().layer(stack.clone()).service(service_fn(
        move |request: Request<Replay<reqwest::Body>>| {
            let client = client.clone();
            async move { client.execute(request.map(reqwest::Body::wrap).try_into()?).await.map(Response::from) }
        },
    ));
    let order = |key: Option<&str>| {
        let request = Request::post(format!("http://{shop}/orders"));
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        service.clone().oneshot(request.body(reqwest::Body::from("two pears")).unwrap())
    };

    // Then an order that bears a key is placed, and one that does not is not tried again
    let response = within("an answer", order(Some("4711"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "attempt 2: two pears");
    assert_eq!(within("an answer", order(None)).await.unwrap().status(), StatusCode::BAD_GATEWAY);
    assert_eq!((stack.breaker().unwrap().counts().calls, stack.breaker().unwrap().counts().failures), (3, 2));
}

#[tokio::test]
async fn its_errors_stay_its_own() {
    let breaker = breaker();
    let mut service = ServiceBuilder::new()
        .layer(guard(breaker.clone()).http().classify_errors(|error: &reqwest::Error| match error.is_connect() {
            true => Outcome::Failure,
            false => Outcome::Ignored,
        }))
        .map_response(into_http)
        .service(client());

    // A refused connection is its error, and a failure
    let refused = to(nobody().await, "/");
    let error = within("an answer", service.ready().await.unwrap().call(refused)).await.map(drop).unwrap_err();
    assert!(error.is_connect());
    assert_eq!(breaker.counts().failures, 1);

    // And a request that is none is nobody's
    let unknown = reqwest::Request::new(reqwest::Method::GET, "nothing://at.all/".parse().unwrap());
    let error = within("an answer", service.ready().await.unwrap().call(unknown)).await.map(drop).unwrap_err();
    assert!(!error.is_connect());
    assert_eq!((breaker.counts().failures, breaker.counts().calls), (1, 1));
}

#[tokio::test]
async fn where_the_head_says_it_all_a_function_tells_what_an_answer_is_worth() {
    fn classify(answer: Result<&reqwest::Response, &BoxError>) -> Outcome {
        match answer {
            Ok(response) if response.status().is_server_error() => Outcome::Failure,
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        }
    }
    // Given a plain guard, for whose rejections `BoxError` has room
    let breaker = breaker();
    let service = ServiceBuilder::new()
        .layer(breaker.clone().layer().classify(classify))
        .map_err(BoxError::from)
        .service(client());
    let shop = shop().await;

    // Then failures that are answers open it, and rejections are errors
    assert_eq!(service.clone().oneshot(to(shop, "/works")).await.unwrap().text().await.unwrap(), "hello");
    for _ in 0..2 {
        assert_eq!(service.clone().oneshot(to(shop, "/fails")).await.unwrap().status(), 502);
    }
    let spawned = tokio::spawn(service.oneshot(to(shop, "/works")));
    let error = spawned.await.unwrap().map(drop).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::Open);
}

#[tokio::test]
async fn layers_around_its_connector_judge_connections() {
    // Given a client whose connector is behind a breaker and a timeout
    let connecting = breaker();
    let client = reqwest::Client::builder()
        .no_proxy()
        .connector_layer(Timeout::builder("connect").attempt(Duration::from_secs(5)).build().unwrap())
        .connector_layer(connecting.clone().layer())
        .build()
        .unwrap();
    let shop = shop().await;

    // Then what is answered says nothing against connecting
    for _ in 0..3 {
        assert_eq!(client.execute(to(shop, "/fails")).await.unwrap().status(), 502);
    }
    assert_eq!((connecting.state(), connecting.counts().failures), (BreakerState::Closed, 0));

    // And where nobody listens, soon nobody asks
    let nobody = nobody().await;
    for _ in 0..2 {
        let error = within("an answer", client.execute(to(nobody, "/"))).await.unwrap_err();
        assert!(error.is_connect() && Rejected::find(&error).is_none());
    }
    let error = within("an answer", client.execute(to(nobody, "/"))).await.unwrap_err();
    assert_eq!(Rejected::find(&error).unwrap().why(), Why::Open);
}
