//! Any settings, any answers, any times, and callers who leave when they like: no panic, no extra attempt that is not paid for, none
//! left behind, and a delay within its bounds.
#![no_main]

use std::time::Duration;

use cofferdam::{BoxError, Budget, Hedge, Instant, hedge::Learner};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Arbitrary, Debug)]
struct Input {
    settings: Settings,
    steps: Vec<Step>,
    calls: Vec<Call>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Settings {
    extra: u32,
    fixed: Option<Duration>,
    share: f64,
    shortest: Duration,
    longest: Duration,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    Seen(Duration),
    InTime(u16),
    Late(u16),
    Won,
    Lost,
    Set(f64, Duration, Duration),
    Reset,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Call {
    /// Of each attempt: after how many milliseconds it ends, if it does, and whether well.
    attempts: [(Option<u8>, bool); 3],
    patience: u8,
    change: Option<Settings>,
}

fn learn(settings: Settings, steps: &[Step]) {
    let Ok(learner) = Learner::new(settings.share, settings.shortest, settings.longest) else { return };
    let mut bounds = (settings.shortest, settings.longest);
    for step in steps {
        match *step {
            Step::Seen(took) => learner.seen(took),
            Step::InTime(times) => (0..times).for_each(|_| learner.in_time()),
            Step::Late(times) => (0..times).for_each(|_| learner.late()),
            Step::Won => learner.won(),
            Step::Lost => learner.lost(),
            Step::Set(share, shortest, longest) => {
                if learner.set(share, shortest, longest).is_ok() {
                    bounds = (shortest, longest);
                }
            }
            Step::Reset => learner.reset(),
        }
        if let Some(delay) = learner.delay() {
            // What is kept is a logarithm.
            let (least, most) = (bounds.0.as_secs_f64() * 0.999 - 1e-8, bounds.1.as_secs_f64() * 1.001 + 1e-8);
            assert!((least..=most).contains(&delay.as_secs_f64()), "{delay:?} is not within {bounds:?}");
        }
    }
}

async fn call(settings: Settings, calls: &[Call]) {
    let budget = Budget::builder("fuzz").build().unwrap();
    let builder = Hedge::builder("fuzz").budget(budget.clone()).extra(settings.extra).fixed_delay(settings.fixed);
    let builder = builder.share(settings.share).shortest_delay(settings.shortest).longest_delay(settings.longest);
    let Ok(layer) = builder.build() else { return };
    for Call { attempts, patience, change } in calls {
        let mut left = attempts.iter().copied();
        let (sent, in_flight) = (layer.counts().sent, std::cell::Cell::new(0_u32));
        let left = std::cell::RefCell::new(&mut left);
        let service = service_fn(|()| {
            let (ends, well) = left.borrow_mut().next().expect("there are three attempts at most");
            in_flight.set(in_flight.get() + 1);
            async move {
                match ends {
                    Some(millis) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
                    None => std::future::pending().await,
                }
                if well { Ok::<_, BoxError>(()) } else { Err("failed".into()) }
            }
        });
        let answer = tokio::time::timeout(Duration::from_millis((*patience).into()), layer.layer(service).oneshot(()));
        if let Ok(answer) = answer.await {
            assert!(answer.is_err() || attempts.iter().any(|(_, well)| *well));
        }
        assert_eq!(layer.counts().sent - sent + 1, u64::from(in_flight.get()));
        assert_eq!((budget.in_flight(), layer.in_flight()), (0, 0));
        assert!(budget.balance_at(Instant::now()) >= 0.0);
        if let Some(change) = change {
            let _ = layer.configure(|settings| {
                settings.extra(change.extra).fixed_delay(change.fixed).share(change.share).shortest_delay(change.shortest)
            });
        }
    }
}

fuzz_target!(|input: Input| {
    learn(input.settings, &input.steps);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(call(input.settings, &input.calls));
});
