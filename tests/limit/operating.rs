//! Algorithms of your own, settings, threads, and whatever comes in any order.

use super::*;

/// One of the user's own, which is told what was measured.
#[derive(Clone)]
struct Asserting;

impl Algorithm for Asserting {
    fn begin(&mut self, limit: u32) -> Plan {
        Plan::limit(limit).look_again(Duration::from_millis(100), 1, Duration::from_secs(1))
    }
    fn window(&mut self, sample: &Sample) -> Plan {
        // Half of the calls fail at once; the others take 20 ms, one every 2 ms.
        assert!(sample.throughput() < 600.0);
        assert!(sample.late == 0 && sample.overloaded == 0);
        if sample.worked > 20 {
            assert!(sample.latency >= Duration::from_millis(17) && sample.latency <= Duration::from_millis(23));
            assert!(sample.fastest <= sample.latency);
            assert!(sample.calls > sample.worked);
        }
        self.begin(sample.limit + 1)
    }
}

#[tokio::test(start_paused = true)]
async fn an_algorithm_is_told_what_was_measured_and_obeyed() {
    let mut plant = Plant::new(100, 20, builder().algorithm(Asserting).max_limit(30).build().unwrap());
    plant.fails = 2;
    plant.run(500, 1.0).await;
    assert!((23..=25).contains(&plant.limit.limit()), "{}", plant.limit.limit());
    plant.run(2000, 1.0).await;
    assert_eq!(plant.limit.limit(), 30);
}

#[tokio::test(start_paused = true)]
async fn operators_can_look_at_it_and_bound_it() {
    let limit = builder().build().unwrap();
    let control: &dyn Control = &limit;
    assert_eq!(control.state(), "0 of 20 taken");
    control.configure("max_limit", "10").unwrap();
    assert_eq!(limit.limit(), 10);
    assert_eq!(limit.fresh().limit(), 10);
    let invalid = control.configure("min_limit", "11").unwrap_err();
    assert_eq!(invalid.field(), "max_limit");
    assert!(control.force("open").is_err());
    let patience = control.settings().into_iter().find(|setting| setting.name == "patience").unwrap();
    assert_eq!(patience.value, "1s");
}

#[test]
fn what_cannot_be_is_not_built() {
    let field = |builder: Builder| builder.build().unwrap_err().field();
    assert_eq!(field(builder().initial_limit(0)), "initial_limit");
    assert_eq!(field(builder().min_limit(0)), "min_limit");
    assert_eq!(field(builder().max_limit(1)), "max_limit");
    assert_eq!(field(builder().patience(Duration::ZERO)), "patience");
    assert!(Aimd::new(f64::NAN).is_err() && Aimd::new(1.0).is_err());
}

#[test]
fn defect_95_under_threads_every_slot_comes_back() {
    let limit = AdaptiveLimit::builder("threads").initial_limit(8).max_limit(8).build().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let limit = limit.clone();
            scope.spawn(move || {
                for call in 0..20_000 {
                    let now = Instant::now();
                    assert!(limit.in_flight() <= 8);
                    if let Ok(token) = limit.admit(&(), now) {
                        let outcome = if (call + thread) % 3 == 0 { Outcome::Failure } else { Outcome::Success };
                        limit.settle(token, &Ended::new(outcome, now, Instant::now()));
                    }
                }
            });
        }
    });
    assert_eq!(limit.in_flight(), 0);
}

#[derive(Clone, Debug)]
enum Op {
    Admit(u32),
    Settle(usize, Outcome),
    Undo(usize),
    Limit(usize),
    Pause(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let weight = prop_oneof![8 => 1..9_u32, 1 => select(vec![100, u32::MAX - 1, u32::MAX])];
    let outcomes = vec![Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];
    prop_oneof![
        5 => weight.prop_map(Op::Admit),
        4 => (any::<usize>(), select(outcomes)).prop_map(|(which, outcome)| Op::Settle(which, outcome)),
        1 => any::<usize>().prop_map(Op::Undo),
        1 => prop_oneof![6 => 1..20_usize, 1 => Just((u32::MAX >> 1) as usize)].prop_map(Op::Limit),
        2 => (0..2000_u64).prop_map(Op::Pause),
    ]
}

/// Wants what it has, so that the bounds alone say what the limit is.
#[derive(Clone)]
struct Fixed;

impl Algorithm for Fixed {
    fn begin(&mut self, limit: u32) -> Plan {
        Plan::limit(limit)
    }
    fn window(&mut self, sample: &Sample) -> Plan {
        // Nothing that was measured is impossible, whatever came.
        assert!(sample.slots >= sample.worked && sample.weight() >= 1.0);
        assert!(sample.worked == 0 || sample.latency <= sample.patience);
        Plan::limit(sample.limit)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A call comes in exactly when there is room for it or it would be alone; and what it took it gives back, whatever the
    /// limit has become. With and without weights, on the same limit.
    #[test]
    fn a_weighted_call_takes_and_gives_back_what_it_weighs(ops in prop::collection::vec(op(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let handle = builder().algorithm(Fixed).initial_limit(8).min_limit(8).max_limit(8).build().unwrap();
            let weighted = by_weight(&handle);
            let (mut limit, mut plain, mut held) = (8_u64, Vec::new(), Vec::new());
            for op in ops {
                let taken: u64 = held.iter().map(|(_, _, weight)| u64::from(*weight)).sum::<u64>() + plain.len() as u64;
                let now = Instant::now();
                let room = |weight: u32| taken == 0 || taken + u64::from(weight) <= limit;
                match op {
                    Op::Admit(1) => match handle.admit(&(), now) {
                        Ok(token) => {
                            prop_assert!(room(1));
                            plain.push((token, now));
                        }
                        Err(_) => prop_assert!(!room(1)),
                    },
                    Op::Admit(weight) => match weighted.admit(&weight, now) {
                        Ok(token) => {
                            prop_assert!(room(weight));
                            held.push((token, now, weight));
                        }
                        Err(rejected) => {
                            prop_assert!(!room(weight));
                            prop_assert_eq!(rejected.why(), Why::Full);
                        }
                    },
                    Op::Settle(which, outcome) if which % 2 == 0 && !plain.is_empty() => {
                        let (token, began) = plain.swap_remove(which / 2 % plain.len());
                        handle.settle(token, &Ended::new(outcome, began, now));
                    }
                    Op::Settle(which, outcome) if !held.is_empty() => {
                        let (token, began, _) = held.swap_remove(which / 2 % held.len());
                        weighted.settle(token, &Ended::new(outcome, began, now));
                    }
                    Op::Undo(which) if !held.is_empty() => {
                        weighted.undo(held.swap_remove(which % held.len()).0, now);
                    }
                    Op::Settle(..) | Op::Undo(_) => {}
                    Op::Limit(new) => {
                        handle.configure(|settings| settings.min_limit(new).max_limit(new)).unwrap();
                        limit = new as u64;
                    }
                    Op::Pause(millis) => advance(Duration::from_millis(millis)).await,
                }
                let taken: u64 = held.iter().map(|(_, _, weight)| u64::from(*weight)).sum::<u64>() + plain.len() as u64;
                prop_assert_eq!((u64::from(handle.limit()), u64::from(handle.in_flight())), (limit, taken));
            }
            Ok(())
        })?;
    }
}
