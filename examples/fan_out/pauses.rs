//! When the machine had other things to do.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cofferdam::Instant;
use tokio::time::sleep;

const STEP: Duration = Duration::from_millis(2);

/// What is woken later than that was not run meanwhile.
const LATE: Duration = Duration::from_millis(15);

/// From when to when nothing ran in this process.
#[derive(Clone, Default)]
pub(crate) struct Pauses(Arc<Mutex<Vec<(Instant, Instant)>>>);

impl Pauses {
    /// Watches for as long as the process lives.
    pub(crate) fn watch() -> Self {
        let pauses = Self::default();
        let watched = pauses.clone();
        tokio::spawn(async move {
            loop {
                let before = Instant::now();
                sleep(STEP).await;
                let now = Instant::now();
                if now.since(before) > STEP + LATE {
                    watched.0.lock().unwrap_or_else(PoisonError::into_inner).push((before, now));
                }
            }
        });
        pauses
    }

    /// Whether there was one between these moments.
    pub(crate) fn any(&self, from: Instant, to: Instant) -> bool {
        let pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.iter().any(|(begun, ended)| *begun < to && from < *ended)
    }
}
