//! Policies in the hands of operators: by name, in text, and while they run.
#![allow(missing_docs)]

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use cofferdam::{
    AdaptiveLimit, Admit, BreakerState, Budget, Bulkhead, CircuitBreaker, Control, Drain, Instant, Invalid, Keyed,
    Pool, keyed::WhenFull, waiting::Order,
};
use proptest::prelude::*;

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("payments").build().unwrap()
}

fn all() -> Vec<Arc<dyn Control>> {
    let queued = || Bulkhead::builder("reports").queue(8);
    vec![
        Arc::new(breaker()),
        Arc::new(CircuitBreaker::builder("last calls").window_calls(50).no_slow_calls().ramp(None).build().unwrap()),
        Arc::new(Bulkhead::builder("checkout").build().unwrap()),
        Arc::new(Pool::builder("front").build().unwrap()),
        Arc::new(Drain::builder("server").build().unwrap()),
        Arc::new(Budget::builder("extras").build().unwrap()),
        Arc::new(Budget::builder("few extras").ratio(0.02).in_flight(5).build().unwrap()),
        Arc::new(queued().build().unwrap()),
        Arc::new(queued().order(Order::Fifo).max_wait(Duration::from_micros(1500)).build().unwrap()),
        Arc::new(queued().build().unwrap().weighted(|weight: &u32| NonZeroU32::new(*weight).expect("something"))),
        Arc::new(AdaptiveLimit::builder("search").build().unwrap().weighted(|_: &u32| NonZeroU32::MIN)),
        Arc::new(Keyed::builder(breaker()).by(|tenant: &u32| *tenant).build().unwrap()),
        Arc::new(Keyed::builder(breaker()).by(|tenant: &u32| *tenant).when_full(WhenFull::Reject).build().unwrap()),
    ]
}

fn value(control: &dyn Control, name: &str) -> Option<String> {
    control.settings().into_iter().find(|setting| setting.name == name).map(|setting| setting.value)
}

#[test]
fn every_setting_can_be_given_back() {
    for control in all() {
        let before = control.settings();
        assert!(!before.is_empty());
        for setting in &before {
            control.configure(setting.name, &setting.value).unwrap();
        }
        assert_eq!(control.settings(), before, "{}", control.name());
    }
}

/// What is next to nothing has hundreds of digits when it is written out.
#[test]
fn the_smallest_numbers_can_be_given_back() {
    let least = f64::MIN_POSITIVE;
    let breaker = CircuitBreaker::builder("strict")
        .failure_ratio(least)
        .slow_calls(Duration::from_secs(5), least)
        .probe_failure_ratio(least)
        .open_time_jitter(5e-324)
        .open_time_growth(1.0 + f64::EPSILON)
        .build()
        .unwrap();
    let before = breaker.settings();
    for setting in &before {
        Control::configure(&breaker, setting.name, &setting.value).unwrap();
    }
    assert_eq!(breaker.settings(), before);
    assert_eq!(value(&breaker, "failure_ratio").unwrap().parse(), Ok(least));
    Control::configure(&breaker, "failure_ratio", "0.00002").unwrap();
    assert_eq!(value(&breaker, "failure_ratio").unwrap(), "0.00002");
}

#[test]
fn every_setting_can_be_changed_by_name() {
    let changes = [
        ("failure_ratio", "0.25"),
        ("failure_ratio", "none"),
        ("slow_calls", "2s 0.5"),
        ("slow_calls", "none"),
        ("stall", "2s 4"),
        ("stall", "none"),
        ("consecutive_failures", "3"),
        ("consecutive_failures", "none"),
        ("minimum_calls", "7"),
        ("window", "60s"),
        ("window_calls", "200"),
        ("window", "1ms"),
        ("open_time", "1.5s"),
        ("open_time_growth", "2"),
        ("open_time_max", "60s"),
        ("open_time_jitter", "0"),
        ("probes", "9"),
        ("probe_failure_ratio", "1"),
        ("probe_lease", "20s"),
        ("ramp", "none"),
        ("ramp", "2s"),
    ];
    let control: &dyn Control = &breaker();
    for (name, text) in changes {
        control.configure(name, text).unwrap();
        assert_eq!(value(control, name).as_deref(), Some(text), "{name}");
    }

    let slots = Bulkhead::builder("reports").queue(8).build().unwrap();
    for (name, text) in
        [("limit", "3"), ("queue", "1"), ("max_wait", "2s"), ("order", "fifo"), ("order", "adaptive 5ms")]
    {
        Control::configure(&slots, name, text).unwrap();
        assert_eq!(value(&slots, name).as_deref(), Some(text), "{name}");
    }
    assert_eq!(slots.limit(), 3);
}

#[test]
fn what_an_operator_forces_is_in_force() {
    let breaker = breaker();
    let control: &dyn Control = &breaker;
    for (word, state, admits) in [
        ("open", BreakerState::ForcedOpen, false),
        ("closed", BreakerState::ForcedClosed, true),
        ("disabled", BreakerState::Disabled, true),
        ("forced-open", BreakerState::ForcedOpen, false),
        ("reset", BreakerState::Closed, true),
    ] {
        control.force(word).unwrap();
        assert_eq!((breaker.state(), control.state()), (state, state.to_string()));
        assert_eq!(Admit::admit(&breaker, &(), Instant::now()).is_ok(), admits, "{word}");
    }
}

#[test]
fn a_keyed_policy_is_forced_and_changed_for_all_keys() {
    let keyed = Keyed::builder(breaker()).by(|tenant: &u32| *tenant).build().unwrap();
    for tenant in 0..3 {
        drop(keyed.admit(&tenant, Instant::now()));
    }
    let control: &dyn Control = &keyed;
    control.force("open").unwrap();
    control.configure("probes", "5").unwrap();
    assert_eq!(control.state(), "3 of 10000 keys");
    assert!(keyed.admit(&1, Instant::now()).is_err());
    assert!(keyed.admit(&7, Instant::now()).is_ok(), "a key that is new is not forced");
    for key in keyed.snapshot() {
        assert_eq!(value(&key.policy, "probes").as_deref(), Some("5"), "{}", key.label);
    }
}

#[test]
fn a_budget_is_changed_while_it_pays() {
    let budget = Budget::builder("extras").build().unwrap();
    let control: &dyn Control = &budget;
    assert_eq!(control.state(), "3.0 tokens");
    control.configure("in_flight", "1").unwrap();
    let first = budget.extra().unwrap();
    assert_eq!(budget.extra().unwrap_err(), cofferdam::budget::NoExtra::Full);
    control.configure("in_flight", "none").unwrap();
    drop((first, budget.extra().unwrap()));
    control.configure("ratio", "0.5").unwrap();
    budget.succeeded();
    assert_eq!(control.state(), "1.5 tokens");
    (0..3).for_each(|_| budget.failed());
    assert_eq!(control.state(), "failing");
    assert!(refused(control.force("full")).to_string().contains("not forced"));
}

fn refused(answer: Result<(), Invalid>) -> Invalid {
    answer.expect_err("it makes no sense")
}

#[test]
fn what_there_is_not_is_answered_with_what_there_is() {
    for control in all() {
        let before = (control.settings(), control.state());
        let invalid = refused(control.configure("retries", "3"));
        assert_eq!((invalid.field(), invalid.value()), ("setting", "retries"));
        for setting in control.settings() {
            assert!(invalid.allowed().contains(setting.name), "{} is not listed", setting.name);
        }
        assert_eq!(refused(control.force("ajar")).field(), "state");
        assert_eq!((control.settings(), control.state()), before);
    }
}

#[test]
fn values_that_make_no_sense_change_nothing() {
    let cases: [(&str, &[&str]); 8] = [
        ("failure_ratio", &["NaN", "inf", "-0.1", "0", "1.1", "", "half", "٠.٥", "0.5 0.5"]),
        ("stall", &["5s", "5s 0.5", "0s 8", "5s NaN", ""]),
        ("slow_calls", &["5s", "5s 2", "0.5 5s", "5s NaN", ""]),
        ("probes", &["0", "-1", "1.5", "1001", "99999999999999999999", "none"]),
        ("open_time", &["0s", "31s", "-1s", "1", "1e3s", "forever", "none", "99999999999999999999s", "5s\0"]),
        ("open_time_growth", &["0.9", "NaN", "101"]),
        ("window_calls", &["0", "9", "1048577"]),
        ("ramp", &["0s", "None", "some"]),
    ];
    let control: &dyn Control = &breaker();
    let before = control.settings();
    for (name, values) in cases {
        for text in values {
            let invalid = refused(control.configure(name, text));
            assert!(!invalid.allowed().is_empty());
            assert_eq!(control.settings(), before, "{name} = {text:?}");
        }
    }
    let long = "9".repeat(1_000_000);
    assert!(refused(control.configure("probes", &long)).to_string().len() < 200);
    assert!(refused(control.configure(&long, "1")).to_string().len() < 400);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_does_harm(name in ".{0,20}", text in ".{0,80}", which in 0..8_usize, setting in 0..14_usize) {
        let control = &all()[which];
        let _ = control.configure(&name, &text);
        let _ = control.force(&text);
        let settings = control.settings();
        let known = &settings[setting % settings.len()];
        if control.configure(known.name, &text).is_err() {
            prop_assert_eq!(control.settings(), settings);
        }
    }
}

/// An operator flips a breaker over HTTP, as an admin endpoint would have it.
#[cfg(feature = "http")]
#[tokio::test]
async fn an_admin_endpoint_needs_a_list_and_two_routes() {
    use axum::{
        Router,
        body::Body,
        extract::{Path, State},
        routing::post,
    };
    use http::{Request, StatusCode};
    use tower::ServiceExt;

    type Controls = Arc<Vec<Arc<dyn Control>>>;

    async fn force(State(all): State<Controls>, Path((name, state)): Path<(String, String)>) -> (StatusCode, String) {
        let Some(control) = all.iter().find(|control| control.name().as_str() == name) else {
            return (StatusCode::NOT_FOUND, name);
        };
        match control.force(&state) {
            Ok(()) => (StatusCode::OK, control.state()),
            Err(invalid) => (StatusCode::BAD_REQUEST, invalid.to_string()),
        }
    }

    let breaker = breaker();
    let controls: Controls = Arc::new(vec![Arc::new(breaker.clone())]);
    let admin: Router = Router::new().route("/{name}/{state}", post(force)).with_state(controls);
    let call = |path: &str| admin.clone().oneshot(Request::post(path).body(Body::empty()).unwrap());
    assert_eq!(call("/payments/open").await.unwrap().status(), StatusCode::OK);
    assert_eq!(breaker.state(), BreakerState::ForcedOpen);
    assert_eq!(call("/payments/ajar").await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(call("/orders/open").await.unwrap().status(), StatusCode::NOT_FOUND);
}
