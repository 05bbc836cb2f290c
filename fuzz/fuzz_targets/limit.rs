//! Any sequence of calls with and without weights, of ends, pauses and other bounds under an adaptive limit, by each algorithm:
//! the limit stays within its bounds, what is in flight is what has begun and has not ended, and whoever is heavier than the limit
//! runs alone.
#![no_main]

use std::{cell::RefCell, num::NonZeroU32, time::Duration};

use cofferdam::{
    AdaptiveLimit, Admit, Ended, Instant, Outcome, Policy,
    limit::{Aimd, Algorithm, Gradient, Gradient2, Knee, Vegas},
};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::advance,
};

#[derive(Arbitrary, Debug)]
enum Op {
    Call,
    Calls(u8),
    Heavy(u32),
    Light(u8),
    EndHeavy(u8, u8),
    UndoHeavy(u8),
    AtMost(u8),
    End(u8, u8),
    Ends(u8),
    Undo(u8),
    Pause(u16),
}

#[derive(Arbitrary, Debug)]
struct Input {
    algorithm: u8,
    least: u8,
    most: u8,
    patience: u16,
    ops: Vec<Op>,
}

thread_local! {
    /// Its clock goes on from one input to the next.
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime starts"));
}

const OUTCOMES: [Outcome; 5] =
    [Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];

async fn run<A: Algorithm>(input: &Input, algorithm: A) {
    let (least, mut most) = (u32::from(input.least) + 1, u32::from(input.least) + u32::from(input.most) + 1);
    let builder =
        AdaptiveLimit::builder("fuzz").algorithm(algorithm).min_limit(least as usize).max_limit(most as usize);
    let limit = builder.patience(Duration::from_millis(u64::from(input.patience) + 1)).build().expect("it is valid");
    let weighted = limit.clone().weighted(|weight: &NonZeroU32| *weight);
    let (mut open, mut heavy) = (Vec::new(), Vec::new());
    let call = |open: &mut Vec<_>| {
        let now = Instant::now();
        // A probe may hold back some of them, and a limit that came down is still exceeded by what began before.
        if let Ok(token) = limit.admit(&(), now) {
            open.push((token, now));
            assert!(limit.in_flight() <= limit.limit());
        }
    };
    let call_weighing = |heavy: &mut Vec<_>, weight: u32| {
        let (now, before) = (Instant::now(), limit.in_flight());
        let Some(weight) = NonZeroU32::new(weight) else { return };
        match weighted.admit(&weight, now) {
            Ok(token) => {
                assert!(before == 0 || limit.in_flight() <= limit.limit(), "{weight} beside {before}");
                assert_eq!(limit.in_flight() - before, weight.get());
                heavy.push((token, weight.get(), now));
            }
            Err(_) => assert!(before > 0, "{weight} is kept out by nobody"),
        }
    };
    for op in &input.ops {
        match op {
            Op::Call => call(&mut open),
            Op::Calls(count) => (0..*count).for_each(|_| call(&mut open)),
            Op::Heavy(weight) => call_weighing(&mut heavy, *weight),
            Op::Light(weight) => call_weighing(&mut heavy, u32::from(*weight) % 16),
            Op::EndHeavy(which, outcome) if !heavy.is_empty() => {
                let (token, _, began) = heavy.swap_remove(usize::from(*which) % heavy.len());
                weighted.settle(token, &Ended::new(OUTCOMES[usize::from(*outcome) % 5], began, Instant::now()));
            }
            Op::UndoHeavy(which) if !heavy.is_empty() => {
                weighted.undo(heavy.swap_remove(usize::from(*which) % heavy.len()).0, Instant::now());
            }
            Op::AtMost(more) => {
                most = least + u32::from(*more);
                limit.configure(|settings| settings.max_limit(most as usize)).expect("it is valid");
            }
            Op::End(which, outcome) if !open.is_empty() => {
                let (token, began) = open.swap_remove(usize::from(*which) % open.len());
                limit.settle(token, &Ended::new(OUTCOMES[usize::from(*outcome) % 5], began, Instant::now()));
            }
            Op::Ends(outcome) => {
                for (token, began) in open.drain(..) {
                    limit.settle(token, &Ended::new(OUTCOMES[usize::from(*outcome) % 5], began, Instant::now()));
                }
            }
            Op::Undo(which) if !open.is_empty() => {
                limit.undo(open.swap_remove(usize::from(*which) % open.len()).0, Instant::now());
            }
            Op::Pause(millis) => advance(Duration::from_millis(u64::from(*millis))).await,
            Op::End(..) | Op::Undo(_) | Op::EndHeavy(..) | Op::UndoHeavy(_) => {}
        }
        assert!((least..=most).contains(&limit.limit()), "{} is not {least} to {most}", limit.limit());
        let weights: u64 = heavy.iter().map(|(_, weight, _)| u64::from(*weight)).sum();
        assert_eq!(u64::from(limit.in_flight()), open.len() as u64 + weights);
    }
}

fuzz_target!(|input: Input| {
    RUNTIME.with_borrow_mut(|runtime| {
        runtime.block_on(async {
            match input.algorithm % 5 {
                0 => run(&input, Aimd::default()).await,
                1 => run(&input, Vegas::default()).await,
                2 => run(&input, Gradient::default()).await,
                3 => run(&input, Gradient2::default()).await,
                _ => run(&input, Knee::default()).await,
            }
        });
    });
});
