//! What an algorithm does to those who wait.

use std::sync::atomic::AtomicBool;

use cofferdam::limit::{Algorithm, Plan, Sample};

use super::*;

/// One of the user's own, which panics as long as that is so.
#[derive(Clone)]
struct Panics(Arc<AtomicBool>);

impl Algorithm for Panics {
    fn begin(&mut self, limit: u32) -> Plan {
        Plan::limit(limit)
    }
    fn window(&mut self, sample: &Sample) -> Plan {
        assert!(!self.0.load(Ordering::Relaxed), "a mistake in an algorithm");
        self.begin(sample.limit)
    }
}

/// What the call held is free, and nobody else would say so.
#[tokio::test(start_paused = true)]
async fn whoever_waits_comes_in_when_an_algorithm_panics_over_the_call_before() {
    let panics = Arc::new(AtomicBool::new(false));
    let limit = AdaptiveLimit::builder("shed").algorithm(Panics(Arc::clone(&panics))).initial_limit(1).min_limit(1);
    let shed = LoadShed::builder(limit.max_limit(1).deadline().build().unwrap()).build().unwrap();
    let guard = guard(shed.clone());
    let call = |millis| {
        let guard = guard.clone();
        tokio::spawn(async move {
            let work = || async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Ok::<_, ()>(())
            };
            guard.call(&Ask::of(Critical), work).await
        })
    };
    let before = call(3_000);
    tokio::task::yield_now().await;
    let (waits, began) = (call(1), Instant::now());
    tokio::task::yield_now().await;
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (1, 1));

    panics.store(true, Ordering::Relaxed);
    assert!(before.await.unwrap_err().is_panic());
    panics.store(false, Ordering::Relaxed);
    waits.await.unwrap().unwrap();
    let took = Instant::now().since(began);
    assert!(took < Duration::from_millis(3_100), "{took:?}");
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (0, 0));
}
