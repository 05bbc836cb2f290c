//! Load shedding: who comes in, who waits, who goes, and when.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

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

use Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};

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

/// One that runs, and holds the only slot.
async fn busy(shed: &Shed) -> (oneshot::Sender<()>, Call) {
    let (ends, mut runs) = call(shed, Ask::of(Critical));
    assert!(poll!(&mut runs).is_pending());
    assert_eq!(shed.limit().in_flight(), 1);
    (ends, runs)
}

fn why(answer: Poll<Answer>) -> Option<Why> {
    match answer {
        Poll::Ready(Err(Refused::Rejected(rejected))) => Some(rejected.why()),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn what_matters_most_goes_first_whenever_it_came() {
    let shed = shed(1);
    let (ends, mut runs) = busy(&shed).await;
    let (low_ends, mut low) = call(&shed, Ask::of(Sheddable));
    assert!(poll!(&mut low).is_pending());
    let (high_ends, mut high) = call(&shed, Ask::of(CriticalPlus));
    assert!(poll!(&mut high).is_pending());
    assert_eq!(shed.waiting(), 2);

    ends.send(()).unwrap();
    assert!(matches!(poll!(&mut runs), Poll::Ready(Ok(1))));
    assert!(poll!(&mut low).is_pending() && poll!(&mut high).is_pending());
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (1, 1));
    high_ends.send(()).unwrap();
    assert!(matches!(poll!(&mut high), Poll::Ready(Ok(1))));
    assert!(poll!(&mut low).is_pending());
    low_ends.send(()).unwrap();
    assert!(matches!(poll!(&mut low), Poll::Ready(Ok(1))));
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_line_makes_room_for_what_matters_more_and_turns_the_rest_away() {
    let shed: Shed = LoadShed::builder(limit(1)).max_queue(2).build().unwrap();
    let (_ends, _runs) = busy(&shed).await;
    let (_, mut first) = call(&shed, Ask::of(SheddablePlus));
    let (_, mut second) = call(&shed, Ask::of(Critical));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());

    let (_, mut lower) = call(&shed, Ask::of(Sheddable));
    assert_eq!(why(poll!(&mut lower)), Some(Why::Shed));
    let (_, mut higher) = call(&shed, Ask::of(CriticalPlus));
    assert!(poll!(&mut higher).is_pending());
    assert_eq!(why(poll!(&mut first)), Some(Why::Displaced));
    assert_eq!(shed.waiting(), 2);
    assert!((shed.saturation() - 1.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_the_line_leave_nothing_behind() {
    let shed = shed(1);
    let (ends, mut runs) = busy(&shed).await;
    for _ in 0..100 {
        let (_, mut waits) = call(&shed, Ask::of(Critical));
        assert!(poll!(&mut waits).is_pending());
    }
    assert_eq!(shed.waiting(), 0);
    ends.send(()).unwrap();
    assert!(poll!(&mut runs).is_ready());
    assert_eq!(shed.limit().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn defect_165_what_cannot_be_done_in_time_is_not_begun() {
    let shed = shed(1);
    // It learns that a call takes 100 ms.
    for _ in 0..40 {
        let (ends, mut runs) = call(&shed, Ask::within(Critical, 1000));
        assert!(poll!(&mut runs).is_pending());
        advance(Duration::from_millis(100)).await;
        ends.send(()).unwrap();
        assert!(poll!(&mut runs).is_ready());
    }
    let (_ends, _runs) = busy(&shed).await;
    // Of 300 ms, a call that is grave can wait for 200, and one that matters less for 100.
    let (_, mut grave) = call(&shed, Ask::within(CriticalPlus, 300));
    let (_, mut low) = call(&shed, Ask::within(Sheddable, 300));
    assert!(poll!(&mut grave).is_pending() && poll!(&mut low).is_pending());
    advance(Duration::from_millis(110)).await;
    assert_eq!(why(poll!(&mut low)), Some(Why::Shed));
    assert!(poll!(&mut grave).is_pending());
    advance(Duration::from_millis(100)).await;
    assert_eq!(why(poll!(&mut grave)), Some(Why::Shed));

    let (_, mut too_late) = call(&shed, Ask::within(CriticalPlus, 50));
    assert_eq!(why(poll!(&mut too_late)), Some(Why::Shed));
    let (_, mut expired) = call(&shed, Ask::within(CriticalPlus, 0));
    assert_eq!(why(poll!(&mut expired)), Some(Why::Expired));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_takes_no_slot_that_is_free() {
    let shed = shed(1);
    let (_, mut expired) = call(&shed, Ask::within(CriticalPlus, 0));
    assert_eq!(why(poll!(&mut expired)), Some(Why::Expired));
    assert_eq!(shed.limit().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn defect_161_health_checks_are_not_shed() {
    let shed: Shed = LoadShed::builder(limit(1)).max_queue(1).build().unwrap();
    let (_ends, _runs) = busy(&shed).await;
    let (_, mut waits) = call(&shed, Ask::of(CriticalPlus));
    assert!(poll!(&mut waits).is_pending());
    let health = Ask { health: true, ..Ask::of(Sheddable) };
    let mut checks = Vec::new();
    for _ in 0..16 {
        let (ends, mut check) = call(&shed, health.clone());
        assert!(poll!(&mut check).is_pending());
        checks.push((ends, check));
    }
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (1, 1));
    // So many at a time is no health check any more.
    let (_, mut one_more) = call(&shed, health.clone());
    assert_eq!(why(poll!(&mut one_more)), Some(Why::Shed));
    drop(checks);
    let (ends, mut check) = call(&shed, health);
    assert!(poll!(&mut check).is_pending());
    ends.send(()).unwrap();
    assert!(matches!(poll!(&mut check), Poll::Ready(Ok(1))));
}

#[cfg(feature = "http")]
#[test]
fn defect_161_what_asks_only_how_it_is_is_known_by_its_path() {
    let is = |path: &str| http::Request::get(path).body(()).unwrap().is_health_check();
    assert!(is("/healthz") && is("/readyz?verbose") && is("/grpc.health.v1.Health/Check"));
    assert!(!is("/") && !is("/healthz/../admin") && !is("/orders/health"));
}

/// A call of that weight that runs until it is dropped.
fn weighing(shed: &Shed, class: Criticality, weight: u32) -> Call {
    let weigh = move |_: &Ask| NonZeroU32::new(weight).expect("something");
    let guard = guard(shed.clone().weighted(weigh));
    Box::pin(async move { guard.call(&Ask::of(class), std::future::pending).await })
}

#[tokio::test(start_paused = true)]
async fn defect_96_a_call_heavier_than_the_limit_has_its_turn_and_runs_alone() {
    let shed = shed(5);
    let mut light: Vec<_> = (0..5).map(|_| weighing(&shed, Critical, 1)).collect();
    for call in &mut light {
        assert!(poll!(call).is_pending());
    }
    // Without a task, only the class says who goes first.
    let (mut heavy, mut behind) = (weighing(&shed, CriticalPlus, 50), weighing(&shed, Critical, 1));
    assert!(poll!(&mut heavy).is_pending() && poll!(&mut behind).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (5, 2));
    // Those in flight end one by one. As long as one is there it waits, and so does the one behind it.
    for left in (0..5).rev() {
        light.pop();
        assert_eq!(shed.waiting(), if left == 0 { 1 } else { 2 });
        assert!(poll!(&mut behind).is_pending());
        assert_eq!(shed.limit().in_flight(), left);
    }
    assert!(poll!(&mut heavy).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (50, 1));
    // Also where the limit changes meanwhile, it gives back what it took.
    shed.configure("max_limit", "60").unwrap();
    shed.configure("min_limit", "60").unwrap();
    assert!(poll!(&mut behind).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (51, 0));
    drop(heavy);
    assert_eq!(shed.limit().in_flight(), 1);
    drop(behind);
    assert_eq!(shed.limit().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_heavy_call_that_leaves_the_line_lets_those_behind_it_in() {
    let shed = shed(4);
    let mut runs = weighing(&shed, Critical, 3);
    let (mut heavy, mut light) = (weighing(&shed, CriticalPlus, 4), weighing(&shed, Critical, 1));
    assert!(poll!(&mut runs).is_pending() && poll!(&mut heavy).is_pending() && poll!(&mut light).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (3, 2));
    drop(heavy);
    assert!(poll!(&mut light).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (4, 0));
    drop((runs, light));
    assert_eq!(shed.limit().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_line_holds_as_many_slots_whatever_calls_weigh() {
    // It learns that calls weigh ten: then a tenth of what would wait of weight one does.
    let shed = shed(20);
    for _ in 0..20 {
        let mut calls: Vec<_> = (0..2).map(|_| weighing_for(&shed, Critical, 10, 100)).collect();
        for call in &mut calls {
            assert!(poll!(&mut *call).is_pending());
        }
        advance(Duration::from_millis(100)).await;
        for call in &mut calls {
            assert!(poll!(call).is_ready());
        }
    }
    assert_eq!(shed.limit().in_flight(), 0);
    let mut calls: Vec<_> = (0..500).map(|_| weighing(&shed, Critical, 10)).collect();
    for call in &mut calls {
        let _ = poll!(call);
    }
    assert_eq!(shed.limit().in_flight(), 20);
    // 200 slots a second, a quarter of ten seconds: 500 slots, which is beyond sixteen limits.
    assert_eq!(shed.waiting(), 16 * 20 / 10);
}

/// A call of that weight that works for so many milliseconds.
fn weighing_for(shed: &Shed, class: Criticality, weight: u32, millis: u64) -> Call {
    let weigh = move |_: &Ask| NonZeroU32::new(weight).expect("something");
    let guard = guard(shed.clone().weighted(weigh));
    Box::pin(async move {
        let work = || async {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(1)
        };
        guard.call(&Ask::of(class), work).await
    })
}

#[tokio::test(start_paused = true)]
async fn a_class_with_a_share_gets_it_in_slots() {
    // Two classes ask for all there is, one by calls of four slots. The share is one of slots, so it is not four fifths of
    // the calls' own.
    let shed: Shed = LoadShed::builder(limit(4)).min_share(Sheddable, 0.2).build().unwrap();
    let mut served = [0.0, 0.0];
    let mut waits: Vec<(usize, f64, Call)> = Vec::new();
    for _ in 0..2000 {
        let grave = [(0, CriticalPlus, 1); 6];
        for (which, class, weight) in grave.into_iter().chain([(1, Sheddable, 4)]) {
            waits.push((which, weight.into(), weighing_for(&shed, class, weight, 5)));
        }
        advance(Duration::from_millis(5)).await;
        let mut still = Vec::new();
        for (which, weight, mut call) in waits {
            match poll!(&mut call) {
                Poll::Pending => still.push((which, weight, call)),
                Poll::Ready(answer) => served[which] += if answer.is_ok() { weight } else { 0.0 },
            }
        }
        waits = still;
    }
    let share = served[1] / (served[0] + served[1]);
    assert!((0.1..=0.35).contains(&share), "{share} of {served:?}");
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

#[tokio::test(start_paused = true)]
async fn defect_163_a_class_with_a_share_is_not_starved() {
    let strict = served(&shed(1), 400).await;
    let shared: Shed = LoadShed::builder(limit(1)).min_share(Sheddable, 0.2).build().unwrap();
    let shared = served(&shared, 400).await;
    assert!(strict[1] <= 2 && shared[1] >= 40 && shared[0] >= 100, "{strict:?} and {shared:?}");
}

#[tokio::test(start_paused = true)]
async fn defect_167_signals_that_say_nothing_shed_nothing() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -5.0] {
        let shed: Shed = LoadShed::builder(limit(100)).signal(Gauge::new(0.8, move || value).unwrap()).build().unwrap();
        for _ in 0..50 {
            advance(Duration::from_millis(100)).await;
            let token = admit(&shed, Sheddable).expect("nothing is known");
            shed.undo(token, Instant::now());
        }
    }
    // Nobody runs the probe.
    let (lag, _probe) = SchedulerLag::new(Duration::from_millis(5)).unwrap();
    assert_eq!(lag.pressure(Instant::now()), None);
    assert!(Gauge::new(f64::NAN, || 0.0).is_err() && Gauge::new(0.0, || 0.0).is_err());
    assert!(SchedulerLag::new(Duration::ZERO).is_err());
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

#[tokio::test(start_paused = true)]
async fn a_gauge_sheds_the_lowest_first_by_steps_and_lets_them_back_in() {
    let load = Arc::new(AtomicU64::new(50));
    let read = Arc::clone(&load);
    let gauge = Gauge::new(80.0, move || read.load(Ordering::Relaxed) as f64).unwrap();
    let shed: Shed = LoadShed::builder(limit(100)).signal(gauge).build().unwrap();
    assert!(share(&shed, Sheddable).await > 0.99);
    load.store(200, Ordering::Relaxed);
    share(&shed, Sheddable).await;
    assert!(share(&shed, CriticalPlus).await > 0.99);
    let after_some = share(&shed, Sheddable).await;
    assert!(after_some < 0.7, "{after_some}");
    for _ in 0..20 {
        share(&shed, Sheddable).await;
    }
    assert!(share(&shed, Critical).await < 0.01);
    // Something is always let in.
    assert!(share(&shed, CriticalPlus).await > 0.05);
    load.store(10, Ordering::Relaxed);
    for _ in 0..25 {
        share(&shed, Sheddable).await;
    }
    assert!(share(&shed, Sheddable).await > 0.99);
}

#[tokio::test(start_paused = true)]
async fn a_task_has_the_same_fate_in_every_service() {
    let asks: Vec<_> = (0..200_u32).map(|task| Rank::of(Critical, Some(TaskKey::of(&task.to_string())))).collect();
    let again: Vec<_> = (0..200_u32).map(|task| Rank::of(Critical, Some(TaskKey::of(&task.to_string())))).collect();
    assert_eq!(asks, again);
    assert!(asks.iter().any(|rank| rank != &asks[0]));
    assert_eq!(CarriedRank.rank(&Ask::of(Sheddable)).criticality(), Sheddable);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_rejections_takes_no_place() {
    let shed: Shed = LoadShed::builder(limit(1)).max_queue(4).build().unwrap();
    let (_ends, _runs) = busy(&shed).await;
    let mut waits = Vec::new();
    // One and a half times the limit, and so two.
    for _ in 0..2 {
        let (ends, mut call) = call(&shed, Ask::of(CriticalPlus));
        assert!(poll!(&mut call).is_pending());
        waits.push((ends, call));
    }
    for _ in 0..100_000 {
        assert_eq!(shed.admit(&Ask::of(Sheddable), Instant::now()).unwrap_err().why(), Why::Shed);
    }
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn operators_steer_the_limit_and_the_line() {
    let shed: Shed = LoadShed::builder(limit(3)).build().unwrap();
    assert_eq!(Control::state(&shed), "0 of 3 taken, 0 waiting");
    shed.configure("max_queue", "7").unwrap();
    shed.configure("max_limit", "9").unwrap();
    let value = |name| Control::settings(&shed).into_iter().find(|setting| setting.name == name).unwrap().value;
    assert_eq!((value("max_queue"), value("max_limit")), ("7".into(), "9".into()));
    assert_eq!(shed.configure("max_queue", "0").unwrap_err().field(), "max_queue");
    assert_eq!(shed.configure("colour", "red").unwrap_err().field(), "setting");
}

#[test]
fn what_cannot_be_is_not_built() {
    let field = |build: fn(
        cofferdam::shed::Builder<Knee, CarriedDeadline>,
    ) -> cofferdam::shed::Builder<Knee, CarriedDeadline>| {
        build(LoadShed::builder(limit(1))).build().unwrap_err().field()
    };
    assert_eq!(field(|builder| builder.max_queue(0)), "max_queue");
    assert_eq!(field(|builder| builder.min_share(Critical, f64::NAN)), "min_share");
    assert_eq!(field(|builder| builder.min_share(Critical, 0.7).min_share(Sheddable, 0.7)), "min_share");
    assert_eq!(field(|builder| builder.queue_delay(Duration::ZERO)), "queue_delay");
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
