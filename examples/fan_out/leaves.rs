//! Servers that are quick, but for one answer in fifty.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use http::Uri;
use tokio::time::sleep;

use crate::serving::listen;

pub(crate) const COUNT: usize = 20;

/// So large a share of the answers takes longer than so many milliseconds. Between these points, and beyond, it is a straight
/// line where both are drawn as logarithms.
const TAIL: [(f64, f64); 3] = [(0.02, 10.0), (0.0032, 70.0), (0.00001, 1_800.0)];

pub(crate) struct Leaves {
    uris: Vec<Uri>,
    calls: Arc<AtomicU64>,
}

impl Leaves {
    pub(crate) async fn start() -> io::Result<Self> {
        let (calls, mut uris) = (Arc::new(AtomicU64::new(0)), Vec::new());
        for _ in 0..COUNT {
            let calls = Arc::clone(&calls);
            let answer = move || {
                calls.fetch_add(1, Ordering::Relaxed);
                sleep(time(fastrand::f64(), fastrand::f64()))
            };
            let address = listen(Router::new().route("/", get(answer))).await?;
            uris.push(format!("http://{address}/").parse().expect("an address makes a URI"));
        }
        Ok(Self { uris, calls })
    }

    pub(crate) fn uris(&self) -> Vec<Uri> {
        self.uris.clone()
    }

    /// How many calls have come to all of them.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// How long an answer takes. Nearly all take 4 to 10 ms.
fn time(chance: f64, other: f64) -> Duration {
    let [tail, bend, end] = TAIL;
    let ((from, short), (to, long)) = if chance > bend.0 { (tail, bend) } else { (bend, end) };
    let millis = if chance > tail.0 {
        4.0 + 6.0 * other
    } else {
        let way = (chance.max(to / 100.0) / from).ln() / (to / from).ln();
        short * f64::powf(long / short, way)
    };
    Duration::from_secs_f64(millis / 1e3)
}
