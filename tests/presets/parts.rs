//! What stacks are made of and do as they are, and what can be set.

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
    BreakerState, Budget, Bulkhead, CircuitBreaker, Context, Criticality, Dependency, Instant, Policy, Replay,
    context::Trust,
    presets::{Config, Explanation},
};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

fn paths(explained: &Explanation) -> Vec<&'static str> {
    explained.parts().iter().map(cofferdam::presets::Part::path).collect()
}

/// A dependency that answers with what it is told, and counts.
fn dependency<B: Send + 'static>(
    asked: Arc<AtomicU32>,
    answer: impl Fn(u32) -> StatusCode + Clone + Send + 'static,
) -> impl Service<Request<B>, Response = Response<String>, Error = Infallible, Future: Send> + Clone + Send {
    tower::service_fn(move |request: Request<B>| {
        let status = answer(asked.fetch_add(1, Ordering::Relaxed) + 1);
        async move {
            let mut response = Response::new(request.headers().contains_key("x-request-timeout-ms").to_string());
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
    assert_eq!(paths(&server.explain()), ["drain", "context", "shedding", "timeout"]);
    let client = cofferdam::http::client("payments").build().unwrap();
    assert_eq!(paths(&client.explain()), ["retry", "budget", "hedge", "breaker", "throttle", "timeout", "context"]);
    let with_all = cofferdam::http::client("payments").limited().policy(Bulkhead::builder("pool").build().unwrap());
    let all = ["retry", "budget", "hedge", "breaker", "throttle", "limit", "policy", "timeout", "context"];
    assert_eq!(paths(&with_all.build().unwrap().explain()), all);
    let with_all = cofferdam::http::server("checkout").policy(Bulkhead::builder("pool").build().unwrap());
    assert_eq!(paths(&with_all.build().unwrap().explain()), ["drain", "context", "shedding", "policy", "timeout"]);

    let text = client.explain().to_string();
    for line in [
        "payments, a client, outermost first",
        "attempts               4",
        "backoff                full jitter, 50ms to 2s",
        "body_limit             65536 bytes",
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
    assert_eq!(paths(&server.explain()), ["drain", "context", "timeout"]);
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
        "backoff                exponential, 7ms to 7ms",
        "body_limit             100 bytes",
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
async fn a_retry_and_a_timeout_change_while_calls_are_made() {
    let stack = cofferdam::http::client("payments").without_hedge().breaker(None).build().unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let down = stack.layer(dependency(Arc::clone(&asked), |_| StatusCode::BAD_GATEWAY));
    stack.set("retry.attempts", "2").unwrap();
    down.clone().oneshot(Request::new(String::new())).await.unwrap();
    assert_eq!(asked.swap(0, Ordering::Relaxed), 2);
    stack.retry().unwrap().suspend();
    down.clone().oneshot(Request::new(String::new())).await.unwrap();
    assert_eq!(asked.swap(0, Ordering::Relaxed), 1);
    stack.retry().unwrap().resume();
    assert_eq!(stack.set("retry.attempts", "0").unwrap_err().path(), "retry.attempts");
    assert!(stack.explain().to_string().contains("attempts               2"));

    let hung = cofferdam::http::client("payments").build().unwrap();
    let pending = |_: Request<Replay<String>>| std::future::pending::<Result<Response<String>, Infallible>>();
    let service = hung.layer(tower::service_fn(pending));
    for (limit, millis) in [("300ms", 300), ("50ms", 50)] {
        hung.set("timeout.attempt", limit).unwrap();
        let started = Instant::now();
        let post = Request::post("/").body(String::new()).unwrap();
        assert_eq!(service.clone().oneshot(post).await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(Instant::now().since(started).as_millis(), millis);
    }
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

#[test]
fn settings_go_by_their_path_before_and_while_it_runs() {
    let client = cofferdam::http::client("payments")
        .set("retry.attempts", "2")
        .set("timeout.attempt", "300ms")
        .set("breaker.open_time", "2s")
        .set("throttle.cap", "0.9")
        .build()
        .unwrap();
    let text = client.explain().to_string();
    for line in [
        "attempts               2",
        "attempt                300ms",
        "open_time              2s",
        "cap                    0.9",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    client.set("breaker.open_time", "3s").unwrap();
    client.set("throttle.cap", "0.8").unwrap();
    client.set("budget.ratio", "0.05").unwrap();
    client.set("hedge.fixed_delay", "20ms").unwrap();
    let text = client.explain().to_string();
    assert!(text.contains("ratio                  0.05") && text.contains("fixed_delay            20ms"), "{text}");
    assert!(client.explain().to_string().contains("open_time              3s"));

    let server = cofferdam::http::server("checkout")
        .trust(Trust::builder().highest_criticality(Criticality::CriticalPlus).build().unwrap())
        .set("context.default_deadline", "2s")
        .set("shedding.max_limit", "100")
        .build()
        .unwrap();
    let text = server.explain().to_string();
    for line in ["highest_criticality    CRITICAL_PLUS", "default_deadline       2s", "max_limit              100"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    server.set("shedding.max_limit", "200").unwrap();
    server.set("timeout.attempt", "1s").unwrap();
    server.set("drain.deadline", "20s").unwrap();
    let text = server.explain().to_string();
    assert!(text.contains("attempt                1s") && text.contains("deadline               20s"), "{text}");
}

#[test]
fn a_setting_that_cannot_be_is_told_by_its_path() {
    let of_client = |path: &str, value: &str| {
        let build = cofferdam::http::client("payments").set(path, value).build();
        build.map(drop).unwrap_err().to_string()
    };
    assert_eq!(
        of_client("breaker.open_time", "soon"),
        "`breaker.open_time` cannot be soon: it must be a duration such as 250ms, 1.5s or 2m"
    );
    assert_eq!(
        of_client("timeout.attempt", "0s"),
        "`timeout.attempt` cannot be 0ns: it must be above zero, at most 100 years"
    );
    assert_eq!(
        of_client("retry.colour", "red"),
        "`retry.colour` is not a setting: it must be attempts, total, longest_retry_after or rejections"
    );
    assert!(
        of_client("colour.red", "1")
            .contains("one of `retry`, `budget`, `hedge`, `breaker`, `throttle`, `limit` and `timeout`")
    );
    assert!(of_client("breaker", "1").starts_with("`breaker` is not a setting: it must be a part and its setting"));
    let long = "x".repeat(100_000);
    assert!(of_client(&long, "1").len() < 200);

    let server = cofferdam::http::server("checkout").build().unwrap();
    assert_eq!(server.set("shedding.max_queue", "0").unwrap_err().path(), "shedding.max_queue");
    assert_eq!(
        server.set("context.longest_deadline", "99s").unwrap_err().to_string(),
        "`context.longest_deadline` cannot be 99s: it must be what it was when the stack was built"
    );
    assert_eq!(server.set("context.colour", "red").unwrap_err().path(), "context.colour");
    assert_eq!(server.set("drain.deadline", "0s").unwrap_err().path(), "drain.deadline");
    let built = cofferdam::http::server("checkout").set("context.colour", "red").build();
    assert_eq!(built.map(drop).unwrap_err().path(), "context.colour");
    assert!(cofferdam::http::server("checkout").set("context", "1").build().is_err());
    assert_eq!(of_client("hedge.extra", "3"), "`hedge.extra` cannot be 3: it must be 1 to 2");
    assert_eq!(of_client("budget.ratio", "0"), "`budget.ratio` cannot be 0: it must be 0.000001 to 1000");
    let built = cofferdam::http::client("payments").attempts(0).build();
    assert_eq!(built.map(drop).unwrap_err().path(), "retry.attempts");
    let built = cofferdam::http::client("payments").body_limit(usize::MAX).build();
    assert_eq!(built.map(drop).unwrap_err().path(), "retry.body_limit");
    assert!(cofferdam::http::server("").build().is_err());
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

#[test]
fn many_settings_change_together_or_not_at_all() {
    let config = Config::default().set("breaker.open_time", "2s").set("throttle.cap", "0.9");
    let client = cofferdam::http::client("payments").config(&config).build().unwrap();
    let before = client.explain().to_string();

    let half_wrong = Config::default().set("breaker.open_time", "3s").set("throttle.cap", "1.5");
    assert_eq!(client.apply(&half_wrong).unwrap_err().path(), "throttle.cap");
    let half_wrong = Config::default().set("retry.attempts", "2").set("hedge.extra", "1").set("timeout.attempt", "0s");
    assert_eq!(client.apply(&half_wrong).unwrap_err().path(), "timeout.attempt");
    assert_eq!(client.explain().to_string(), before);

    let server = cofferdam::http::server("checkout").build().unwrap();
    let before_late = server.explain().to_string();
    let half_late = Config::default().set("drain.grace", "1s").set("context.default_deadline", "2s");
    assert!(server.apply(&half_late).unwrap_err().to_string().contains("when the stack was built"));
    assert_eq!(server.explain().to_string(), before_late);

    client.apply(&Config::default().set("breaker.open_time", "3s").set("throttle.cap", "0.8")).unwrap();
    assert_ne!(client.explain().to_string(), before);
}

/// Whatever a stack was built from can be read again while it runs.
#[test]
fn what_it_was_built_with_can_be_applied_again() {
    let file = |queue: &str| {
        let context = Config::default().set("context.default_deadline", "2s").set("context.most_attempts", "4");
        context.set("shedding.max_queue", queue).set("drain.grace", "1s")
    };
    let server = cofferdam::http::server("checkout").config(&file("500")).build().unwrap();
    server.apply(&file("500")).unwrap();
    server.apply(&file("200").set("context.default_deadline", "2000ms")).unwrap();
    assert!(server.explain().to_string().contains("max_queue              200"));
    let changed = file("300").set("context.most_attempts", "5");
    assert_eq!(server.apply(&changed).unwrap_err().path(), "context.most_attempts");
    assert!(server.explain().to_string().contains("max_queue              200"));
}

#[cfg(feature = "serde")]
#[test]
fn a_file_says_what_a_stack_is_set_to() {
    let text = r#"{"breaker": {"open_time": "2s", "minimum_calls": 20, "slow_calls": null}, "throttle": {"cap": 0.9, "coin": "no"},
        "retry": {"rejections": true}, "hedge": {"extra": 1, "fixed_delay": "20ms"}, "budget": {"ratio": 0.05}}"#;
    let config: Config = serde_json::from_str(text).unwrap();
    let client = cofferdam::http::client("payments").config(&config).build().unwrap();
    let text = client.explain().to_string();
    for line in [
        "open_time              2s",
        "minimum_calls          20",
        "slow_calls             none",
        "cap                    0.9",
        "fixed_delay            20ms",
        "ratio                  0.05",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let config: Config = serde_json::from_str(r#"{"drain": {"grace": "1s", "deadline": "9s"}}"#).unwrap();
    let server = cofferdam::http::server("checkout").config(&config).build().unwrap();
    assert!(server.explain().to_string().contains("deadline               9s"));

    // What is no setting is told by its path as well
    for (bad, told) in [
        (r#"[1]"#, "a table of the parts of a stack"),
        (r#"{"breaker": 3}"#, "a table of the settings of `breaker`"),
        (r#"{"breaker": {"open_time": [1]}}"#, "for `breaker.open_time`"),
        (r#"{"breaker": {"probes": 5, "open_time": {"seconds": 1}}}"#, "for `breaker.open_time`"),
    ] {
        let error = serde_json::from_str::<Config>(bad).unwrap_err().to_string();
        assert!(error.contains(told), "{bad}: {error}");
    }
    let many: Vec<String> = (0..257).map(|number| format!(r#""{number}": 1"#)).collect();
    let many = format!(r#"{{"breaker": {{{}}}}}"#, many.join(","));
    assert!(serde_json::from_str::<Config>(&many).unwrap_err().to_string().contains("more than 256"));
}
