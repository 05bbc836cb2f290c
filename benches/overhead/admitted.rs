//! One call that is admitted, on one thread and on two.

use std::{
    future::{poll_fn, ready},
    mem,
    num::NonZeroU32,
    pin::pin,
    task::Poll,
    time::Duration,
};

use cofferdam::{Admit, Ends, Fallback, Hedge, Immediate, Keyed, Policy, Rejected, Retry, Shadow, Timeout, guard};
use tower::{Layer, Service, ServiceBuilder};

use super::policies::{
    SLOTS, adaptive_limit, breaker, breaker_with, bulkhead, context, drain, four, load_shed, queued, record, share,
    throttle,
};
use crate::support::{
    drive::{Work, poll_once},
    pair::Pair,
    subject::Subject,
};

#[cfg(feature = "rate-limit")]
use super::policies::rate_limit;

/// What tower has, the unit of all ratios first.
fn tower() -> Vec<Subject> {
    let stack = ServiceBuilder::new;
    vec![
        limit(),
        Subject::service("bare service", Work),
        Subject::service("tower Timeout", stack().timeout(Duration::from_secs(1)).service(Work)),
        Subject::service(
            "tower LoadShed, ConcurrencyLimit",
            stack().load_shed().concurrency_limit(SLOTS).service(Work),
        ),
    ]
}

/// The unit of all ratios.
pub(crate) fn limit() -> Subject {
    Subject::service("tower ConcurrencyLimit", ServiceBuilder::new().concurrency_limit(SLOTS).service(Work))
}

/// One service for all calls, as `tower`'s documentation has it.
pub(crate) fn subjects() -> Vec<Subject> {
    let mut subjects = tower();
    subjects.extend(single());
    subjects.extend(groups());
    subjects.extend(keyed());
    subjects.extend(flows());
    #[cfg(feature = "rate-limit")]
    subjects.extend(rates());
    subjects
}

fn single() -> Vec<Subject> {
    let called = guard(breaker());
    vec![
        guarded("guard around nothing", ()).bar(0.75),
        guarded("breaker", breaker()).bar(0.9),
        guarded("breaker, one call in a hundred failed", {
            let breaker = breaker();
            record(&breaker, 1000, 100);
            breaker
        }),
        guarded("breaker, window_calls(100)", breaker_with(|builder| builder.window_calls(100))),
        guarded("bulkhead", bulkhead()).bar(1.1),
        guarded("drain", drain()).bar(1.1),
        Subject::service("bulkhead with a queue", guard(queued()).layer(Work)).bar(1.2),
        Subject::service("breaker + bulkhead with a queue", guard((breaker(), queued())).layer(Work)),
        guarded("adaptive limit", adaptive_limit()).bar(1.3),
        Subject::service("adaptive limit + load shedding", guard(load_shed()).layer(Work)).bar(2.0),
        guarded("adaptive throttle", throttle()).bar(1.0),
        guarded("share of a pool", share()).bar(1.2),
        guarded("share of a pool + breaker, fused", (share(), breaker())),
        guarded("bulkhead, weighted", bulkhead().weighted(|_: &u64| NonZeroU32::MIN)),
        guarded("adaptive limit, weighted", adaptive_limit().weighted(|_: &u64| NonZeroU32::MIN)),
        guarded("Shadow of breaker", Shadow::new(breaker())),
        guarded("Option of breaker", Some(breaker())),
        waiting_once("bulkhead, a call that waits", bulkhead()),
        waiting_once("drain, a call that waits", drain()),
        Subject::calls("breaker, by guard.call", move |n| poll_once(called.call(&n, || ready(Ok::<_, Rejected>(n))))),
    ]
}

#[cfg(feature = "rate-limit")]
fn rates() -> Vec<Subject> {
    use cofferdam::{Rate, RateLimit};

    let rate = Rate::per_second(1_000_000).expect("the rate is valid");
    let builder = || RateLimit::builder("bench", rate).burst(u32::MAX);
    let queued = builder().queue(SLOTS).build().expect("the settings are valid");
    // Cold for as long as anybody measures.
    let cold = RateLimit::builder("bench", rate).burst(u32::MAX).warm_up(Duration::from_secs(1_000_000));
    vec![
        guarded("rate limit", rate_limit()).bar(1.0),
        Subject::service("rate limit with a queue", guard(queued).layer(Work)),
        guarded("rate limit, warming up", cold.build().expect("the settings are valid")),
        guarded("breaker + rate limit, fused", (breaker(), rate_limit())),
    ]
}

fn groups() -> Vec<Subject> {
    vec![
        guarded("breaker + bulkhead, fused", (breaker(), bulkhead())).bar(1.2),
        guarded("four fused, flat", four()).bar(1.7),
        guarded("four fused, pairs", breaker().and(bulkhead()).and(breaker().and(bulkhead()))).bar(1.7),
        Subject::service("the same four stacked", stacked()),
    ]
}

/// 64 keys, all of them known.
fn keyed() -> Vec<Subject> {
    const TENANTS: [&str; 4] = ["acme", "umbra", "zenith-international", "northwind"];
    let breakers = || Keyed::builder(breaker());
    let by_number = breakers().by(|request: &u64| *request % 64).build();
    let by_text = breakers().by_text(|request: &u64| TENANTS[*request as usize % TENANTS.len()]).build();
    let slots = Keyed::builder(bulkhead()).by(|request: &u64| *request % 64).build();
    vec![
        guarded("keyed breaker", by_number.expect("the settings are valid")).bar(2.0),
        guarded("keyed breaker, by text", by_text.expect("the settings are valid")).bar(2.0),
        guarded("keyed bulkhead", slots.expect("the settings are valid")),
    ]
}

fn flows() -> Vec<Subject> {
    let timeout = Timeout::builder("bench").attempt(Duration::from_secs(1)).build().expect("the limit is valid");
    let retry = Retry::builder("bench").build().expect("the settings are valid");
    let hedge = Hedge::builder("bench").build().expect("the settings are valid");
    vec![
        Subject::service("retry", retry.layer(Work)).bar(0.9),
        Subject::service("hedge", hedge.layer(Work)).bar(3.5),
        Subject::service("timeout", timeout.clone().layer(Work)).bar(0.4),
        Subject::service("fallback", Fallback::value(0_u64).layer(Work)),
        Subject::service(
            "client: fallback, retry, breaker + limit, timeout",
            ServiceBuilder::new()
                .layer(Fallback::value(0_u64))
                .layer(retry)
                .layer(guard((breaker(), adaptive_limit())))
                .layer(timeout)
                .service(Work),
        )
        .bar(4.0),
    ]
}

/// A clone of the service for each call, as routers make one.
pub(crate) fn cloned() -> Vec<Subject> {
    vec![
        Subject::cloned("tower ConcurrencyLimit", ServiceBuilder::new().concurrency_limit(SLOTS).service(Work)),
        Subject::cloned("bare service", Work),
        Subject::cloned("guard around nothing", guard(()).layer(Work)),
        Subject::cloned("breaker", guard(breaker()).layer(Work)),
        Subject::cloned("bulkhead", guard(bulkhead()).layer(Work)),
        Subject::cloned("four fused, flat", guard(four()).layer(Work)),
        Subject::cloned("the same four stacked", stacked()),
    ]
}

/// Two threads on clones of one service.
pub(crate) fn pairs() -> Vec<Pair> {
    vec![
        Pair::new("tower ConcurrencyLimit", ServiceBuilder::new().concurrency_limit(SLOTS).service(Work)),
        Pair::new("bare service", Work),
        Pair::new("guard around nothing", guard(()).layer(Work)),
        Pair::new("breaker", guard(breaker()).layer(Work)),
        Pair::new("bulkhead", guard(bulkhead()).layer(Work)),
        Pair::new("breaker + bulkhead, fused", guard((breaker(), bulkhead())).layer(Work)),
        Pair::new("four fused, flat", guard(four()).layer(Work)),
    ]
}

fn guarded<E: Ends, P: Policy<Kind = Immediate<E>> + Admit<u64> + 'static>(name: &'static str, policy: P) -> Subject
where
    P::Token: 'static,
{
    Subject::service(name, guard(policy).layer(Work))
}

/// A call that is polled before it has its answer: one that a drain may have to cut.
fn waiting_once<E: Ends, P: Policy<Kind = Immediate<E>> + Admit<()> + 'static>(name: &'static str, policy: P) -> Subject
where
    P::Token: 'static,
{
    let guard = guard(policy);
    Subject::calls(name, move |_| {
        let mut is_new = true;
        let answer =
            poll_fn(move |_| if mem::take(&mut is_new) { Poll::Pending } else { Poll::Ready(Ok::<_, Rejected>(())) });
        let mut call = pin!(guard.call(&(), || answer));
        assert!(call.as_mut().poll(&mut context()).is_pending());
        assert!(call.as_mut().poll(&mut context()).is_ready());
    })
}

/// Four guards, one around the other.
fn stacked() -> impl Service<u64, Response = u64, Error = Rejected> + Clone {
    ServiceBuilder::new()
        .layer(guard(breaker()))
        .layer(guard(bulkhead()))
        .layer(guard(breaker()))
        .layer(guard(bulkhead()))
        .service(Work)
}
