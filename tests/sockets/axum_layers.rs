//! Every layer goes straight into an Axum router, wherever a router takes layers, inside and outside of others.

use std::{convert::Infallible, num::NonZeroU32, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::Response,
    routing::{MethodRouter, get, post},
};
use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Bulkhead, CircuitBreaker, ContextHeaders, Drain, Failed, Fallback, Hedge, Keyed,
    LoadShed, Name, Policy, Pool, Rejected, Retry, Shadow, Timeout, Why, context::Trust, guard, http::ProblemDetails,
    rejection,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_http::{cors::CorsLayer, trace::TraceLayer};

const HOUR: Duration = Duration::from_secs(3600);

fn slots(limit: usize) -> Bulkhead {
    Bulkhead::builder("server").limit(limit).build().unwrap()
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("server").build().unwrap()
}

/// What a caller sees of an answer.
async fn ask(app: Router, request: Request) -> (StatusCode, String) {
    let response = app.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.into()).unwrap())
}

/// One route behind that layer, for each way in which a router takes it, and beside a layer of somebody else's.
macro_rules! everywhere_alone {
    ($layer:expr) => {{
        let (layer, hello) = ($layer, || get(|| async { "hello" }));
        let trace = TraceLayer::new_for_http;
        let own = || -> MethodRouter { hello().layer(layer.clone()) };
        let traced = || -> MethodRouter { hello().layer(trace()) };
        [
            ("Router::layer", Router::new().route("/", hello()).layer(layer.clone())),
            ("Router::route_layer", Router::new().route("/", hello()).route_layer(layer.clone())),
            ("MethodRouter::layer", Router::new().route("/", own())),
            ("inside of a trace", Router::new().route("/", hello()).layer(layer.clone()).layer(trace())),
            ("outside of a trace", Router::new().route("/", hello()).layer(trace()).layer(layer.clone())),
            ("a route's, inside of a trace", Router::new().route("/", own().layer(trace()))),
            ("a route's, outside of a trace", Router::new().route("/", traced().layer(layer.clone()))),
        ]
    }};
}

/// And within one layer of several, where nobody makes the bodies one type in between.
macro_rules! everywhere {
    ($layer:expr) => {{
        let (layer, hello) = ($layer, || get(|| async { "hello" }));
        let trace = TraceLayer::new_for_http;
        let inside = ServiceBuilder::new().layer(trace()).layer(layer.clone());
        let outside = ServiceBuilder::new().layer(layer.clone()).layer(trace());
        let preflight = ServiceBuilder::new().layer(CorsLayer::permissive()).layer(layer.clone());
        let fused = [
            ("inside of a trace, as one layer", Router::new().route("/", hello()).layer(inside)),
            ("outside of a trace, as one layer", Router::new().route("/", hello()).layer(outside)),
            ("inside of one that answers by itself", Router::new().route("/", hello()).layer(preflight)),
        ];
        everywhere_alone!(layer).into_iter().chain(fused)
    }};
}

/// A call through each of them.
macro_rules! go_everywhere {
    ($($layer:expr,)*) => {$(
        for (place, app) in everywhere!($layer) {
            let answer = ask(app, Request::default()).await;
            assert_eq!(answer, (StatusCode::OK, "hello".into()), "{} by {place}", stringify!($layer));
        }
    )*};
}

#[tokio::test]
async fn every_policy_goes_straight_into_a_router() {
    let limit = || AdaptiveLimit::builder("server").build().unwrap();
    go_everywhere!(
        breaker().layer().http(),
        slots(1).layer().http(),
        Bulkhead::builder("server").limit(1).queue(1).build().unwrap().layer().http(),
        limit().layer().http(),
        LoadShed::builder(limit()).build().unwrap().layer().http(),
        AdaptiveThrottle::builder("server").build().unwrap().layer().http(),
        Keyed::builder(slots(1)).by_text(|request: &Request| request.uri().path()).build().unwrap().layer().http(),
        Shadow::new(slots(1)).layer().http(),
        guard((breaker(), slots(1), limit())).http().until_head(),
        breaker().and(slots(1)).layer().http().problem(ProblemDetails::of),
        slots(2).weighted(two).layer().http(),
        limit().weighted(two).layer().http(),
        LoadShed::builder(limit()).build().unwrap().weighted(two).layer().http(),
        Pool::builder("server").slots(4).build().unwrap().share("shop").unwrap().layer().http(),
        Drain::builder("server").build().unwrap().layer().http(),
    );
    #[cfg(feature = "rate-limit")]
    {
        let rate = cofferdam::Rate::per_second(1).unwrap();
        let ten = || cofferdam::RateLimit::builder("server", rate).burst(10);
        go_everywhere!(
            ten().build().unwrap().layer().http(),
            ten().queue(1).build().unwrap().layer().http(),
            cofferdam::RateLimit::builder("server", rate).burst(99).build().unwrap().weighted(two).layer().http(),
        );
    }
}

#[tokio::test]
async fn every_flow_goes_straight_into_a_router() {
    let sorry = |_: Failed<Response, Infallible>| Ok(Response::new("sorry".into()));
    go_everywhere!(
        Timeout::builder("server").attempt(HOUR).http().between_frames(HOUR).build().unwrap(),
        Timeout::builder("server").deadline().http().build().unwrap(),
        ContextHeaders::default().inbound(Trust::default()),
        ContextHeaders::default().outbound(),
    );
    go_everywhere!(Retry::builder("server").http().build().unwrap(), Hedge::builder("server").http().build().unwrap(),);
    // What a fallback answers is of the type that the service inside of it answers, so it goes where that is a router's own.
    for (place, app) in everywhere_alone!(Fallback::function(sorry).http()) {
        assert_eq!(ask(app, Request::default()).await, (StatusCode::OK, "hello".into()), "by {place}");
    }
}

#[tokio::test]
async fn whole_stacks_go_straight_into_a_router() {
    go_everywhere!(
        cofferdam::http::server("server").build().unwrap(),
        cofferdam::http::server("server").policy((breaker(), slots(1))).build().unwrap(),
        cofferdam::http::client("a gateway's").limited().build().unwrap(),
    );
}

fn two(_: &Request) -> NonZeroU32 {
    NonZeroU32::new(2).unwrap()
}

#[tokio::test]
async fn a_rejection_is_a_problem_whoever_stands_inside_and_outside() {
    // (the reason, and the status that is the right one for it)
    for (why, status) in [
        (Why::Open, StatusCode::SERVICE_UNAVAILABLE),
        (Why::Full, StatusCode::SERVICE_UNAVAILABLE),
        (Why::Shed, StatusCode::SERVICE_UNAVAILABLE),
        (Why::RateLimited, StatusCode::TOO_MANY_REQUESTS),
        (Why::Expired, StatusCode::GATEWAY_TIMEOUT),
    ] {
        for (place, app) in everywhere!(guard(Refusing(why)).http()) {
            let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
            assert_eq!(response.status(), status, "{why:?} by {place}");
            assert_eq!(rejection(&response).unwrap().why(), why);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(response.headers()[header::RETRY_AFTER], "2", "rounded up");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let expected = serde_json::json!({
                "type": "about:blank",
                "title": status.canonical_reason(),
                "status": status.as_u16(),
                "detail": why.as_str(),
            });
            assert_eq!(problem, expected);
        }
    }
}

/// Rejects everything, with that reason.
#[derive(Clone)]
struct Refusing(Why);

impl Policy for Refusing {
    type Kind = cofferdam::Immediate;
    type Token = ();

    fn settle(&self, (): (), _: &cofferdam::Ended) {}

    fn undo(&self, (): (), _: cofferdam::Instant) {}
}

impl<R> cofferdam::Admit<R> for Refusing {
    fn admit(&self, _: &R, _: cofferdam::Instant) -> Result<(), Rejected> {
        Err(Rejected::new(Name::new("secret").unwrap(), self.0).with_retry_after(Duration::from_millis(1500)))
    }
}

/// A problem in which everything is the user's.
fn problem(rejected: &Rejected) -> ProblemDetails {
    ProblemDetails::of(rejected)
        .status(StatusCode::IM_A_TEAPOT)
        .kind("https://shop.example/problems/busy")
        .title("We are \"busy\"")
        .detail(format!("because\n{} \\ \u{1f6a2}", rejected.why()))
        .instance("/calls/4711")
        .text("by", rejected.by().as_str())
        .number("code", 1)
        .number("code", -2)
        .text("status", "is no member of yours")
        .retry_after(Duration::from_secs(9))
        .header(HeaderName::from_static("x-shop"), HeaderValue::from_static("closed"))
}

#[tokio::test]
async fn a_problem_is_worded_by_whoever_builds_the_layer() {
    // Given two layers that say it in the same words, one that rejects and one whose time is up
    let expired = |request: &mut Request| {
        cofferdam::Context::set_deadline(request, cofferdam::Deadline::after(Duration::ZERO));
    };
    let timeout = Timeout::builder("secret").deadline().http().problem(problem).build().unwrap();
    let app = || Router::new().route("/", get(|| async { "hello" }));
    for (app, detail, after) in [
        (app().layer(guard(Refusing(Why::Full)).http().problem(problem)), Why::Full, "9"),
        (app().layer(timeout), Why::Expired, "9"),
    ] {
        let mut request = Request::default();
        expired(&mut request);
        let response = app.oneshot(request).await.unwrap();

        // Then that is what a caller is told, in JSON that a parser takes, and nothing else
        assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
        assert_eq!(rejection(&response).unwrap().why(), detail);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::RETRY_AFTER], after);
        assert_eq!(response.headers()["x-shop"], "closed");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({
            "type": "https://shop.example/problems/busy",
            "title": "We are \"busy\"",
            "status": 418,
            "detail": format!("because\n{detail} \\ \u{1f6a2}"),
            "instance": "/calls/4711",
            "by": "secret",
            "code": -2,
        });
        assert_eq!(problem, expected);
        let names = ["type", "title", "status", "detail", "instance", "by", "code"];
        let text = String::from_utf8(body.into()).unwrap();
        assert!(names.iter().all(|name| text.matches(&format!("\"{name}\":")).count() == 1), "{text}");
    }
}

#[tokio::test]
async fn whoever_words_it_may_leave_a_time_and_a_title_out() {
    // Given a status that has no name, and a time that is not to be told
    let quiet = |rejected: &Rejected| {
        ProblemDetails::of(rejected).status(StatusCode::from_u16(599).unwrap()).retry_after(None).detail("\u{1}\u{1f}")
    };
    let app = Router::new().route("/", get(|| async {})).layer(guard(Refusing(Why::Open)).http().problem(quiet));
    let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
    assert!(response.headers().get(header::RETRY_AFTER).is_none());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let expected = serde_json::json!({"type": "about:blank", "status": 599, "detail": "\u{1}\u{1f}"});
    assert_eq!(problem, expected);
}

#[tokio::test]
async fn a_scope_is_a_layer_a_route_or_a_key_as_one_chooses() {
    // Given answers that nobody has read yet: they hold a slot each
    let (all, own) = (slots(3), slots(1));
    let keyed = Keyed::builder(slots(1)).by_text(tenant).build().unwrap();
    let app = Router::new()
        .route("/reports", get(|| async { "report" }).layer(own.clone().layer().http()))
        .route("/orders", post(|| async { "order" }).layer(keyed.clone().layer().http()))
        .layer(all.clone().layer().http());
    let call = |request: http::request::Builder| app.clone().oneshot(request.body(Body::empty()).unwrap());
    let order = |tenant: &'static str| call(Request::post("/orders").header("x-tenant", tenant));

    // Then a route's own layer is that route's
    let report = call(Request::get("/reports")).await.unwrap();
    assert_eq!(call(Request::get("/reports")).await.unwrap().status(), 503);

    // And a key's slots are that key's
    let acme = order("acme").await.unwrap();
    assert_eq!(order("acme").await.unwrap().status(), 503);
    let zenith = order("zenith").await.unwrap();
    assert_eq!((acme.status(), zenith.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!((own.in_flight(), all.in_flight()), (1, 3));

    // And all of them together are held to the layer that they share
    let answer = order("northwind").await.unwrap();
    assert_eq!(
        (answer.status(), rejection(&answer).unwrap().by().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "server")
    );
    drop((answer, report, acme, zenith));
    assert_eq!((own.in_flight(), all.in_flight()), (0, 0));
    assert!(keyed.snapshot().iter().all(|key| key.policy.in_flight() == 0));
}

fn tenant(request: &Request) -> &str {
    request.headers().get("x-tenant").and_then(|name| name.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn a_retry_goes_around_a_router_as_around_any_client() {
    // Given a service that fails once, and a caller whose requests can be cloned
    let fails = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let failing = fails.clone();
    let app = Router::new().route(
        "/",
        get(move || {
            let failed = failing.swap(false, std::sync::atomic::Ordering::SeqCst);
            async move { if failed { Err(StatusCode::BAD_GATEWAY) } else { Ok("hello") } }
        }),
    );
    let retry = Retry::builder("server").attempts(2).http().build().unwrap();
    let service = retry.layer(app);

    // Then the second attempt is served, with the same body
    let request = Request::get("/").body(http_body_util::Full::new(bytes::Bytes::from_static(b"again"))).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!fails.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test]
async fn whoever_answers_further_out_has_an_empty_body_to_answer_with() {
    // Given a layer that answers preflights by itself, in one stack with a server's that would turn all away
    let stack = cofferdam::http::server("server").policy(Refusing(Why::Full)).build().unwrap();
    let layer = ServiceBuilder::new().layer(CorsLayer::permissive()).layer(stack);
    let app = Router::new().route("/", get(|| async { "hello" })).layer(layer);

    // Then it does, and nobody further in is asked
    let preflight = Request::options("/").header("access-control-request-method", "PUT").body(Body::empty()).unwrap();
    assert_eq!(ask(app.clone(), preflight).await, (StatusCode::OK, String::new()));
    assert_eq!(ask(app, Request::default()).await.0, StatusCode::SERVICE_UNAVAILABLE);
}
