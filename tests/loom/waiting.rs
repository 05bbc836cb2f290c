//! Releases, waiters and those who leave.

use std::num::NonZeroU32;

use std::future::{Ready, pending, ready};

use cofferdam::{Bulkhead, Guard, Policy, Refused, Weighted, bulkhead::Queue, waiting::Order};
use loom::thread;

use super::{beside, explore, finish};

type Weigh = fn(&u32) -> NonZeroU32;
type Slots = Weighted<Bulkhead<Queue>, Weigh>;

fn slots(limit: usize) -> (Bulkhead<Queue>, Guard<Slots>) {
    let slots = Bulkhead::builder("loom").limit(limit).queue(4).order(Order::Fifo).build().unwrap();
    (slots.clone(), slots.weighted((|weight| NonZeroU32::new(*weight).expect("something")) as Weigh).layer())
}

type Outcome = Result<(), Refused<()>>;

/// A call that runs until it is dropped.
fn holds(guard: &Guard<Slots>, weight: &'static u32) -> impl Future<Output = Outcome> + Send + 'static {
    guard.call(weight, pending::<Result<(), ()>>)
}

/// A call that ends when it is let in.
fn passes(guard: &Guard<Slots>, weight: &'static u32) -> impl Future<Output = Outcome> + Send + 'static {
    guard.call(weight, || -> Ready<Result<(), ()>> { ready(Ok(())) })
}

fn is_quiet(slots: &Bulkhead<Queue>) {
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
    // And nobody is thought to wait: a slot is had without the line.
    assert!(cofferdam::Admit::admit(slots, &(), cofferdam::Instant::ORIGIN).is_ok());
}

/// The slot becomes free while somebody lines up for it.
#[test]
fn a_release_and_a_newcomer_do_not_miss_each_other() {
    explore(4, || {
        let (slots, guard) = slots(1);
        let held = holds(&guard, &1);
        let releases = thread::spawn(move || drop(held));
        assert_eq!(finish(passes(&guard, &1)), Ok(()));
        releases.join().unwrap();
        is_quiet(&slots);
    });
}

/// The slot becomes free, the one who waits for it leaves, and another one comes.
#[test]
fn a_turn_that_comes_to_one_who_leaves_goes_to_the_next() {
    explore(3, || {
        let (slots, guard) = slots(1);
        let held = holds(&guard, &1);
        let leaves = passes(&guard, &1);
        let threads = [thread::spawn(move || drop(held)), thread::spawn(move || drop(leaves))];
        assert_eq!(finish(passes(&guard, &1)), Ok(()));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        is_quiet(&slots);
    });
}

/// Two slots become free at a time, for two who wait.
#[test]
fn two_releases_serve_two_waiters() {
    explore(3, || {
        let (slots, guard) = slots(2);
        let (a, b) = (holds(&guard, &1), holds(&guard, &1));
        let (first, second) = (passes(&guard, &1), passes(&guard, &1));
        let releases = thread::spawn(move || drop(a));
        let other = thread::spawn(move || {
            drop(b);
            assert_eq!(finish(second), Ok(()));
        });
        assert_eq!(finish(first), Ok(()));
        releases.join().unwrap();
        other.join().unwrap();
        is_quiet(&slots);
    });
}

/// A call that asks for all there is waits, while that becomes less and what is taken becomes free.
#[test]
fn a_heavy_waiter_is_served_while_the_limit_changes() {
    explore(3, || {
        let (slots, guard) = slots(2);
        let held = holds(&guard, &2);
        let heavy = passes(&guard, &2);
        let resizes = beside(&slots, move |slots| slots.resize(1).unwrap());
        let releases = thread::spawn(move || drop(held));
        assert_eq!(finish(heavy), Ok(()));
        releases.join().unwrap();
        resizes.join().unwrap();
        is_quiet(&slots);
    });
}

/// Two who were called find less than was kept for them: both are served, one after the other.
#[test]
fn those_who_were_called_in_vain_are_called_again() {
    explore(3, || {
        let (slots, guard) = slots(2);
        let held = holds(&guard, &2);
        let (first, second) = (passes(&guard, &1), passes(&guard, &1));
        drop(held);
        let other = thread::spawn(move || assert_eq!(finish(second), Ok(())));
        slots.resize(1).unwrap();
        assert_eq!(finish(first), Ok(()));
        other.join().unwrap();
        is_quiet(&slots);
    });
}
