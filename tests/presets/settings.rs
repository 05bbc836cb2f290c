//! What can be set, by path or in a file, before and while a stack runs.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use cofferdam::{Criticality, Instant, Replay, context::Trust, presets::Config};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt};

use crate::parts::dependency;

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
    server.set("drain.grace", "0ms").unwrap();
    assert!(server.explain().to_string().contains("grace                  0s\n"), "no time at all has the usual unit");
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
async fn what_waits_are_like_and_how_much_is_kept_is_said_in_text() {
    let file = Config::default().set("retry.backoff", "constant 100ms").set("retry.body_limit", "4");
    let builder = cofferdam::http::client("payments").without_hedge().breaker(None).set("retry.body_limit", "9");
    let stack = builder.config(&file).set("retry.attempts", "2").set("budget.ratio", "1").build().unwrap();
    let text = stack.explain().to_string();
    assert!(
        text.contains("backoff                constant 100ms\n") && text.contains("body_limit             4\n"),
        "{text}"
    );

    let asked = Arc::new(AtomicU32::new(0));
    let down = stack.layer(dependency(Arc::clone(&asked), |_| StatusCode::BAD_GATEWAY));
    let put = |body: &str| Request::put("/").body(body.to_owned()).unwrap();
    for (wait, millis) in [("constant 100ms", 100), ("constant 7ms", 7)] {
        stack.set("retry.backoff", wait).unwrap();
        let started = Instant::now();
        down.clone().oneshot(put("four")).await.unwrap();
        assert_eq!(Instant::now().since(started).as_millis(), millis);
    }
    // Longer than what is kept
    asked.store(0, Ordering::Relaxed);
    down.clone().oneshot(put("five.")).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);

    stack.apply(&file).unwrap();
    assert_eq!(
        stack.set("retry.body_limit", "5").unwrap_err().to_string(),
        "`retry.body_limit` cannot be 5: it must be what it was when the stack was built"
    );
    let built = cofferdam::http::client("payments").set("retry.body_limit", "1073741825").build();
    assert_eq!(built.map(drop).unwrap_err().path(), "retry.body_limit");
    let function = cofferdam::Backoff::custom(std::time::Duration::from_secs(2), |_| std::time::Duration::ZERO);
    let by_hand = cofferdam::http::client("payments").retry(|retry| retry.backoff(function)).build().unwrap();
    assert!(by_hand.explain().to_string().contains("backoff                custom, 2s at most"));
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
        "`timeout.attempt` cannot be 0s: it must be above zero, at most 100 years"
    );
    assert_eq!(
        of_client("retry.colour", "red"),
        "`retry.colour` is not a setting: it must be attempts, total, backoff, longest_retry_after, rejections or body_limit"
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

/// One setting bounds another, and a file that is read into a map is sorted by name.
#[test]
fn settings_that_bound_each_other_are_given_in_any_order() {
    let pairs = [
        ("breaker.open_time", ["60s", "500ms"], "breaker.open_time_max", ["120s", "1s"]),
        ("hedge.shortest_delay", ["20s", "100us"], "hedge.longest_delay", ["30s", "500us"]),
        ("throttle.aggression", ["3", "1.1"], "throttle.keen_aggression", ["4", "1.2"]),
        ("limit.min_limit", ["50", "1"], "limit.max_limit", ["100", "1"]),
    ];
    for (lower, [low, lowest], upper, [high, highest]) in pairs {
        let up = Config::default().set("limit", "on").set(lower, low).set(upper, high);
        let down = Config::default().set(upper, highest).set(lower, lowest);
        let client = cofferdam::http::client("payments").config(&up).build().unwrap();
        client.apply(&down).unwrap();
        client.apply(&up).unwrap();
        let explained = client.explain();
        let is_set = |path: &str, value: &str| {
            let settings = explained.parts().iter().flat_map(|part| part.settings().iter().map(move |set| (part, set)));
            settings
                .into_iter()
                .any(|(part, set)| format!("{}.{}", part.path(), set.name) == path && set.value == value)
        };
        assert!(is_set(lower, low) && is_set(upper, high), "{lower}");
        cofferdam::http::client("payments").set("limit", "on").config(&down).build().unwrap();
    }

    // What no order makes possible changes nothing, and of what waits the last word holds as well
    let server = cofferdam::http::server("checkout").set("shedding.min_limit", "50").build().unwrap();
    let before = server.explain().to_string();
    let never = Config::default().set("shedding.max_limit", "10").set("shedding.min_limit", "20");
    assert_eq!(server.apply(&never).unwrap_err().path(), "shedding.max_limit");
    let again = Config::default()
        .set("shedding.max_limit", "10")
        .set("shedding.max_limit", "60")
        .set("shedding.min_limit", "5");
    assert_eq!(server.explain().to_string(), before);
    server.apply(&again).unwrap();
    let explained = server.explain().to_string();
    assert!(
        explained.contains("max_limit              60") && explained.contains("min_limit              5"),
        "{explained}"
    );
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

    // The same by paths, whatever their values are
    let paths = r#"{"retry.attempts": 2, "timeout.attempt": null, "throttle.cap": 0.9, "retry.rejections": true, "hedge": false}"#;
    let tables = r#"{"retry": {"attempts": 2}, "timeout": {"attempt": null}, "throttle": {"cap": 0.9}, "retry": {"rejections": true}, "hedge": false}"#;
    assert_eq!(serde_json::from_str::<Config>(paths).unwrap(), serde_json::from_str(tables).unwrap());

    // What is no setting is told by its path as well
    for (bad, told) in [
        (r#"[1]"#, "a table of the parts of a stack"),
        (r#"{"breaker": 3}"#, "a table of the settings of `breaker`"),
        (r#"{"breaker": {"open_time": [1]}}"#, "for `breaker.open_time`"),
        (r#"{"breaker.open_time": [1]}"#, "for `breaker.open_time`"),
        (r#"{"breaker": {"probes": 5, "open_time": {"seconds": 1}}}"#, "for `breaker.open_time`"),
    ] {
        let error = serde_json::from_str::<Config>(bad).unwrap_err().to_string();
        assert!(error.contains(told), "{bad}: {error}");
    }
    let many: Vec<String> = (0..257).map(|number| format!(r#""{number}": 1"#)).collect();
    let many = format!(r#"{{"breaker": {{{}}}}}"#, many.join(","));
    assert!(serde_json::from_str::<Config>(&many).unwrap_err().to_string().contains("more than 256"));
}

#[test]
fn a_setting_that_another_bounds_may_come_before_it() {
    // In the order of the alphabet, as many a reader of files has them.
    let config = Config::default()
        .set("breaker.open_time", "60s")
        .set("breaker.open_time_max", "60s")
        .set("breaker.probe_lease", "4s")
        .set("breaker.slow_calls", "3s 0.5")
        .set("limit.max_limit", "1")
        .set("limit.min_limit", "1")
        .set("throttle.aggression", "3")
        .set("throttle.keen_aggression", "4");
    let client = cofferdam::http::client("payments").limited().config(&config).build().unwrap();
    let explained = client.explain().to_string();
    for line in [
        "open_time              60s",
        "probe_lease            4s",
        "max_limit              1",
        "aggression             3",
    ] {
        assert!(explained.contains(line), "{explained}");
    }
    let shedding = Config::default().set("shedding.max_limit", "1").set("shedding.min_limit", "1");
    cofferdam::http::server("checkout").config(&shedding).build().unwrap();

    // While it runs, there and back.
    let back = Config::default().set("breaker.open_time_max", "2s").set("breaker.open_time", "1s");
    client.apply(&back).unwrap();
    client.apply(&config).unwrap();
    assert_eq!(client.explain().to_string(), explained);

    // Of one setting the last value holds, also if it has to wait.
    let twice = Config::default()
        .set("breaker.open_time", "90s")
        .set("breaker.open_time", "70s")
        .set("breaker.open_time_max", "100s");
    client.apply(&twice).unwrap();
    assert!(client.explain().to_string().contains("open_time              70s"));

    // What no order mends is told, and nothing is changed.
    let before = client.explain().to_string();
    let never = Config::default().set("breaker.open_time", "200s").set("breaker.probes", "3").set("hedge.share", "0.1");
    assert_eq!(
        client.apply(&never).unwrap_err().to_string(),
        "`breaker.open_time_max` cannot be 100s: it must be at least `open_time`",
    );
    assert_eq!(client.explain().to_string(), before);
}
