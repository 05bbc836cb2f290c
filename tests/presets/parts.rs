//! What stacks are made of, and do as they are.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use cofferdam::{
    BreakerState, Budget, Bulkhead, CircuitBreaker, Context, Dependency, Instant, Policy, Replay, presets::Explanation,
};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

fn paths(explained: &Explanation) -> Vec<&'static str> {
    explained.parts().iter().map(cofferdam::presets::Part::path).collect()
}

/// A dependency that answers with what it is told, and counts.
pub(crate) fn dependency<B: Send + 'static>(
    asked: Arc<AtomicU32>,
    answer: impl Fn(u32) -> StatusCode + Clone + Send + 'static,
) -> impl Service<Request<B>, Response = Response<String>, Error = Infallible, Future: Send> + Clone + Send {
    tower::service_fn(move |request: Request<B>| {
        let status = answer(asked.fetch_add(1, Ordering::Relaxed) + 1);
        async move {
            let mut response = Response::new(request.headers().contains_key("x-request-head-timeout-ms").to_string());
            *response.status_mut() = status;
            Ok(response)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_server_in_a_line_believes_bounds_and_serves() {
    let stack = cofferdam::http::server("checkout").build().unwrap();
    let app: Router = Router::new()
        .route(
            "/",
            get(|request: Request<Body>| async move {
                let left = request.deadline().unwrap().remaining();
                format!("{:?} {left:?}", request.criticality().unwrap_or_default())
            }),
        )
        .layer(stack);

    let ask = |header: &'static str, value: &'static str| {
        let request = Request::get("/").header(header, value).body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request);
        async move {
            String::from_utf8(axum::body::to_bytes(answer.await.unwrap().into_body(), 99).await.unwrap().into())
                .unwrap()
        }
    };
    assert_eq!(ask("x-request-criticality", "CRITICAL_PLUS").await, "Critical 30s");
    assert_eq!(ask("x-request-timeout-ms", "250").await, "Critical 250ms");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_ends_with_the_deadline_of_its_request() {
    let app: Router = Router::new()
        .route("/", get(std::future::pending::<&str>))
        .layer(cofferdam::http::server("checkout").build().unwrap());

    let started = Instant::now();
    let response = app.oneshot(Request::get("/").header("x-request-timeout-ms", "250").body(Body::empty()).unwrap());
    assert_eq!(response.await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(Instant::now().since(started).as_millis(), 250);
}

#[tokio::test(start_paused = true)]
async fn a_client_in_a_line_repeats_opens_and_tells_its_deadline() {
    let stack = cofferdam::http::client("payments").build().unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let flaky = stack
        .layer(dependency(Arc::clone(&asked), |call| if call == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }));
    let response = flaky.oneshot(Request::new(String::new())).await.unwrap();
    assert_eq!((response.status(), asked.load(Ordering::Relaxed)), (StatusCode::OK, 2));

    // Its attempts end after two seconds, and the dependency is told so.
    let told = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    assert_eq!(told, "true");

    let hung = stack.layer(tower::service_fn(|_: Request<Replay<String>>| {
        std::future::pending::<Result<Response<String>, Infallible>>()
    }));
    let post = || Request::post("/").body(String::new()).unwrap();
    for _ in 0..100 {
        if hung.clone().oneshot(post()).await.unwrap().status() == StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
    }
    assert_ne!(stack.breaker().unwrap().state(), BreakerState::Closed);
}

#[test]
fn what_a_stack_is_made_of_is_said_in_its_order() {
    let server = cofferdam::http::server("checkout").build().unwrap();
    assert_eq!(paths(&server.explain()), ["context", "drain", "shedding", "timeout"]);
    let client = cofferdam::http::client("payments").build().unwrap();
    assert_eq!(paths(&client.explain()), ["retry", "budget", "hedge", "breaker", "throttle", "timeout", "context"]);
    let with_all = cofferdam::http::client("payments").limited().policy(Bulkhead::builder("pool").build().unwrap());
    let all = ["retry", "budget", "hedge", "breaker", "throttle", "limit", "policy", "timeout", "context"];
    assert_eq!(paths(&with_all.build().unwrap().explain()), all);
    let with_all = cofferdam::http::server("checkout").policy(Bulkhead::builder("pool").build().unwrap());
    assert_eq!(paths(&with_all.build().unwrap().explain()), ["context", "drain", "shedding", "policy", "timeout"]);

    let text = client.explain().to_string();
    for line in [
        "payments, a client, outermost first",
        "attempts               4",
        "backoff                full_jitter 50ms..2s",
        "body_limit             65536\n",
        "ratio                  0.1",
        "share                  0.02",
        "overloads              no",
        "attempt                2s",
        "cap                    0.95",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_is_left_out_is_not_there_and_cannot_be_set() {
    let client = || cofferdam::http::client("payments");
    let bare = client().without_retry().without_hedge().breaker(None).throttle(None).timeout(None).build().unwrap();
    assert_eq!(paths(&bare.explain()), ["timeout", "context"]);
    assert!(bare.breaker().is_none() && bare.throttle().is_none() && bare.limit().is_none());
    assert!(bare.retry().is_none() && bare.hedge().is_none());
    for part in
        ["retry.attempts", "budget.ratio", "hedge.extra", "breaker.open_time", "throttle.cap", "limit.max_limit"]
    {
        let wanted = format!("`{part}` is not a setting: it must be of a part that is not left out");
        assert_eq!(bare.set(part, "1").unwrap_err().to_string(), wanted);
    }
    assert_eq!(paths(&client().without_retry().build().unwrap().explain())[..2], ["budget", "hedge"]);
    assert_eq!(paths(&client().without_hedge().build().unwrap().explain())[..3], ["retry", "budget", "breaker"]);

    let server = cofferdam::http::server("checkout").shedding(None).build().unwrap();
    assert_eq!(paths(&server.explain()), ["context", "drain", "timeout"]);
    let server = cofferdam::http::server("checkout").drain(None).build().unwrap();
    assert_eq!(paths(&server.explain()), ["context", "shedding", "timeout"]);
    assert!(server.drain().is_none() && server.set("drain.grace", "1s").is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_does_nothing() {
    let stack = cofferdam::http::client("payments")
        .without_retry()
        .without_hedge()
        .breaker(None)
        .throttle(None)
        .timeout(None)
        .build()
        .unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let down = stack.layer(dependency(Arc::clone(&asked), |_| StatusCode::BAD_GATEWAY));
    for call in 1..=50 {
        let status = down.clone().oneshot(Request::new(String::new())).await.unwrap().status();
        assert_eq!((status, asked.load(Ordering::Relaxed)), (StatusCode::BAD_GATEWAY, call));
    }

    // Nor does a drain that is not there: nothing turns a call away, and readiness stands.
    let stack = cofferdam::http::server("checkout").drain(None).build().unwrap();
    let ready = stack.readiness().oneshot(Request::new(())).await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
}

#[test]
fn parts_of_ones_own_take_the_place_of_ours() {
    let budget = Budget::builder("shared").ratio(0.3).build().unwrap();
    let dependency = Dependency::builder("ledger").budget(budget).build().unwrap();
    let breaker = CircuitBreaker::builder("own").consecutive_failures(3).dependency(&dependency).build().unwrap();
    let stack = cofferdam::http::client("payments")
        .dependency(&dependency)
        .breaker(breaker)
        .retry(|retry| retry.attempts(2).backoff(cofferdam::Backoff::constant(Duration::from_millis(7))))
        .hedge(|hedge| hedge.extra(1))
        .body_limit(100)
        .build()
        .unwrap();
    let text = stack.explain().to_string();
    for line in [
        "attempts               2",
        "backoff                constant 7ms",
        "body_limit             100\n",
        "ratio                  0.3",
        "extra                  1",
        "consecutive_failures   3",
        "overloads              yes",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert_eq!(stack.budget().name().as_str(), "shared");
    stack.breaker().unwrap().force_open();
    assert!(stack.dependency().is_open() && dependency.is_open());

    let of_ours = cofferdam::http::client("payments").budget(dependency.budget().clone()).build().unwrap();
    assert_eq!(of_ours.budget().name().as_str(), "shared");
    assert_eq!(of_ours.dependency().budget().name().as_str(), "shared");
    of_ours.breaker().unwrap().force_open();
    assert!(of_ours.dependency().is_open());
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_ones_own_is_a_part_of_it() {
    let slots = Bulkhead::builder("report").limit(1).build().unwrap();
    let stack = cofferdam::http::server("checkout").policy(slots.clone()).build().unwrap();
    let service = ServiceBuilder::new().layer(stack.clone()).service(dependency(Arc::default(), |_| StatusCode::OK));
    let first = service.clone().oneshot(Request::new(String::new())).await.unwrap();
    assert_eq!(stack.policy().in_flight(), 1);
    let second = service.oneshot(Request::new(String::new())).await.unwrap();
    assert_eq!(cofferdam::rejection(&second).unwrap().by().as_str(), "report");
    drop(first);
    assert_eq!(slots.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_stack_is_one_dependency_wherever_it_is_put() {
    let stack = cofferdam::http::client("payments").timeout(Duration::from_millis(100)).attempts(1).build().unwrap();
    stack.breaker().unwrap().force_open();
    for _ in 0..2 {
        let service = stack.clone().layer(dependency(Arc::default(), |_| StatusCode::OK));
        let response = service.oneshot(Request::new(String::new())).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[cfg(feature = "rate-limit")]
#[tokio::test(start_paused = true)]
async fn a_limit_per_route_is_another_layer() {
    use cofferdam::{Rate, RateLimit};

    let few = RateLimit::builder("search", Rate::per_second(1).unwrap()).burst(1).build().unwrap();
    let app: Router = Router::new()
        .route("/search", get(|| async { "found" }).layer(few.layer().http()))
        .route("/", get(|| async { "home" }))
        .layer(cofferdam::http::server("shop").build().unwrap());
    let ask = |path: &'static str| app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
    assert_eq!(ask("/search").await.unwrap().status(), StatusCode::OK);
    assert_eq!(ask("/search").await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask("/").await.unwrap().status(), StatusCode::OK);
}
