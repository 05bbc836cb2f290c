//! What observers are told of a call whose caller has left.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
};

use cofferdam::Made;

use super::*;
use crate::support::poll;

/// The number of an attempt, what became of it if it was made, and why it was not made if it was to be.
type OfAttempt = (u32, Option<(Made, Outcome, Duration, Next)>, Option<GivenUp>);
type Told = Vec<OfAttempt>;

/// All that is told of that name: attempts, and why one that was to come did not.
fn told_of(name: &'static str) -> (impl Fn() -> Told, cofferdam::Subscription) {
    let told = Arc::new(Mutex::new(Told::new()));
    let writes = told.clone();
    let subscription = observe(move |event: &Event| {
        if event.by.as_str() == name {
            writes.lock().unwrap().push(match event.what {
                What::Attempt { number, made, outcome, latency, next } => {
                    (number, Some((made, outcome, latency, next)), None)
                }
                What::GivenUp { number, why } => (number, None, Some(why)),
                _ => panic!("{event:?}"),
            });
        }
    });
    (move || std::mem::take(&mut *told.lock().unwrap()), subscription)
}

const LEFT: Next = Next::GivenUp(GivenUp::Left);

/// Fails at once so often, and hangs from then on.
fn hangs_after(failures: u32) -> impl Service<u32, Response = u32, Error = BoxError, Future: Send> + Clone {
    let calls = Arc::new(AtomicU32::new(0));
    service_fn(move |_| {
        let fails = calls.fetch_add(1, Ordering::Relaxed) < failures;
        async move { if fails { Err("broken".into()) } else { pending().await } }
    })
}

fn retry(name: &str) -> RetryLayer {
    Retry::builder(name).backoff(Backoff::constant(ms(10))).budget(rich()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_left_is_told_with_the_time_that_it_took() {
    let (told, _subscription) = told_of("left");
    let mut call = Box::pin(retry("left").layer(hangs_after(0)).oneshot(1));
    assert!(poll(call.as_mut()).is_pending());
    tokio::time::advance(ms(70)).await;
    assert_eq!(told(), []);
    drop(call);
    assert_eq!(told(), [(1, Some((Made::First, Outcome::Abandoned, ms(70), LEFT)), None)]);

    let mut call = Box::pin(retry("left").layer(hangs_after(1)).oneshot(1));
    assert!(poll(call.as_mut()).is_pending());
    tokio::time::advance(ms(10)).await;
    assert!(poll(call.as_mut()).is_pending());
    tokio::time::advance(ms(30)).await;
    drop(call);
    let failed = (1, Some((Made::First, Outcome::Failure, ms(0), Next::After(ms(10)))), None);
    assert_eq!(told(), [failed, (2, Some((Made::AfterFailure, Outcome::Abandoned, ms(30), LEFT)), None)]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_to_come_is_told_not_to() {
    let (told, _subscription) = told_of("left waiting");
    let mut call = Box::pin(retry("left waiting").layer(hangs_after(1)).oneshot(1));
    assert!(poll(call.as_mut()).is_pending());
    tokio::time::advance(ms(5)).await;
    drop(call);
    let failed = (1, Some((Made::First, Outcome::Failure, ms(0), Next::After(ms(10)))), None);
    assert_eq!(told(), [failed, (1, None, Some(GivenUp::Left))]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_ended_is_not_left() {
    let (told, _subscription) = told_of("ended");
    for failures in [0, 1, 9] {
        let mut call = Box::pin(retry("ended").layer(Flaky::new(failures)).oneshot(1));
        while poll(call.as_mut()).is_pending() {
            tokio::time::advance(ms(10)).await;
        }
        drop(call);
        let left = |(_, attempt, given_up): &OfAttempt| {
            attempt.is_some_and(|attempt| attempt.3 == LEFT) || *given_up == Some(GivenUp::Left)
        };
        let told = told();
        assert!(!told.iter().any(left) && told.len() > failures.min(2) as usize, "{told:?}");
    }
    // Not even by a panic
    let panics = service_fn(|_: u32| async { panic!("in the attempt") as Result<u32, BoxError> });
    let mut call = Box::pin(retry("ended").layer(panics).oneshot(1));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(call.as_mut()).is_ready())).is_err());
    drop(call);
    assert_eq!(told(), []);
}
