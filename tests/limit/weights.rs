//! Calls that take more than one slot.

use super::*;

#[tokio::test(start_paused = true)]
async fn defect_96_a_call_heavier_than_the_limit_runs_alone() {
    let limit = builder().initial_limit(5).min_limit(5).max_limit(5).build().unwrap();
    let weighted = by_weight(&limit);
    let now = Instant::now();
    let ended = Ended::new(Outcome::Success, now, now);
    let heavy = weighted.admit(&50, now).expect("nothing is in flight");
    assert_eq!(limit.in_flight(), 50);
    for weight in [1, 5, 50, u32::MAX] {
        assert_eq!(weighted.admit(&weight, now).unwrap_err().why(), Why::Full);
    }
    assert!(limit.admit(&(), now).is_err());
    // Where there is room beside it later, there is.
    limit.configure(|settings| settings.min_limit(52).max_limit(52)).unwrap();
    let light = weighted.admit(&2, now).expect("50 and 2 are 52");
    assert!(weighted.admit(&1, now).is_err());
    limit.configure(|settings| settings.min_limit(5).max_limit(5)).unwrap();
    weighted.settle(heavy, &ended);
    assert_eq!(limit.in_flight(), 2);
    // Nor is it let in beside others, however few.
    assert!(weighted.admit(&50, now).is_err());
    weighted.settle(light, &ended);
    let heaviest = weighted.admit(&u32::MAX, now).expect("nothing is in flight");
    weighted.undo(heaviest, now);
    assert_eq!((limit.in_flight(), limit.limit()), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn with_weights_the_knee_is_found_in_slots() {
    // What the test without weights finds, by as much larger: from far below a single call, too.
    for (weight, initial) in [(5, 10), (5, 500), (30, 2), (30, 600)] {
        let weights: fn(u64) -> u32 = if weight == 5 { |_| 5 } else { |_| 30 };
        let mut plant = Plant::weighted(16 * weight, 20, builder().initial_limit(initial).build().unwrap(), weights);
        plant.run(20_000, 4.0).await;
        let calls = plant.mean(3000) / weight as f64;
        assert!((16.0..=40.0).contains(&calls), "of weight {weight} from {initial}: {calls}");
    }
    // One of ten is heavy: 64 workers are kept busy by fewer calls, and are not flooded.
    let mut plant = Plant::weighted(64, 20, builder().build().unwrap(), |call| if call % 10 == 0 { 20 } else { 1 });
    plant.run(20_000, 4.0).await;
    assert!((64.0..=160.0).contains(&plant.mean(3000)), "{}", plant.mean(3000));
}

#[tokio::test(start_paused = true)]
async fn all_algorithms_find_room_for_heavy_calls() {
    async fn check<A: Algorithm>(name: &str, algorithm: A) {
        let limit = builder().algorithm(algorithm).max_limit(1000).build().unwrap();
        let mut plant = Plant::weighted(160, 20, limit, |_| 10);
        plant.run(60_000, 4.0).await;
        assert!(plant.mean(10_000) >= 140.0, "{name}: {}", plant.mean(10_000));
    }
    check("AIMD", Aimd::default()).await;
    check("Vegas", Vegas::default()).await;
    check("Gradient", Gradient::default()).await;
    check("Gradient2", Gradient2::default()).await;
}

/// For half of the calls, and without any order.
fn odd(call: u64) -> bool {
    call.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40 & 1 == 1
}

/// Is told what calls of one and of nine slots add up to, in so many windows.
#[derive(Clone)]
struct Adding(u32);

impl Algorithm for Adding {
    fn begin(&mut self, limit: u32) -> Plan {
        Plan::limit(limit)
    }
    fn window(&mut self, sample: &Sample) -> Plan {
        // Half of the calls take 10 ms of one slot, and half 30 ms of nine: by the slot 28 ms, by the call 20.
        self.0 += 1;
        if self.0 > 3 {
            assert!((4.4..=5.6).contains(&sample.weight()), "{}", sample.weight());
            let millis = sample.latency.as_secs_f64() * 1e3;
            assert!((26.0..=30.0).contains(&millis), "{millis}");
            assert!(sample.fastest < Duration::from_millis(11), "{:?}", sample.fastest);
        }
        Plan::limit(sample.limit)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_learned_of_heavy_calls_is_what_they_hold() {
    // Few, all of which are timed, and many, of which some are.
    for calls in [0.5, 12.0] {
        let limit = builder().algorithm(Adding(0)).initial_limit(100_000).build().unwrap();
        let mut plant = Plant::weighted(3000, 10, limit.clone(), |call| if odd(call) { 9 } else { 1 });
        plant.stretch = 3;
        let (mut taken, mut looked) = (0.0, 0.0);
        for _ in 0..2000 {
            plant.run(1, calls).await;
            taken += f64::from(limit.in_flight());
            looked += 1.0;
        }
        // By Little's law: per millisecond so many calls, of five slots, for 28 ms.
        let (mean, expected) = (taken / looked, calls * 5.0 * 28.0);
        assert!((mean / expected - 1.0).abs() < 0.1, "{mean} and not {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_heavy_call_that_is_late_is_one_call() {
    let limit = builder().initial_limit(100).build().unwrap();
    let weighted = by_weight(&limit);
    for round in 0..20 {
        let began = Instant::now();
        let heavy = weighted.admit(&64, began).unwrap();
        let light: Vec<_> = (0..30).map(|_| weighted.admit(&1, began).unwrap()).collect();
        advance(Duration::from_millis(50)).await;
        for token in light {
            weighted.settle(token, &Ended::new(Outcome::Success, began, Instant::now()));
        }
        advance(Duration::from_secs(2)).await;
        let outcome = if round == 10 { Outcome::Abandoned } else { Outcome::Ignored };
        weighted.settle(heavy, &Ended::new(outcome, began, Instant::now()));
        assert!(limit.limit() >= 100, "in round {round}: {}", limit.limit());
    }
}
