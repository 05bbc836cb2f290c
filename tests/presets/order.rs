//! The order in which `explain()` prints the parts of a stack is the order in which they act: who turns a call away first, and
//! what counts what.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cofferdam::{
    AdaptiveLimit, Backoff, Bulkhead, Context, Criticality, Deadline, DrainState, Instant, Policy, Rejected, Replay,
    Why, guard,
    presets::{Explanation, Part},
    rejection,
};
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::ms;

/// The parts that were seen to act in this order stand in it where they are printed.
fn assert_printed_so(explained: &Explanation, seen: &[&str]) {
    let printed: Vec<_> = explained.parts().iter().map(Part::path).filter(|path| seen.contains(path)).collect();
    assert_eq!(printed, seen);
}

/// Answers all alike, after a while.
fn answers<B: 'static>(
    status: StatusCode,
    after: Duration,
) -> impl Service<Request<B>, Response = Response<String>, Error = Infallible, Future: Send> + Clone {
    service_fn(move |_: Request<B>| async move {
        tokio::time::sleep(after).await;
        let mut response = Response::new(String::new());
        *response.status_mut() = status;
        Ok(response)
    })
}

/// Who turned a call away, if anybody did.
async fn turned_away<S, B>(service: &S, request: Request<String>) -> Option<Rejected>
where
    S: Service<Request<String>, Response = Response<B>, Error = Infallible> + Clone,
{
    let Ok(response) = service.clone().oneshot(request).await;
    rejection(&response).copied()
}

fn sheddable() -> Request<String> {
    let mut request = Request::new(String::new());
    request.set_criticality(Criticality::Sheddable);
    request
}

/// What its deadline leaves no time for.
fn expired() -> Request<String> {
    let mut request = Request::new(String::new());
    request.set_deadline(Deadline::at(Instant::now()));
    request
}

#[tokio::test(start_paused = true)]
async fn defect_225_of_the_parts_of_a_client_that_would_turn_a_call_away_the_one_that_is_printed_first_does() {
    let slots = Bulkhead::builder("slots").limit(1).build().unwrap();
    let one = AdaptiveLimit::builder("one").initial_limit(1).min_limit(1).max_limit(1).deadline().build().unwrap();
    let stack = cofferdam::http::client("payments").limit(one.clone()).policy(slots.clone()).build().unwrap();
    let service = stack.layer(answers(StatusCode::OK, Duration::ZERO));
    assert!(turned_away(&service, sheddable()).await.is_none());

    // From the innermost to the outermost, each is made to turn calls away, and stays so.
    let mut seen = Vec::new();
    let request = sheddable();
    let (full, also_full) = (slots.layer(), one.layer());
    let _slot = full.call(&request, pending::<Result<(), ()>>);
    assert_eq!(turned_away(&service, sheddable()).await.unwrap().by().as_str(), "slots");
    seen.insert(0, "policy");

    let _place = also_full.call(&request, pending::<Result<(), ()>>);
    assert_eq!(turned_away(&service, sheddable()).await.unwrap().by().as_str(), "one");
    seen.insert(0, "limit");

    let throttle = stack.throttle().unwrap().clone();
    let overloaded = guard(throttle).http().layer(answers(StatusCode::SERVICE_UNAVAILABLE, ms(1)));
    for _ in 0..500 {
        turned_away(&overloaded, sheddable()).await;
    }
    // One of twenty is let through to find out whether that is over.
    let mut throttled = 0;
    for _ in 0..100 {
        throttled += u32::from(turned_away(&service, sheddable()).await.unwrap().why() == Why::Throttled);
    }
    assert!(throttled >= 80, "{throttled}");
    seen.insert(0, "throttle");

    stack.breaker().unwrap().force_open();
    for _ in 0..100 {
        assert_eq!(turned_away(&service, sheddable()).await.unwrap().why(), Why::Open);
    }
    seen.insert(0, "breaker");
    assert_printed_so(&stack.explain(), &seen);
}

#[tokio::test(start_paused = true)]
async fn defect_225_a_retry_counts_what_a_hedge_answers_and_a_breaker_all_that_is_sent() {
    let stack = cofferdam::http::client("payments")
        .retry(|retry| retry.attempts(2).backoff(Backoff::constant(ms(100))))
        .hedge(|hedge| hedge.fixed_delay(ms(10)).extra(1))
        .build()
        .unwrap();
    let sent = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&sent);
    let failing = answers(StatusCode::BAD_GATEWAY, ms(20)).map_request(move |request: Request<Replay<String>>| {
        counts.fetch_add(1, Ordering::Relaxed);
        request
    });
    assert!(turned_away(&stack.layer(failing), Request::new(String::new())).await.is_none());

    // The original and its hedge are one attempt, so there is one more, which is not hedged. Were the hedge outside, its attempt
    // would be made twice as well.
    assert_eq!((sent.load(Ordering::Relaxed), stack.hedge().unwrap().counts().sent), (3, 1));
    assert_eq!(stack.breaker().unwrap().counts().failures, 3);
    assert_printed_so(&stack.explain(), &["retry", "hedge", "breaker"]);
}

#[tokio::test(start_paused = true)]
async fn defect_225_a_policy_of_ones_own_is_around_the_timeout_and_that_around_the_headers() {
    let slots = Bulkhead::builder("slots").limit(1).build().unwrap();
    let stack =
        cofferdam::http::client("payments").without_retry().without_hedge().policy(slots.clone()).build().unwrap();
    let told = Arc::new(Mutex::new(HeaderMap::new()));
    let hears = Arc::clone(&told);
    let hung = service_fn(move |request: Request<Replay<String>>| {
        *hears.lock().unwrap() = request.headers().clone();
        pending::<Result<Response<String>, Infallible>>()
    });
    let service = stack.layer(hung);

    // While no slot is free, nobody looks at how much time there is.
    let full = slots.clone().layer();
    let slot = full.call(&(), pending::<Result<(), ()>>);
    assert_eq!(turned_away(&service, expired()).await.unwrap().why(), Why::Full);
    drop(slot);
    assert_eq!(turned_away(&service, expired()).await.unwrap().why(), Why::Expired);
    assert!(told.lock().unwrap().is_empty());

    // A slot is held for as long as the timeout lets it, and the dependency is told of that, beside the later deadline.
    let mut request = Request::new(String::new());
    request.set_deadline(Deadline::after(ms(60_000)));
    let started = Instant::now();
    let watches = async {
        tokio::time::sleep(ms(1_999)).await;
        slots.in_flight()
    };
    let (rejected, held) = tokio::join!(turned_away(&service, request), watches);
    assert_eq!((rejected.unwrap().why(), held), (Why::TimedOut, 1));
    assert_eq!((Instant::now().since(started), slots.in_flight()), (ms(2_000), 0));
    assert_eq!(told.lock().unwrap()["x-request-head-timeout-ms"], "2000");
    assert_eq!(told.lock().unwrap()["x-request-timeout-ms"], "60000");
    // The timeout is a failure to those around it.
    assert_eq!(stack.breaker().unwrap().counts().failures, 1);
    assert_printed_so(&stack.explain(), &["breaker", "policy", "timeout", "context"]);
}

#[tokio::test(start_paused = true)]
async fn defect_225_the_parts_of_a_server_act_in_the_order_in_which_they_are_printed() {
    let late = || Request::get("/").header("x-request-timeout-ms", "0").body(String::new()).unwrap();
    let slots = Bulkhead::builder("slots").limit(1).build().unwrap();
    let server = || cofferdam::http::server("checkout").policy(slots.clone());
    let (stack, calm) = (server().build().unwrap(), server().shedding(None).build().unwrap());
    let service = stack.layer(answers(StatusCode::OK, Duration::ZERO));
    let without_shedding = calm.layer(answers(StatusCode::OK, Duration::ZERO));

    // Who asks for nothing that could be done in time is turned away by the timeout, unless anybody is there before it.
    assert_eq!(turned_away(&without_shedding, late()).await.unwrap().why(), Why::Expired);
    let full = slots.clone().layer();
    let _slot = full.call(&(), pending::<Result<(), ()>>);
    assert_eq!(turned_away(&without_shedding, late()).await.unwrap().by().as_str(), "slots");
    assert_printed_so(&calm.explain(), &["policy", "timeout"]);

    // The shedding goes by what the context has read from the headers, and that before anybody looks at the slots.
    let by_shedding = turned_away(&service, late()).await.unwrap();
    assert_eq!((by_shedding.why(), by_shedding.by().as_str()), (Why::Expired, "checkout"));
    let in_time = Request::get("/").header("x-request-timeout-ms", "250").body(String::new()).unwrap();
    assert_eq!(turned_away(&service, in_time).await.unwrap().by().as_str(), "slots");
    assert_printed_so(&stack.explain(), &["context", "shedding", "policy"]);

    // A server that goes asks nobody else.
    stack.set("drain.grace", "0s").unwrap();
    let drain = stack.drain().unwrap();
    drop(drain.begin());
    assert_ne!(drain.state(), DrainState::Ready);
    assert_eq!(turned_away(&service, late()).await.unwrap().why(), Why::Draining);
    assert_printed_so(&stack.explain(), &["drain", "shedding", "policy", "timeout"]);
}
