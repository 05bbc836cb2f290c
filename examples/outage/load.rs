//! The load: open, so that nobody waits for an answer before the next request is due.

use std::{sync::Arc, time::Duration};

use cofferdam::Instant;
use futures_util::future::join_all;
use tokio::{task::JoinSet, time::sleep};

use crate::{log::Kind, side::Side};

/// Requests per second to each side, and the share of them that need the service which falls ill.
const RATE: f64 = 400.0;
const SICK: f64 = 0.2;

/// Sends every request to each side, as it is due, and waits for the last answer.
pub(crate) async fn run(sides: Vec<Arc<Side>>, length: Duration) {
    let start = Instant::now();
    let mut requests = JoinSet::new();
    for (offset, kind) in Arrivals::new().take_while(|(offset, _)| *offset < length) {
        let due = start.after(offset);
        let early = due.since(Instant::now());
        if !early.is_zero() {
            sleep(early).await;
        }
        for side in &sides {
            let side = Arc::clone(side);
            requests.spawn(async move { side.send(kind, due).await });
        }
        while requests.try_join_next().is_some() {}
    }
    requests.join_all().await;
}

/// Has every part called once before anything is measured, and the connections made that a calm run needs.
pub(crate) async fn warm_up(sides: &[Arc<Side>]) {
    let both = [Kind::Healthy, Kind::Sick];
    let fetches = sides.iter().flat_map(|side| (0..16).map(move |turn| side.fetch(both[turn % 2])));
    join_all(fetches).await;
}

/// Requests that know nothing of one another: a Poisson process, the same in every run.
struct Arrivals {
    random: u64,
    next: Duration,
}

impl Arrivals {
    fn new() -> Self {
        Self { random: 0, next: Duration::ZERO }
    }

    /// A number from 0 to below 1, by the generator SplitMix64.
    fn chance(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Iterator for Arrivals {
    type Item = (Duration, Kind);

    fn next(&mut self) -> Option<Self::Item> {
        let gap = -(1.0 - self.chance()).ln() / RATE;
        self.next += Duration::from_secs_f64(gap);
        let kind = if self.chance() < SICK { Kind::Sick } else { Kind::Healthy };
        Some((self.next, kind))
    }
}
