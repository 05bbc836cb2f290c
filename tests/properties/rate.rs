//! The rate limit against a naive model of it, and under many threads.
#![cfg(all(feature = "rate-limit", feature = "test-util"))]

#[path = "../support/rate.rs"]
mod model;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use cofferdam::{Admit, Instant, Keyed, Policy, Rate, RateLimit, Why, keyed::WhenFull};
use model::{Harness, Op};
use proptest::prelude::*;

use super::crowd;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, in whatever order, it does what a model does that counts in fractions of permits.
    #[test]
    fn a_rate_limit_does_what_the_model_does(
        settings in any::<(u8, u8, u8)>(),
        ops in prop::collection::vec(any::<(u8, u8)>(), 0..300),
    ) {
        Harness::new(settings).run(ops.into_iter().map(Op::new));
    }

    /// In no window of any length do more come in than the burst and what has come meanwhile, whenever who comes.
    #[test]
    fn no_window_admits_more_than_burst_and_rate(
        interval in 1_000..1_000_000_u64,
        burst in 1..20_u32,
        steps in prop::collection::vec((0..3_000_000_u64, 1..8_u32), 1..150),
    ) {
        let rate = Rate::per(1, Duration::from_nanos(interval)).unwrap();
        let limit = RateLimit::builder("properties", rate).burst(burst).build().unwrap();
        let weighted = limit.weighted(crate::support::weight_of);
        let (mut at, mut admitted) = (0, Vec::new());
        for (step, weight) in steps {
            at += step;
            if weighted.admit(&weight, start(at)).is_ok() {
                admitted.push((at, u64::from(weight)));
            }
        }
        for first in 0..admitted.len() {
            let mut taken = 0;
            for (now, weight) in &admitted[first..] {
                taken += weight;
                prop_assert!(taken * interval <= u64::from(burst) * interval + now - admitted[first].0);
            }
        }
    }

    /// What a rejection says is true: a moment before it is rejected again, and then it is not.
    #[test]
    fn the_time_to_the_next_try_is_exact(
        millis in 1..5_000_u64,
        burst in 1..20_u32,
        calls in prop::collection::vec((0..20_000_u64, 1..20_u32), 1..50),
        warm_up in prop::option::of(1..600_u64),
    ) {
        let rate = Rate::per(1, Duration::from_millis(millis)).unwrap();
        let builder = RateLimit::builder("properties", rate).burst(burst);
        let limit = builder.warm_up(warm_up.map(Duration::from_secs)).build().unwrap();
        let weighted = limit.clone().weighted(crate::support::weight_of);
        let mut at = 0;
        for (step, weight) in calls {
            at += step * 1_000_000;
            let free = limit.free_at(start(at));
            let Err(rejected) = weighted.admit(&weight, start(at)) else { continue };
            prop_assert!(weight > free, "there are {}", free);
            if weight > burst {
                prop_assert_eq!((rejected.why(), rejected.retry_after()), (Why::TooMuch, None));
                continue;
            }
            prop_assert_eq!(rejected.why(), Why::RateLimited);
            let wait = rejected.retry_after().unwrap().as_nanos() as u64;
            if warm_up.is_none() {
                // Rounded up to a millisecond, and by no more.
                prop_assert!(weighted.admit(&weight, start(at + wait - 1_000_000)).is_err());
            }
            prop_assert!(weighted.admit(&weight, start(at + wait)).is_ok());
            at += wait;
        }
    }

    /// However it is used, cold or warm, it never lets through more than it would warm, and under load never less than cold.
    #[test]
    fn a_warm_up_stays_between_cold_and_warm(
        seconds in 1..100_u64,
        factor in 2..100_u32,
        pauses in prop::collection::vec(0..200_u64, 1..20),
    ) {
        let builder = RateLimit::builder("properties", Rate::per_second(100).unwrap()).burst(1);
        let limit = builder.warm_up(Duration::from_secs(seconds)).cold_factor(factor).build().unwrap();
        let mut at = 0;
        for pause in pauses {
            at += pause * 1_000_000_000;
            // A second of all the load there can be.
            let mut admitted = 0;
            for _ in 0..1_000 {
                admitted += u32::from(Admit::<()>::admit(&limit, &(), start(at)).is_ok());
                at += 1_000_000;
            }
            prop_assert!(admitted <= 101 && admitted >= 100 / factor / 2, "{}", admitted);
        }
    }
}

/// Far from what any clock says, so that nobody takes it for one of its readings.
fn start(nanos: u64) -> Instant {
    Instant::ORIGIN.after(Duration::from_secs(1_000_000)).after(Duration::from_nanos(nanos))
}

/// At one moment there is exactly the burst, for however many threads; and what is given back is there again.
#[test]
fn under_threads_there_is_exactly_the_burst() {
    let limit = RateLimit::builder("properties", Rate::per_second(1).unwrap()).burst(10_000).build().unwrap();
    let admitted = AtomicU32::new(0);
    crowd(|nth| {
        for call in 0..20_000 {
            if let Ok(permits) = Admit::<()>::admit(&limit, &(), start(0)) {
                if (call + nth) % 3 == 0 {
                    limit.undo(permits, start(0));
                } else {
                    admitted.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    });
    // Whoever found none while another one was about to give its back, found none.
    assert_eq!(admitted.load(Ordering::SeqCst) + limit.free_at(start(0)), 10_000);
}

/// Settings that change all the time, cold and warm: never is there more than what the most generous of them have.
#[test]
fn under_threads_changes_give_nobody_more() {
    let rate = Rate::per_second(1000).unwrap();
    let limit = RateLimit::builder("properties", rate).burst(100).build().unwrap();
    let admitted = AtomicU32::new(0);
    crowd(|nth| {
        for step in 0..2_000_u64 {
            let now = start(step * 1_000_000);
            if nth == 0 {
                let warm_up = (step % 3 == 0).then_some(Duration::from_secs(1));
                let burst = 50 + (step % 51) as u32;
                limit.configure_at(now, |settings| settings.burst(burst).warm_up(warm_up)).unwrap();
            } else if Admit::<()>::admit(&limit, &(), now).is_ok() {
                admitted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let admitted = admitted.load(Ordering::SeqCst);
    assert!(admitted <= 100 + 2_000, "{admitted}");
}

/// A crowd of keys that strangers make up: there are never more than there may be, and a limited one stays limited.
#[test]
fn strangers_can_neither_fill_the_memory_nor_wipe_a_key() {
    let template = RateLimit::builder("properties", Rate::per_second(1).unwrap()).burst(2).build().unwrap();
    let builder = Keyed::builder(template).by(|key: &u64| *key).capacity(1_000);
    let limits = builder.when_full(WhenFull::Share).build().unwrap();
    let victim = 0;
    let mut let_in = 0;
    for key in 1..100_000_u64 {
        // Ten microseconds each: a second in all.
        let now = start(key * 10_000);
        let _ = limits.admit(&key, now);
        if key % 100 == 1 {
            let_in += u32::from(limits.admit(&victim, now).is_ok());
        }
    }
    assert!(limits.len() <= 1_000 && let_in <= 3, "{let_in}");
}
