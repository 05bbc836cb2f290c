//! Callers that come at random, and do not wait for each other.

use std::{ops::Range, time::Duration};

use cofferdam::{Attempt, BoxError, Criticality, Deadline, Instant};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{Service, ServiceExt};

use super::{Ask, Distribution, Random};

/// Of the calls, a fifth matter most, three tenths less, and half may be shed.
const CLASSES: [(f64, Criticality); 3] =
    [(0.2, Criticality::Critical), (0.5, Criticality::SheddablePlus), (1.0, Criticality::Sheddable)];

/// So many tasks send them, so that several are sent at the same time.
const SENDERS: u64 = 2;

/// Who calls, and how often. What is in seconds says so by its number being a fraction.
#[derive(Clone, Debug)]
pub struct Callers {
    /// From when on how many calls a second.
    pub load: Vec<(f64, f64)>,
    pub seconds: f64,
    /// What a call takes on average.
    pub mean: f64,
    pub distribution: Distribution,
    /// For how long somebody waits, and the deadline of what is sent.
    pub patience: f64,
    /// They leave at any moment within that time, with their calls where they are.
    pub flighty: bool,
    pub seed: u64,
}

/// A call: when it was due, how much it mattered, and whether it was answered well and in time.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: f64,
    class: usize,
    good: bool,
}

/// What became of all calls.
#[derive(Clone, Debug, Default)]
pub struct Log(Vec<Sent>);

impl Callers {
    /// Sends all that there is to send, and waits until the last of them is answered or has given up.
    pub async fn call<S>(&self, service: S) -> Log
    where
        S: Service<Ask, Response = ()> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let mut senders = JoinSet::new();
        let start = Instant::now();
        for sender in 0..SENDERS {
            let (callers, service) = (self.clone(), service.clone());
            let random = Random::new(self.seed * SENDERS + sender);
            senders.spawn(async move { callers.send(service, start, random).await });
        }
        Log(senders.join_all().await.concat())
    }

    async fn send<S>(self, service: S, start: Instant, mut random: Random) -> Vec<Sent>
    where
        S: Service<Ask, Response = ()> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let (mut due, mut sent) = (0.0, JoinSet::new());
        loop {
            due += random.exponential(SENDERS as f64 / self.rate(due));
            if due >= self.seconds {
                return sent.join_all().await;
            }
            let at = start.after(Duration::from_secs_f64(due));
            let (class, ask) = self.ask(at, &mut random);
            let stays = if self.flighty { self.patience * random.uniform() } else { self.patience };
            let leaves = at.after(Duration::from_secs_f64(stays));
            sleep(at.since(Instant::now())).await;
            let answer = service.clone().oneshot(ask);
            sent.spawn(async move {
                let answer = timeout(leaves.since(Instant::now()), answer).await;
                // A timer that was late does not make an answer come in time.
                let good = matches!(answer, Ok(Ok(()))) && Instant::now() <= leaves;
                Sent { at: due, class, good }
            });
        }
    }

    fn ask(&self, at: Instant, random: &mut Random) -> (usize, Ask) {
        let chance = random.uniform();
        let class = CLASSES.iter().position(|(share, _)| chance <= *share).unwrap_or(CLASSES.len() - 1);
        let work = Duration::from_secs_f64(self.mean * self.distribution.draw(random));
        let deadline = Deadline::at(at.after(Duration::from_secs_f64(self.patience)));
        (class, Ask { deadline, criticality: CLASSES[class].1, task: None, attempt: Attempt::FIRST, work })
    }

    fn rate(&self, seconds: f64) -> f64 {
        self.load.iter().rev().find(|(from, _)| *from <= seconds).map_or(1.0, |(_, rate)| *rate)
    }
}

impl Log {
    /// Good answers a second, to what was due within that time.
    pub fn goodput(&self, within: Range<f64>) -> f64 {
        let good = self.due(&within).filter(|sent| sent.good).count();
        good as f64 / (within.end - within.start)
    }

    /// The share of them that were answered, of a class or of all.
    pub fn success(&self, class: Option<usize>, within: Range<f64>) -> f64 {
        let of_class = || self.due(&within).filter(|sent| class.is_none_or(|class| sent.class == class));
        of_class().filter(|sent| sent.good).count() as f64 / of_class().count().max(1) as f64
    }

    fn due<'a>(&'a self, within: &'a Range<f64>) -> impl Iterator<Item = &'a Sent> {
        self.0.iter().filter(|sent| within.contains(&sent.at))
    }
}
