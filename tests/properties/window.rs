//! The window of a breaker against a list of all calls there ever were.

use std::time::Duration;

use cofferdam::{Admit, CircuitBreaker, Ended, Instant, Outcome, Policy, breaker::Builder};
use proptest::{prelude::*, sample::select};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const YEAR: u64 = 365 * 24 * 3600 * SECOND;

fn at(nanos: u64) -> Instant {
    Instant::ORIGIN.after(Duration::from_nanos(nanos))
}

fn nanos(time: u64) -> Duration {
    Duration::from_nanos(time)
}

/// Counts, and never opens. A call is slow from 10 ms on.
fn counting() -> Builder {
    CircuitBreaker::builder("window")
        .failure_ratio(None)
        .consecutive_failures(None)
        .slow_calls(nanos(10 * MS), 1.0)
        .minimum_calls(1)
}

fn build(builder: Builder) -> CircuitBreaker {
    let breaker = builder.build().expect("the settings make sense");
    breaker.disable();
    breaker
}

#[derive(Clone, Copy, Debug)]
struct Call {
    at: u64,
    failed: bool,
    slow: bool,
}

fn count(breaker: &CircuitBreaker, call: Call) {
    let token = breaker.admit(&(), at(call.at)).expect("it never opens");
    let outcome = if call.failed { Outcome::Failure } else { Outcome::Success };
    let mut end = Ended::new(outcome, at(call.at), at(call.at));
    // At the very beginning of time there is no earlier moment at which a call could have begun.
    end.head = Some(at(call.at + if call.slow { 10 * MS } else { 10 * MS - 1 }));
    breaker.settle(token, &end);
}

/// Calls, failures and slow calls.
type Counted = (u64, u64, u64);

fn counted(breaker: &CircuitBreaker, now: u64) -> Counted {
    let counts = breaker.counts_at(at(now));
    (counts.calls, counts.failures, counts.slow)
}

fn sum<'a>(calls: impl Iterator<Item = &'a Call>) -> Counted {
    calls.fold((0, 0, 0), |sum, call| (sum.0 + 1, sum.1 + u64::from(call.failed), sum.2 + u64::from(call.slow)))
}

/// What the last so many calls come to.
fn newest(calls: &[Call], most: usize) -> Counted {
    sum(calls.iter().rev().take(most))
}

/// A step in time, then a call or only a look at the counts.
#[derive(Clone, Copy, Debug)]
struct Step {
    forward: u64,
    back: u64,
    call: Option<(bool, bool)>,
}

/// Steps of nothing, of a nanosecond, of parts of a bucket, of buckets and their edges, of windows and of years.
fn step(width: u64) -> impl Strategy<Value = Step> {
    let edges = vec![0, 0, 1, width / 3, width - 1, width, width + 1, 3 * width, 9 * width, 10 * width - 1, 10 * width];
    let forward = prop_oneof![20 => select(edges), 5 => 0..=width, 1 => select(vec![100 * width, YEAR])];
    let back = prop_oneof![9 => Just(0), 1 => select(vec![1, width / 2, width, 20 * width])];
    let call = prop_oneof![3 => any::<(bool, bool)>().prop_map(Some), 2 => Just(None)];
    (forward, back, call).prop_map(|(forward, back, call)| Step { forward, back, call })
}

fn widths() -> impl Strategy<Value = u64> {
    select(vec![MS / 10, 7_777_777, 100 * MS, SECOND, YEAR / 100])
}

fn calls(most: usize) -> impl Strategy<Value = Vec<Call>> {
    let call = any::<(bool, bool)>().prop_map(|(failed, slow)| Call { at: 0, failed, slow });
    prop::collection::vec(call, 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A call is counted as long as its bucket is one of the last ten. Time that goes back is the latest time there was.
    #[test]
    fn a_time_window_holds_the_last_ten_buckets(
        (width, steps) in widths().prop_flat_map(|width| (Just(width), prop::collection::vec(step(width), 1..150))),
        start in select(vec![0, 1, 1_000 * SECOND, 20 * YEAR]),
    ) {
        let breaker = build(counting().window(nanos(10 * width)));
        let (mut now, mut latest, mut calls) = (start, 0, Vec::new());
        for step in steps {
            // Time goes on, or back.
            now = now.saturating_add(step.forward).saturating_sub(step.back).min(500 * YEAR);
            latest = latest.max(now);
            // A call is counted at the latest time that was seen.
            if let Some((failed, slow)) = step.call {
                count(&breaker, Call { at: now, failed, slow });
                calls.push(Call { at: latest, failed, slow });
            }
            // The window holds what is in the last ten buckets.
            if step.call.is_none() {
                let held = calls.iter().filter(|call| latest / width - call.at / width < 10);
                prop_assert_eq!(counted(&breaker, now), sum(held));
            }
        }
        // Nothing is left of it when a whole window has gone by.
        prop_assert_eq!(counted(&breaker, latest + 10 * width), (0, 0, 0));
    }

    /// The last so many calls are counted, however long ago they were.
    #[test]
    fn a_window_of_calls_holds_exactly_the_last_ones(size in 1..70_u32, calls in calls(300), year in 0..400_u64) {
        let breaker = build(counting().window_calls(size));
        for counted_calls in 1..=calls.len() {
            count(&breaker, calls[counted_calls - 1]);
            let expected = newest(&calls[..counted_calls], size as usize);
            prop_assert_eq!(counted(&breaker, year * YEAR), expected);
        }
    }

    /// The size changes while calls are counted: the newest that fit are kept, in their order.
    #[test]
    fn a_window_of_calls_keeps_the_newest_when_its_size_changes(
        size in 1..70_u32,
        rounds in prop::collection::vec((1..70_u32, calls(90)), 1..6),
    ) {
        let breaker = build(counting().window_calls(size));
        let (mut all, mut size) = (Vec::new(), size as usize);
        for (new_size, calls) in rounds {
            for call in calls {
                count(&breaker, call);
                all.push(call);
            }
            // What a smaller window has dropped does not come back in a larger one.
            let held = all.len().min(size).min(new_size as usize);
            all.drain(..all.len() - held);
            breaker.configure(|settings| settings.window_calls(new_size)).unwrap();
            size = new_size as usize;
            prop_assert_eq!(counted(&breaker, 0), newest(&all, size));
        }
        // One call after another, the rest goes out in the order in which it came.
        for _ in 0..size {
            let good = Call { at: 0, failed: false, slow: false };
            count(&breaker, good);
            all.push(good);
            prop_assert_eq!(counted(&breaker, 0), newest(&all, size));
        }
    }

    /// The length changes while calls are counted: nothing is lost at once, nothing is counted twice, and all of it is
    /// gone after a window of the new length.
    #[test]
    fn a_time_window_keeps_what_it_holds_when_its_length_changes(
        lengths in (1..1_000_u64, 1..1_000_u64),
        calls in calls(50),
        // The clock that the change reads is later than this.
        start in 0..3_000 * SECOND,
    ) {
        let (old, new) = (lengths.0 * MS, lengths.1 * MS);
        let breaker = build(counting().window(nanos(old)));
        for call in &calls {
            count(&breaker, Call { at: start, ..*call });
        }
        // Nothing changes by the change itself.
        breaker.configure(|settings| settings.window(nanos(new))).unwrap();
        prop_assert_eq!(counted(&breaker, start), sum(calls.iter()));
        // It stays for nine tenths of the shorter of the two, and is gone after both of them.
        prop_assert_eq!(counted(&breaker, start + old.min(new) / 10 * 8), sum(calls.iter()));
        prop_assert_eq!(counted(&breaker, start + old + new), (0, 0, 0));
        // And counts on at the new pace.
        let now = start + 10 * (old + new);
        let call = Call { at: now / new * new, failed: true, slow: false };
        count(&breaker, call);
        prop_assert_eq!(counted(&breaker, call.at), (1, 1, 0));
        prop_assert_eq!(counted(&breaker, call.at + new / 10 * 9), (1, 1, 0));
        prop_assert_eq!(counted(&breaker, call.at + new), (0, 0, 0));
    }

    /// From time to calls and back: each begins afresh.
    #[test]
    fn another_kind_of_window_begins_afresh(first in calls(40), second in calls(40), third in calls(40), size in 1..30_u32) {
        let breaker = build(counting().window(nanos(10 * SECOND)));
        first.iter().for_each(|call| count(&breaker, *call));
        prop_assert_eq!(counted(&breaker, 0), sum(first.iter()));

        breaker.configure(|settings| settings.window_calls(size)).unwrap();
        prop_assert_eq!(counted(&breaker, 0), (0, 0, 0));
        second.iter().for_each(|call| count(&breaker, *call));
        prop_assert_eq!(counted(&breaker, 0), newest(&second, size as usize));

        breaker.configure(|settings| settings.window(nanos(10 * SECOND))).unwrap();
        prop_assert_eq!(counted(&breaker, 0), (0, 0, 0));
        third.iter().for_each(|call| count(&breaker, *call));
        prop_assert_eq!(counted(&breaker, 0), sum(third.iter()));

        // Nothing of the second time comes back either.
        breaker.configure(|settings| settings.window_calls(size)).unwrap();
        prop_assert_eq!(counted(&breaker, 0), (0, 0, 0));
    }
}

/// The largest window there may be fills to the last call, and forgets from then on.
#[test]
fn a_window_of_a_million_calls_is_exact_too() {
    let breaker = build(counting().window_calls(1 << 20));
    let bad = Call { at: 0, failed: true, slow: true };
    (0..1 << 20).for_each(|_| count(&breaker, bad));
    assert_eq!(counted(&breaker, 0), (1 << 20, 1 << 20, 1 << 20));
    // Ten more: ten bad ones give way to good ones.
    (0..10).for_each(|_| count(&breaker, Call { failed: false, slow: false, ..bad }));
    assert_eq!(counted(&breaker, 0), (1 << 20, (1 << 20) - 10, (1 << 20) - 10));
}

/// A reset empties either window, and it counts on.
#[test]
fn a_reset_empties_the_window() {
    for builder in [counting(), counting().window_calls(5)] {
        let breaker = build(builder);
        let bad = Call { at: 0, failed: true, slow: true };
        (0..7).for_each(|_| count(&breaker, bad));
        breaker.reset();
        assert_eq!(counted(&breaker, 0), (0, 0, 0));
        breaker.disable();
        (0..2).for_each(|_| count(&breaker, bad));
        assert_eq!(counted(&breaker, 0), (2, 2, 2));
    }
}
