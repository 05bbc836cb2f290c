//! One call that is rejected. The error is `Rejected` itself, unless the name says otherwise.

use std::mem;

use cofferdam::{Admit, BoxError, Ends, Immediate, Policy, guard};
use tower::{Layer, Service, ServiceBuilder};

use super::{
    admitted::limit,
    policies::{
        breaker, bulkhead, contained_share, context, drained, full_bulkhead, full_load_shed, open_breaker,
        pressed_throttle,
    },
};
use crate::support::{
    drive::{Work, call_once},
    subject::Subject,
};

/// An admitted call through tower's limit is the unit, as it is for admitted calls.
pub(crate) fn subjects() -> Vec<Subject> {
    let forced = breaker();
    forced.force_open();
    vec![
        limit(),
        full_tower(),
        rejecting("breaker, open", open_breaker()).bar(0.6),
        rejecting("breaker, forced open", forced).bar(0.6),
        rejecting("bulkhead, full", full_bulkhead()),
        rejecting("drain, drained", drained()),
        rejecting("breaker + full bulkhead", (breaker(), full_bulkhead())),
        rejecting("fourth of four, full", (breaker(), bulkhead(), breaker(), full_bulkhead())),
        rejecting("fourth of four, open", (breaker(), bulkhead(), bulkhead(), open_breaker())),
        boxed(),
        shedding(),
        mostly_throttled(),
        rejecting("share of a pool, contained", contained_share()),
        #[cfg(feature = "rate-limit")]
        rejecting("rate limit, rejected", super::policies::used_rate_limit()),
    ]
}

fn rejecting<E: Ends, P: Policy<Kind = Immediate<E>> + Admit<u64> + 'static>(name: &'static str, policy: P) -> Subject
where
    P::Token: 'static,
{
    let mut service = guard(policy).layer(Work);
    assert!(call_once(&mut service, 0).is_err());
    Subject::service(name, service)
}

/// A call that matters less than those who wait.
fn shedding() -> Subject {
    let mut service = guard(full_load_shed()).layer(Work);
    assert!(call_once(&mut service, 0).is_err());
    Subject::service("load shedding, shed", service).bar(1.0)
}

/// All but one call in a thousand, which is sent in any case.
fn mostly_throttled() -> Subject {
    let mut service = guard(pressed_throttle()).layer(Work);
    let cut = (0..100).filter(|_| call_once(&mut service, 0).is_err()).count();
    assert!(cut > 90, "{cut} of 100 calls are cut");
    Subject::service("adaptive throttle, cut", service).bar(1.0)
}

/// What tower has for this: its error is boxed.
fn full_tower() -> Subject {
    let mut service = ServiceBuilder::new().load_shed().concurrency_limit(1).service(Work);
    let mut holder = service.clone();
    let _ = Service::<u64>::poll_ready(&mut holder, &mut context());
    // The permit that it took is never given back.
    mem::forget(holder);
    assert!(call_once(&mut service, 0).is_err());
    Subject::service("tower LoadShed, ConcurrencyLimit, full", service)
}

/// The same where the service's error is a `BoxError`: one allocation.
fn boxed() -> Subject {
    let service = ServiceBuilder::new().layer(guard(open_breaker())).map_err(BoxError::from).service(Work);
    Subject::service("breaker, open, error boxed", service)
}
