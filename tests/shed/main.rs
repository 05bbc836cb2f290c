//! Load shedding: who comes in, who waits, who goes, and when.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

mod algorithms;
mod order;
mod signals;
mod weights;

use std::{
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};
use cofferdam::{
    AdaptiveLimit, Admit, Context, Control, Criticality, Deadline, Guard, Instant, LoadShed, Policy, Refused, TaskKey,
    Why,
    context::{CarriedDeadline, CarriedRank, Rank, RankSource},
    guard,
    limit::Knee,
    shed::{Gauge, SchedulerLag, Signal},
};
use futures_util::poll;
use proptest::prelude::*;
use tokio::{sync::oneshot, time::advance};

#[derive(Clone, Debug)]
struct Ask {
    class: Criticality,
    deadline: Option<Deadline>,
    health: bool,
}

impl Ask {
    fn of(class: Criticality) -> Self {
        Self { class, deadline: None, health: false }
    }

    fn within(class: Criticality, millis: u64) -> Self {
        Self { deadline: Some(Deadline::after(Duration::from_millis(millis))), ..Self::of(class) }
    }
}

impl Context for Ask {
    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }
    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = Some(deadline);
    }
    fn criticality(&self) -> Option<Criticality> {
        Some(self.class)
    }
    fn is_health_check(&self) -> bool {
        self.health
    }
}

type Shed = LoadShed<Knee, CarriedDeadline, CarriedRank>;

type Answer = Result<u32, Refused<()>>;

type Call = Pin<Box<dyn Future<Output = Answer>>>;

fn limit(slots: usize) -> AdaptiveLimit<Knee, CarriedDeadline> {
    let limit = AdaptiveLimit::builder("shed").initial_limit(slots).min_limit(slots).max_limit(slots);
    limit.patience(Duration::from_secs(10)).deadline().build().unwrap()
}

fn shed(slots: usize) -> Shed {
    LoadShed::builder(limit(slots)).build().unwrap()
}

/// A call that ends when it is told to.
fn call(shed: &Shed, ask: Ask) -> (oneshot::Sender<()>, Call) {
    let (ends, ended) = oneshot::channel();
    let guard: Guard<Shed> = guard(shed.clone());
    let call = async move {
        let make = || async {
            let _ = ended.await;
            Ok(1)
        };
        guard.call(&ask, make).await
    };
    (ends, Box::pin(call))
}

/// How many of each class are served one by one, while two of each come meanwhile.
async fn served(shed: &Shed, rounds: u32) -> [u32; 2] {
    let mut served = [0, 0];
    let mut open: Vec<(usize, Arc<AtomicU64>, Call)> = Vec::new();
    for _ in 0..rounds {
        for (class, ask) in [Ask::of(CriticalPlus), Ask::of(Sheddable)].into_iter().enumerate() {
            let state = Arc::new(AtomicU64::new(0));
            let (runs, guard) = (Arc::clone(&state), guard(shed.clone()));
            let call = async move {
                // It runs from its first poll on, until it is polled a second time.
                let make = || {
                    std::future::poll_fn(|_| {
                        if runs.fetch_add(1, Ordering::Relaxed) > 0 { Poll::Ready(Ok(1)) } else { Poll::Pending }
                    })
                };
                guard.call(&ask, make).await
            };
            open.push((class, state, Box::pin(call)));
        }
        let mut still = Vec::new();
        for (class, state, mut call) in open {
            match poll!(&mut call) {
                Poll::Pending => still.push((class, state, call)),
                Poll::Ready(answer) => served[class] += u32::from(answer.is_ok()),
            }
        }
        open = still;
    }
    served
}

fn admit(shed: &Shed, class: Criticality) -> Option<<Shed as Policy>::Token> {
    shed.admit(&Ask::of(class), Instant::now()).ok()
}

/// The share of a class that is let in within a tenth of a second.
async fn share(shed: &Shed, class: Criticality) -> f64 {
    let mut good = 0;
    for _ in 0..100 {
        for other in [CriticalPlus, Critical, SheddablePlus, Sheddable] {
            if let Some(token) = admit(shed, other) {
                good += u32::from(other == class);
                shed.undo(token, Instant::now());
            }
        }
        advance(Duration::from_millis(1)).await;
    }
    f64::from(good) / 100.0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes and goes: nobody waits while a slot is free, nobody is let in ahead of one who matters more, and in the
    /// end all is given back.
    #[test]
    fn whoever_is_let_in_mattered_most(steps in prop::collection::vec((0..3_u8, 0..4_usize, 0..8_usize), 0..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let shed: Shed = LoadShed::builder(limit(2)).max_queue(5).build().unwrap();
            let mut running: Vec<(Criticality, oneshot::Sender<()>, Call)> = Vec::new();
            let mut waiting = Vec::new();
            for (what, class, which) in steps {
                match what {
                    0 | 1 => {
                        let class = Criticality::ALL[class];
                        let (ends, mut call) = call(&shed, Ask::of(class));
                        let before = shed.limit().in_flight();
                        if poll!(&mut call).is_pending() {
                            let runs = shed.limit().in_flight() > before;
                            if runs { &mut running } else { &mut waiting }.push((class, ends, call));
                        }
                    }
                    _ if which < running.len() => drop(running.remove(which)),
                    _ if which < waiting.len() => drop(waiting.remove(which)),
                    _ => {}
                }
                // Those whose turn has come, and those who lost their place.
                let highest = waiting.iter().map(|(class, ..)| *class).max();
                let mut still = Vec::new();
                for (class, ends, mut call) in waiting {
                    let before = shed.limit().in_flight();
                    match poll!(&mut call) {
                        Poll::Pending if shed.limit().in_flight() > before => {
                            prop_assert_eq!(Some(class), highest);
                            running.push((class, ends, call));
                        }
                        Poll::Pending => still.push((class, ends, call)),
                        Poll::Ready(answer) => prop_assert!(answer.is_err()),
                    }
                }
                waiting = still;
                prop_assert!(waiting.is_empty() || shed.limit().in_flight() == 2);
                prop_assert_eq!(shed.limit().in_flight() as usize, running.len());
                prop_assert_eq!(shed.waiting(), waiting.len());
                prop_assert!(waiting.len() <= 5);
            }
            drop((running, waiting));
            prop_assert_eq!((shed.waiting(), shed.limit().in_flight()), (0, 0));
            Ok(())
        })?;
    }
}
