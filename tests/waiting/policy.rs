//! A policy of our own with a line of its own, written with what is public: the highest rank goes first.
#![cfg(feature = "test-util")]

use std::{
    future::{pending, ready},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use cofferdam::{
    Admit, Deadline, Ended, Guard, Instant, Name, Outcome, Policy, Rejected, Timing, Waiting, Why, guard,
    waiting::{Capacity, Claim, Order, Place, Room, Turned},
};

use crate::support::{CountingWaker, poll, poll_with};

/// So many tokens, those of them that are taken, and whether somebody waits.
#[derive(Debug, Default)]
struct Tokens {
    all: u32,
    taken: u32,
    waited_for: bool,
}

#[derive(Debug)]
struct Pool(Mutex<Tokens>);

impl Capacity for Pool {
    fn take(&self, weight: u32) -> Option<u32> {
        let mut tokens = self.0.lock().unwrap();
        let weight = weight.min(tokens.all);
        (tokens.taken + weight <= tokens.all).then(|| {
            tokens.taken += weight;
            weight
        })
    }

    fn offer(&self, weight: u32, promised: u32) -> Option<u32> {
        let tokens = self.0.lock().unwrap();
        let weight = weight.min(tokens.all);
        (tokens.taken + promised + weight <= tokens.all).then_some(weight)
    }

    fn waited_for(&self, by_somebody: bool) {
        self.0.lock().unwrap().waited_for = by_somebody;
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Ask {
    rank: u64,
    deadline: Option<Deadline>,
}

static NOBODY: Ask = Ask { rank: 0, deadline: None };

#[derive(Clone, Debug)]
struct ByRank(Arc<Room<Pool>>);

impl ByRank {
    fn new(tokens: u32, length: usize) -> Self {
        let pool = Pool(Mutex::new(Tokens { all: tokens, ..Tokens::default() }));
        let wait = Duration::from_millis(100);
        Self(Arc::new(Room::new(Name::new("ranks").unwrap(), pool, length, wait, Order::Fifo)))
    }

    fn taken(&self) -> u32 {
        self.0.capacity().0.lock().unwrap().taken
    }

    fn give_back(&self, taken: u32) {
        let waited_for = {
            let mut tokens = self.0.capacity().0.lock().unwrap();
            tokens.taken -= taken;
            tokens.waited_for
        };
        if waited_for {
            self.0.advance();
        }
    }
}

impl Policy for ByRank {
    type Kind = Waiting;
    type Token = u32;

    const TIMING: Timing = Timing::Unused;

    fn settle(&self, taken: u32, _: &Ended) {
        self.give_back(taken);
    }

    fn undo(&self, taken: u32, _: Instant) {
        self.give_back(taken);
    }
}

impl Admit<Ask> for ByRank {
    fn admit(&self, ask: &Ask, now: Instant) -> Result<u32, Rejected> {
        self.enter(ask, now, &mut None).map_err(|turned| match turned {
            Turned::Away(rejected) => rejected,
            Turned::Wait(place) => Rejected::new(place.by(), Why::Full),
        })
    }

    fn enter(&self, ask: &Ask, _: Instant, place: &mut Option<Place>) -> Result<u32, Turned> {
        self.0.enter(Claim { weight: 1, rank: ask.rank, deadline: ask.deadline, start_by: None }, place)
    }
}

fn call(guard: &Guard<ByRank>, rank: u64) -> std::pin::Pin<Box<impl Future<Output = Result<u64, Why>> + use<>>> {
    let (guard, ask) = (guard.clone(), Ask { rank, deadline: None });
    let mut call = Box::pin(async move {
        let answer = guard.call(&ask, || ready(Ok::<_, ()>(ask.rank))).await;
        answer.map_err(|refused| refused.rejected().unwrap().why())
    });
    // It takes its place when it is polled first.
    assert!(poll(call.as_mut()).is_pending());
    call
}

#[tokio::test(start_paused = true)]
async fn the_highest_rank_goes_first_and_within_a_rank_the_one_who_came_first() {
    let policy = ByRank::new(1, 8);
    let guard = guard(policy.clone());
    let held = guard.call(&NOBODY, pending::<Result<(), ()>>);
    let wakers: Vec<_> = (0..5).map(|_| Arc::new(CountingWaker::default())).collect();
    let mut calls: Vec<_> = [2, 1, 3, 2, 3].map(|rank| call(&guard, rank)).into();
    for (call, waker) in calls.iter_mut().zip(&wakers) {
        assert!(poll_with(call.as_mut(), waker).is_pending());
    }
    drop(held);
    for which in [2, 4, 0, 3, 1] {
        for (other, waker) in wakers.iter().enumerate() {
            assert!(waker.wakes() <= 1 && (waker.wakes() == 1 || other != which), "{other} at the turn of {which}");
        }
        assert!(matches!(poll(calls[which].as_mut()), Poll::Ready(Ok(_))), "{which}");
    }
    assert_eq!((policy.taken(), policy.0.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_higher_rank_takes_the_place_of_the_lowest_when_the_room_is_full() {
    let policy = ByRank::new(1, 2);
    let guard = guard(policy.clone());
    let held = guard.call(&NOBODY, pending::<Result<(), ()>>);
    let (low, mut middle) = (call(&guard, 1), call(&guard, 2));
    // Of the same rank, or a lower one, nobody gets in.
    for rank in [0, 1] {
        let ask = Ask { rank, deadline: None };
        let refused = guard.call(&ask, || ready(Ok::<_, ()>(()))).await.unwrap_err();
        assert_eq!(refused.rejected().unwrap().why(), Why::Full);
    }
    let mut high = call(&guard, 3);
    assert_eq!(low.await, Err(Why::Displaced));
    assert_eq!(policy.0.waiting(), 2);
    drop(held);
    assert!(poll(middle.as_mut()).is_pending());
    assert_eq!(poll(high.as_mut()), Poll::Ready(Ok(3)));
    assert_eq!(poll(middle.as_mut()), Poll::Ready(Ok(2)));
    assert_eq!((policy.taken(), policy.0.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_beyond_its_deadline() {
    let policy = ByRank::new(1, 2);
    let guard = guard(policy.clone());
    let _held = guard.call(&NOBODY, pending::<Result<(), ()>>);
    for (millis, expected) in [(0, 0), (30, 30), (500, 100)] {
        let deadline = Some(Deadline::after(Duration::from_millis(millis)));
        let ask = Ask { rank: 0, deadline };
        let before = Instant::now();
        let refused = guard.call(&ask, || ready(Ok::<_, ()>(()))).await.unwrap_err();
        let why = if millis == 500 { Why::Waited } else { Why::Expired };
        assert_eq!(refused.rejected().unwrap().why(), why);
        let took = Instant::now().since(before);
        assert!(took >= Duration::from_millis(expected) && took <= Duration::from_millis(expected + 1), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_at_once_leaves_no_place_behind() {
    let policy = ByRank::new(1, 1);
    let token = policy.admit(&Ask::default(), Instant::ORIGIN).unwrap();
    for _ in 0..3 {
        assert_eq!(policy.admit(&Ask::default(), Instant::ORIGIN).unwrap_err().why(), Why::Full);
        assert_eq!(policy.0.waiting(), 0);
    }
    policy.settle(token, &Ended::new(Outcome::Success, Instant::ORIGIN, Instant::ORIGIN));
    assert!(policy.admit(&Ask::default(), Instant::ORIGIN).is_ok());
}
