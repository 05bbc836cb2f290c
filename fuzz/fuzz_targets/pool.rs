//! Any sequence of calls, ends, pauses, shares that come and go, and sizes of a pool: what is in use is what has begun and has
//! not ended, nobody is refused within its own part of the pool, and guarantees are numbers.
#![no_main]

use std::{num::NonZeroU32, time::Duration};

use cofferdam::{Admit, Ended, Instant, Outcome, Policy, Pool, PoolShare, Why, pool::Taken};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};

#[derive(Arbitrary, Debug)]
enum Op {
    Call(u8),
    Calls(u8, u8),
    Heavy(u8, u32),
    Head(u8, u8),
    End(u8, u8, u8),
    Ends(u8, u8),
    Undo(u8, u8),
    Pause(u16),
    Sleep(u16),
    Resize(u8),
    Reset(u8),
    Leave(u8),
    Come(u8),
}

#[derive(Arbitrary, Debug)]
struct Input {
    slots: u8,
    shares: u8,
    ops: Vec<Op>,
}

const OUTCOMES: [Outcome; 5] =
    [Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A dependency with its calls in flight.
struct Dependency {
    share: PoolShare,
    open: Vec<Call>,
}

/// A call in flight.
struct Call {
    taken: Taken,
    weight: u32,
    began: Instant,
    head: Option<Instant>,
}

impl Dependency {
    fn call(&mut self, pool: &Pool, weight: u32, now: Instant) {
        match self.share.clone().weighted(|weight: &u32| NonZeroU32::new(*weight).expect("something")).admit(&weight, now) {
            Ok(taken) => self.open.push(Call { taken, weight, began: now, head: None }),
            Err(rejected) => {
                assert_eq!(rejected.why(), Why::Reserved);
                assert!(pool.shares() > 1, "a share alone is refused nothing");
            }
        }
    }

    fn end(&mut self, which: u8, outcome: u8, now: Instant) {
        if !self.open.is_empty() {
            let Call { taken, began, head, .. } = self.open.swap_remove(usize::from(which) % self.open.len());
            let mut ended = Ended::new(OUTCOMES[usize::from(outcome) % 5], began, now);
            ended.head = head;
            self.share.settle(taken, &ended);
        }
    }
}

/// Any of them, unless there is none.
fn one(all: &mut [Dependency], index: u8) -> Option<&mut Dependency> {
    let count = all.len().max(1);
    all.get_mut(usize::from(index) % count)
}

fn run(input: &Input) {
    let most = usize::from(input.shares) % NAMES.len() + 1;
    let pool = Pool::builder("fuzz").slots(usize::from(input.slots) + 1).max_shares(most).build().expect("it is valid");
    let mut all: Vec<Dependency> = Vec::new();
    let mut now = Instant::ORIGIN;
    for op in &input.ops {
        if let Op::Come(name) = op {
            let name = NAMES[usize::from(*name) % NAMES.len()];
            let is_known = all.iter().any(|dependency| dependency.share.name().as_str() == name);
            match pool.share(name) {
                Ok(_) if is_known => {}
                Ok(share) => all.push(Dependency { share, open: Vec::new() }),
                Err(_) => assert!(!is_known && all.len() == most),
            }
        }
        let count = all.len();
        match op {
            Op::Call(index) => _ = one(&mut all, *index).map(|one| one.call(&pool, 1, now)),
            Op::Calls(index, calls) => {
                _ = one(&mut all, *index).map(|one| (0..*calls).for_each(|_| one.call(&pool, 1, now)))
            }
            Op::Heavy(index, weight) => _ = one(&mut all, *index).map(|one| one.call(&pool, (*weight).max(1), now)),
            Op::Head(index, which) => {
                if let Some(Dependency { share, open }) = one(&mut all, *index)
                    && let Some(Call { taken, began, head: head @ None, .. }) = open.get_mut(usize::from(*which))
                {
                    *head = Some(now);
                    share.head(taken, *began, now);
                }
            }
            Op::End(index, which, outcome) => _ = one(&mut all, *index).map(|one| one.end(*which, *outcome, now)),
            Op::Ends(index, outcome) => {
                _ = one(&mut all, *index).map(|one| (0..one.open.len()).for_each(|_| one.end(0, *outcome, now)))
            }
            Op::Undo(index, which) => {
                if let Some(Dependency { share, open }) = one(&mut all, *index)
                    && let Some(call) = open.iter().skip(usize::from(*which)).position(|call| call.head.is_none())
                {
                    share.undo(open.swap_remove(usize::from(*which) + call).taken, now);
                }
            }
            Op::Pause(micros) => now = now.after(Duration::from_micros(u64::from(*micros))),
            Op::Sleep(millis) => now = now.after(Duration::from_millis(u64::from(*millis))),
            Op::Resize(slots) => pool.resize(usize::from(*slots) + 1).expect("it is valid"),
            Op::Reset(index) => _ = one(&mut all, *index).map(|one| one.share.reset()),
            Op::Leave(index) if count > 0 => {
                let Dependency { share, open } = all.swap_remove(usize::from(*index) % count);
                for Call { taken, began, head, .. } in open {
                    let mut ended = Ended::new(Outcome::Abandoned, began, now);
                    ended.head = head;
                    share.settle(taken, &ended);
                }
            }
            Op::Leave(_) | Op::Come(_) => {}
        }
        assert_eq!(pool.shares(), all.len());
        for Dependency { share, open } in &all {
            let weighs: u64 = open.iter().map(|call| u64::from(call.weight)).sum();
            assert_eq!(share.in_use(), u32::try_from(weighs).unwrap_or(u32::MAX));
            assert!(share.guaranteed().is_finite() && share.guaranteed() >= 1.0);
        }
    }
}

fuzz_target!(|input: Input| run(&input));
