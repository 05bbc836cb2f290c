//! Tasks that wait for a service to become ready, behind a policy that shuts.

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use cofferdam::{BoxError, Bulkhead, CircuitBreaker, Immediate, Policy, Rejected, Run, Why, guard};
use tower::{Layer, Service, ServiceExt};

use crate::support::{Ask, Asks, CountingWaker, Probe, Script, settled, within};

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("readiness").build().unwrap()
}

fn poll_ready<S: Service<Request>, Request>(service: &mut S, waker: &Arc<CountingWaker>) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(&Waker::from(Arc::clone(waker))))
}

fn parked<P>(policy: P) -> (cofferdam::Guarded<Probe<Asks>, P, cofferdam::Plain>, Probe<Asks>)
where
    P: Policy<Kind = Immediate>,
{
    let probe = Probe::<Asks>::new(Script::NotReady);
    (guard(policy).layer(probe.clone()), probe)
}

#[test]
fn defect_12_everybody_who_waits_for_a_service_is_woken_when_the_breaker_opens() {
    let breaker = breaker();
    let (service, probe) = parked(breaker.clone());
    let mut waiting: Vec<_> = (0..10).map(|_| (service.clone(), Arc::new(CountingWaker::default()))).collect();
    for (service, waker) in &mut waiting {
        // Asked again and again, it is still woken once, and by nobody else.
        for _ in 0..3 {
            assert!(poll_ready(service, waker).is_pending());
        }
        assert_eq!(waker.wakes(), 0);
    }
    let polls = probe.ready_polls();
    breaker.force_open();
    for (service, waker) in &mut waiting {
        assert_eq!(waker.wakes(), 1);
        assert!(matches!(poll_ready(service, waker), Poll::Ready(Ok(()))));
        let error = settled(service.call(Ask::default())).unwrap_err();
        assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::Open);
    }
    assert_eq!((probe.ready_polls(), probe.calls()), (polls, 0), "the service behind was left alone");
    breaker.reset();
    breaker.force_open();
    assert!(waiting.iter().all(|(_, waker)| waker.wakes() == 1), "nobody waits any more");
}

/// Ten failures in a row, on the way around the service that is not ready.
fn open(breaker: &CircuitBreaker) {
    for _ in 0..10 {
        let _ = settled(breaker.clone().layer().call(&(), || ready(Err::<(), _>(()))));
    }
}

fn wakes_when<P>(what: &str, policy: P, shut: impl FnOnce())
where
    P: Policy<Kind = Immediate> + cofferdam::Admit<Ask>,
    Immediate: Run<Probe<Asks>, Ask, P, cofferdam::Plain>,
{
    let (mut service, _probe) = parked(policy);
    let waker = Arc::new(CountingWaker::default());
    assert!(poll_ready(&mut service, &waker).is_pending(), "{what}");
    shut();
    assert_eq!(waker.wakes(), 1, "{what}");
    assert!(poll_ready(&mut service, &waker).is_ready(), "{what}");
}

#[test]
fn any_group_with_a_breaker_in_it_wakes() {
    let slots = || Bulkhead::builder("readiness").build().unwrap();
    let breaker = breaker();
    let open_it = || {
        breaker.reset();
        open(&breaker);
    };
    for _ in 0..2 {
        breaker.reset();
        wakes_when("alone", breaker.clone(), open_it);
        breaker.reset();
        wakes_when("in a tuple", (slots(), breaker.clone()), open_it);
        breaker.reset();
        wakes_when("nested", slots().and(breaker.clone().and(slots())), open_it);
        breaker.reset();
        wakes_when("in an option", Some(breaker.clone()), open_it);
        breaker.reset();
        wakes_when("in an arc", Arc::new((breaker.clone(), slots())), open_it);
    }
}

/// Its time is over, so a task goes on to the service behind and waits there; then the probe of another one fails.
#[tokio::test(start_paused = true)]
#[cfg(feature = "test-util")]
async fn a_breaker_that_opens_again_wakes_as_one_that_opens() {
    let breaker = CircuitBreaker::builder("readiness").probes(1).build().unwrap();
    open(&breaker);
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    wakes_when("opened again", breaker.clone(), || {
        let _ = settled(breaker.clone().layer().call(&(), || ready(Err::<(), _>(()))));
    });
}

#[test]
fn a_service_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let breaker = breaker();
    let (mut service, _probe) = parked(breaker.clone());
    let waker = Arc::new(CountingWaker::default());
    assert!(poll_ready(&mut service, &waker).is_pending());
    assert_eq!(Arc::strong_count(&waker), 2, "the bell has it");
    drop(service);
    assert_eq!(Arc::strong_count(&waker), 1, "and has it no more");
    breaker.force_open();
    assert_eq!(waker.wakes(), 0);
}

#[test]
fn a_service_that_has_become_ready_does_not_listen() {
    let breaker = breaker();
    let (mut service, probe) = parked(breaker.clone());
    let waker = Arc::new(CountingWaker::default());
    assert!(poll_ready(&mut service, &waker).is_pending());
    probe.does(Script::Ok);
    assert!(poll_ready(&mut service, &waker).is_ready());
    assert_eq!(Arc::strong_count(&waker), 1);
    breaker.force_open();
    assert_eq!(waker.wakes(), 0);
}

/// Opens the breaker while it is asked whether it is ready.
#[derive(Clone)]
struct Opening(CircuitBreaker);

impl Service<()> for Opening {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.force_open();
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[test]
fn a_breaker_that_opens_before_anybody_listens_is_noticed() {
    let breaker = breaker();
    let mut service = breaker.clone().layer().layer(Opening(breaker));
    let waker = Arc::new(CountingWaker::default());
    assert!(matches!(poll_ready(&mut service, &waker), Poll::Ready(Ok(()))));
    assert!(settled(service.call(())).is_err());
}

/// Has to be asked three times before it is ready, as one that connects anew.
#[derive(Clone)]
struct Reconnecting {
    asked: Arc<AtomicU64>,
}

impl Service<()> for Reconnecting {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.asked.fetch_add(1, Ordering::SeqCst) < 2 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
#[cfg(feature = "test-util")]
async fn defect_10_the_first_call_after_an_outage_drives_the_service_to_readiness() {
    let breaker = breaker();
    let asked = Arc::new(AtomicU64::new(0));
    let service = breaker.clone().layer().layer(Reconnecting { asked: asked.clone() });
    open(&breaker);
    for _ in 0..5 {
        assert!(service.clone().oneshot(()).await.is_err());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "an open breaker leaves the service alone");
    // No traffic at all while the dependency comes back.
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    within("the call", service.oneshot(())).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

/// A service that is not ready and has nothing in flight is waited for, and nobody calls that overload.
#[tokio::test]
async fn defect_09_a_service_that_is_not_ready_is_not_a_full_one() {
    let slots = Bulkhead::builder("readiness").limit(1).build().unwrap();
    let service = guard((breaker(), slots)).layer(Reconnecting { asked: Arc::default() });
    within("the call", service.oneshot(())).await.unwrap();
}
