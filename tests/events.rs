//! What happens is told to whoever listens: in order, under no lock, and whatever the listener does.
//!
//! Observers hear of the whole process, and tests run side by side, so each listens to a name of its own.
#![allow(missing_docs)]

mod support;

use std::{
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use cofferdam::{
    BoxError, BreakerState, Bulkhead, CircuitBreaker, Event, Outcome, Policy, Subscription, What, Why, guard, observe,
    observer_panics,
};
use support::{poll, settled};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<What>>>);

impl Heard {
    /// Hears of everything of that name.
    fn of(name: &'static str) -> (Self, Subscription) {
        let heard = Self::default();
        let writes = heard.clone();
        let subscription = observe(move |event: &Event| {
            if event.by.as_str() == name {
                writes.0.lock().unwrap().push(event.what);
            }
        });
        (heard, subscription)
    }

    fn take(&self) -> Vec<What> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// Changes of state only.
    fn states(&self) -> Vec<(&'static str, &'static str)> {
        let change = |what| match what {
            What::StateChanged { from, to, .. } => Some((from, to)),
            _ => None,
        };
        self.take().into_iter().filter_map(change).collect()
    }

    /// How calls ended, and rejections.
    fn calls(&self) -> Vec<Result<Outcome, Why>> {
        let call = |what| match what {
            What::Ended { outcome, .. } => Some(Ok(outcome)),
            What::Rejected(rejected) => Some(Err(rejected.why())),
            _ => None,
        };
        self.take().into_iter().filter_map(call).collect()
    }
}

fn breaker(name: &str) -> CircuitBreaker {
    CircuitBreaker::builder(name).consecutive_failures(3).open_time_jitter(0.0).build().unwrap()
}

/// Fails unless it is done within ten seconds: what deadlocks does not hang the tests.
fn watched(run: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = thread::spawn(move || {
        run();
        let _ = done.send(());
    });
    assert_ne!(is_done.recv_timeout(Duration::from_secs(10)), Err(mpsc::RecvTimeoutError::Timeout), "it hangs");
    thread.join().unwrap();
}

#[test]
fn defect_31_an_observer_that_panics_harms_nobody_and_is_reported() {
    let name = "events-31";
    let panicking = observe(move |event: &Event| {
        assert!(event.by.as_str() != name || event.what == What::ObserverPanicked, "the observer panics");
    });
    let (heard, _listening) = Heard::of(name);
    let before = observer_panics();
    let breaker = breaker(name);
    breaker.force_open();
    assert_eq!(breaker.state(), BreakerState::ForcedOpen);
    assert!(observer_panics() > before);
    let heard = heard.take();
    assert!(matches!(heard[..], [What::StateChanged { to: "forced-open", .. }, What::ObserverPanicked]), "{heard:?}");
    drop(panicking);
}

#[test]
fn defect_32_an_observer_may_use_the_policy_that_it_hears_of() {
    watched(|| {
        let name = "events-32";
        let breaker = breaker(name);
        let (handle, busy) = (breaker.clone(), AtomicBool::new(false));
        let _meddling = observe(move |event: &Event| {
            if event.by.as_str() == name && !busy.swap(true, Ordering::SeqCst) {
                assert_eq!(handle.state(), BreakerState::ForcedOpen);
                handle.reset();
                let answer = settled(handle.clone().layer().call(&(), || ready(Ok::<_, ()>(1))));
                assert_eq!(answer, Ok(1));
                handle.configure(|settings| settings.probes(7)).unwrap();
                handle.force_closed();
            }
        });
        let (heard, _listening) = Heard::of(name);
        breaker.force_open();
        assert_eq!(breaker.state(), BreakerState::ForcedClosed);
        // What was done in the middle is told after what it was done about.
        let expected = [("closed", "forced-open"), ("forced-open", "closed"), ("closed", "forced-closed")];
        assert_eq!(heard.states(), expected);
    });
}

#[test]
fn defect_33_each_change_begins_where_the_one_before_ended() {
    let name = "events-33";
    let breaker = breaker(name);
    let (heard, listening) = Heard::of(name);
    thread::scope(|scope| {
        for seed in 0..8_u64 {
            let breaker = &breaker;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..12_500 {
                    match random.u8(..6) {
                        0 => breaker.force_open(),
                        1 => breaker.force_closed(),
                        2 => breaker.disable(),
                        3 | 4 => breaker.reset(),
                        _ => drop(settled(breaker.clone().layer().call(&(), || ready(Err::<(), _>(()))))),
                    }
                }
            });
        }
    });
    let changes = heard.states();
    assert!(changes.len() > 1000, "{}", changes.len());
    assert_eq!(changes[0].0, "closed");
    for pair in changes.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "a change begins where the one before ended");
        assert_ne!(pair[1].0, pair[1].1);
    }
    assert_eq!(changes.last().unwrap().1, breaker.state().as_str());
    drop(listening);
    breaker.force_open();
    breaker.reset();
    assert_eq!(heard.take(), []);
}

#[test]
fn defect_33_nothing_is_heard_after_a_subscription_is_dropped() {
    let name = "events-dropped";
    let breaker = breaker(name);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    breaker.force_open();
                    breaker.reset();
                }
            });
        }
        for _ in 0..500 {
            let (over, heard_late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
            let (is_over, counts) = (over.clone(), heard_late.clone());
            let subscription = observe(move |event: &Event| {
                if event.by.as_str() == name && is_over.load(Ordering::SeqCst) {
                    counts.fetch_add(1, Ordering::SeqCst);
                }
            });
            thread::yield_now();
            drop(subscription);
            over.store(true, Ordering::SeqCst);
            thread::yield_now();
            assert_eq!(heard_late.load(Ordering::SeqCst), 0);
        }
        stop.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_subscription_may_be_dropped_by_its_own_observer() {
    watched(|| {
        let name = "events-own";
        let (own, times) = (Arc::new(Mutex::new(None)), Arc::new(AtomicU64::new(0)));
        let (held, counts) = (own.clone(), times.clone());
        let subscription = observe(move |event: &Event| {
            if event.by.as_str() == name {
                counts.fetch_add(1, Ordering::SeqCst);
                let subscription: Option<Subscription> = held.lock().unwrap().take();
                drop(subscription);
            }
        });
        *own.lock().unwrap() = Some(subscription);
        let breaker = breaker(name);
        breaker.force_open();
        breaker.reset();
        assert_eq!(times.load(Ordering::SeqCst), 1);
    });
}

/// Fails when it is told to.
async fn fails_when(told: Arc<AtomicBool>) -> Result<(), ()> {
    std::future::poll_fn(|_| if told.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }).await;
    Err(())
}

#[test]
fn an_observer_that_calls_whenever_it_hears_of_a_call_comes_to_an_end() {
    watched(|| {
        let name = "events-recursion";
        let breaker = breaker(name);
        let (guard, times) = (breaker.layer(), Arc::new(AtomicU64::new(0)));
        let (calls, counts) = (guard.clone(), times.clone());
        let _observing = observe(move |event: &Event| {
            if event.by.as_str() == name {
                counts.fetch_add(1, Ordering::SeqCst);
                settled(calls.call(&(), || ready(Ok::<_, ()>(())))).unwrap();
            }
        });
        settled(guard.call(&(), || ready(Ok::<_, ()>(())))).unwrap();
        assert_eq!(times.load(Ordering::SeqCst), 8);
    });
}

#[test]
fn an_observer_that_answers_each_change_with_another_comes_to_an_end() {
    watched(|| {
        let breaker = breaker("never content");
        let handle = breaker.clone();
        let (heard, _listens) = Heard::of("never content");
        let _answers = observe(move |event: &Event| match event.what {
            What::StateChanged { to: "closed", .. } if event.by.as_str() == "never content" => handle.force_open(),
            What::StateChanged { .. } if event.by.as_str() == "never content" => handle.reset(),
            _ => {}
        });
        breaker.force_open();
        assert_eq!(heard.states().len(), 8);
        // Whatever is done after that is heard of.
        breaker.disable();
        assert_eq!(heard.states()[0].1, "disabled");
    });
}

#[test]
fn two_observers_may_drop_each_others_subscriptions() {
    watched(|| {
        for _ in 0..200 {
            let slots: [Arc<Mutex<Option<Subscription>>>; 2] = Default::default();
            let names = ["events-cross-0", "events-cross-1"];
            for own in 0..2 {
                let other = slots[1 - own].clone();
                let subscription = observe(move |event: &Event| {
                    if event.by.as_str() == names[own] {
                        let subscription = other.lock().unwrap().take();
                        drop(subscription);
                    }
                });
                *slots[own].lock().unwrap() = Some(subscription);
            }
            thread::scope(|scope| {
                for name in names {
                    scope.spawn(move || breaker(name).force_open());
                }
            });
        }
    });
}

#[test]
fn defect_46_an_opening_is_told_once() {
    let name = "events-46";
    let breaker = breaker(name);
    let (heard, _listening) = Heard::of(name);
    let (guard, told) = (breaker.clone().layer(), Arc::new(AtomicBool::new(false)));
    let mut failing: Vec<_> = (0..50).map(|_| Box::pin(guard.call(&(), || fails_when(told.clone())))).collect();
    for call in &mut failing {
        assert!(poll(call.as_mut()).is_pending());
    }
    told.store(true, Ordering::SeqCst);
    for call in &mut failing {
        assert!(poll(call.as_mut()).is_ready());
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(heard.states(), [("closed", "open")]);
}

#[test]
fn a_call_is_told_once_whatever_becomes_of_it() {
    let name = "events-calls";
    let slots = Bulkhead::builder(name).limit(1).build().unwrap();
    let (heard, _listening) = Heard::of(name);
    // Three policies, one call, one event.
    let guard = guard((slots.clone(), breaker("events-second"), Some(breaker("events-third"))));

    assert_eq!(settled(guard.call(&(), || ready(Ok::<_, ()>(())))), Ok(()));
    assert_eq!(heard.calls(), [Ok(Outcome::Success)]);

    assert!(settled(guard.call(&(), || ready(Err::<(), _>(())))).is_err());
    assert_eq!(heard.calls(), [Ok(Outcome::Failure)]);

    let mut hangs = Box::pin(guard.call(&(), pending::<Result<(), ()>>));
    assert!(poll(hangs.as_mut()).is_pending());
    assert!(settled(guard.call(&(), || ready(Ok::<_, ()>(())))).is_err());
    assert_eq!(heard.calls(), [Err(Why::Full)]);
    drop(hangs);
    assert_eq!(heard.calls(), [Ok(Outcome::Abandoned)]);

    let panics = guard.call(&(), || async { panic!("it panics") as Result<(), ()> });
    let panics = std::panic::AssertUnwindSafe(|| settled(panics));
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(heard.calls(), [Ok(Outcome::Failure)]);

    let service = guard.layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));
    settled(service.oneshot(())).unwrap();
    assert_eq!(heard.calls(), [Ok(Outcome::Success)]);
}

#[tokio::test(start_paused = true)]
#[cfg(feature = "test-util")]
async fn a_call_that_waits_in_vain_and_one_whose_time_is_up_are_told() {
    let name = "events-waits";
    let slots = Bulkhead::builder(name).limit(1).queue(1).build().unwrap();
    let (heard, _listening) = Heard::of(name);
    let guard = slots.layer();
    let mut hangs = Box::pin(guard.call(&(), pending::<Result<(), ()>>));
    assert!(poll(hangs.as_mut()).is_pending());
    assert!(guard.call(&(), || ready(Ok::<_, ()>(()))).await.is_err());
    assert_eq!(heard.calls(), [Err(Why::Waited)]);

    let timeout = cofferdam::Timeout::builder(name).attempt(Duration::from_millis(10)).build().unwrap();
    let service = timeout.layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    service.oneshot(()).await.unwrap_err();
    assert_eq!(heard.calls(), [Err(Why::TimedOut)]);
}

#[test]
fn a_limit_is_told_in_order() {
    let name = "events-limit";
    let slots = Bulkhead::builder(name).limit(1).build().unwrap();
    let (heard, _listening) = Heard::of(name);
    thread::scope(|scope| {
        for seed in 0..4 {
            let slots = &slots;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                (0..2_000).for_each(|_| slots.resize(random.usize(1..100)).unwrap());
            });
        }
    });
    let limits: Vec<_> = heard
        .take()
        .into_iter()
        .map(|what| match what {
            What::LimitChanged { from, to, .. } => (from, to),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(limits.len() > 100 && limits[0].0 == 1);
    assert!(limits.windows(2).all(|pair| pair[0].1 == pair[1].0));
    assert_eq!(limits.last().unwrap().1, u64::from(slots.limit()));
}

#[tokio::test]
async fn a_subscriber_sees_the_latest_state_and_is_woken_by_the_next() {
    let breaker = breaker("events-subscriber");
    let mut states = breaker.subscribe();
    assert_eq!(*states.borrow_and_update(), BreakerState::Closed);
    let waits = tokio::spawn(async move {
        states.changed().await.unwrap();
        *states.borrow_and_update()
    });
    tokio::task::yield_now().await;
    breaker.force_open();
    assert_eq!(support::within("the change", waits).await.unwrap(), BreakerState::ForcedOpen);
    assert_eq!(*breaker.subscribe().borrow(), BreakerState::ForcedOpen);
}
