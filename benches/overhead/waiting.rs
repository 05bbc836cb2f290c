//! A slot becomes free, and the next in line takes it, while few and while many wait.
//!
//! For each that comes in a new one lines up, so the line stays as long as it is.

use std::{
    collections::VecDeque,
    future::{Pending, pending},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use cofferdam::{Bulkhead, Guard, Policy, Refused, bulkhead::Queue, waiting::Order};

use super::policies::context;
use crate::support::{subject::Subject, table::Table};

const FEW: usize = 10;
const MANY: usize = 10_000;

/// A short line first, as the unit.
pub(crate) fn table() -> Table {
    let few = Subject::calls("10 wait", turns(FEW));
    let many = Subject::calls("10,000 wait", turns(MANY)).bar(1.2);
    Table::new("one leaves, the next comes in, another one lines up", vec![few, many])
}

type Call = Pin<Box<dyn Future<Output = Result<(), Refused<()>>>>>;

fn call(guard: &Guard<Bulkhead<Queue>>) -> Call {
    let run: fn() -> Pending<Result<(), ()>> = pending;
    Box::pin(guard.call(&(), run))
}

fn turns(waiting: usize) -> impl FnMut(u64) {
    let builder = Bulkhead::builder("bench").limit(1).queue(waiting).max_wait(Duration::from_secs(3600));
    let slots = builder.order(Order::Fifo).build().expect("the settings are valid");
    let guard = slots.clone().layer();
    let mut running = call(&guard);
    let mut line: VecDeque<Call> = (0..waiting).map(|_| call(&guard)).collect();
    assert_eq!((slots.in_flight(), slots.waiting()), (1, waiting));
    move |_| {
        let next = line.pop_front().expect("somebody waits");
        drop(std::mem::replace(&mut running, next));
        assert!(matches!(running.as_mut().poll(&mut context()), Poll::Pending));
        line.push_back(call(&guard));
    }
}
