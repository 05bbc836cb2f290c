//! What the example does, with its figures asserted, against the real servers.
#![allow(dead_code, unreachable_pub)] // the example is also a program

#[path = "../examples/postgres_redis.rs"]
mod example;

use std::{
    sync::atomic::{AtomicI32, Ordering},
    time::{Duration, Instant},
};

use cofferdam::{BreakerState, Refused, Why};
use cofferdam_servers::Server;
use example::{Shop, until_it_is_up};

async fn open() -> (Server, Server, Shop) {
    let (postgres, redis) = (Server::postgres().unwrap(), Server::redis().unwrap());
    let shop = Shop::open(&postgres, &redis).await.unwrap();
    until_it_is_up(|| shop.stock(1)).await.unwrap();
    shop.database().reset();
    (postgres, redis, shop)
}

/// Asks for something that is not in the cache, until the breaker is in that state.
async fn until(shop: &Shop, state: BreakerState) -> Vec<(Result<i64, Why>, Duration)> {
    let (begun, mut answers) = (Instant::now(), Vec::new());
    while shop.database().state() != state {
        assert!(begun.elapsed() < Duration::from_secs(30), "the breaker is {}", shop.database().state());
        answers.extend(ask(shop, 8).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    answers
}

/// So many at once: what became of them, and how long it took. A failure of the query itself is a timeout.
async fn ask(shop: &Shop, calls: i32) -> Vec<(Result<i64, Why>, Duration)> {
    static NEXT: AtomicI32 = AtomicI32::new(1000);
    let call = |_| {
        let shop = shop.clone();
        tokio::spawn(async move {
            let begun = Instant::now();
            let item = NEXT.fetch_add(1, Ordering::Relaxed);
            let answer = shop.stock(item).await.map_err(|refused| match refused {
                Refused::Rejected(rejected) => rejected.why(),
                Refused::Inner(_) => Why::TimedOut,
            });
            (answer, begun.elapsed())
        })
    };
    let mut answers = Vec::new();
    for call in (0..calls).map(call).collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_costs_its_callers_nothing_and_is_back_when_it_goes_on() {
    let (postgres, _redis, shop) = open().await;
    assert!(ask(&shop, 8).await.iter().all(|(answer, _)| answer.is_ok()));

    postgres.stop();
    until(&shop, BreakerState::Open).await;
    let answers = ask(&shop, 50).await;
    let rejected = answers.iter().filter(|(answer, _)| *answer == Err(Why::Open)).count();
    assert!(rejected >= 49, "{rejected} of 50 were rejected at once");

    postgres.go_on();
    let answers = until(&shop, BreakerState::Closed).await;
    assert!(answers.iter().any(|(answer, _)| answer.is_ok()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(ask(&shop, 8).await.iter().all(|(answer, _)| answer.is_ok()));
    assert_eq!(shop.slots().in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_that_hangs_is_left_out() {
    let (_postgres, redis, shop) = open().await;
    redis.stop();
    for _ in 0..4 {
        assert!(ask(&shop, 8).await.iter().all(|(answer, _)| answer.is_ok()), "the database answers for it");
    }
    assert_ne!(shop.cache().state(), BreakerState::Closed);
    assert_eq!(shop.database().state(), BreakerState::Closed);

    redis.go_on();
    let begun = Instant::now();
    while shop.cache().state() != BreakerState::Closed {
        assert!(begun.elapsed() < Duration::from_secs(30));
        ask(&shop, 8).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_and_started_again_is_found_again() {
    let (mut postgres, _redis, shop) = open().await;
    postgres.kill();
    until(&shop, BreakerState::Open).await;
    postgres.restart().unwrap();
    until(&shop, BreakerState::Closed).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(ask(&shop, 8).await.iter().all(|(answer, _)| answer.is_ok()));
    assert_eq!(shop.slots().in_flight(), 0);
}
