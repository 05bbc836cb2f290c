use std::time::Duration;

use super::{Plan, Quiet, Sample};
use crate::kernel::Instant;

/// How long calls take while little is in flight, for algorithms that compare with it: measured again from time to time, by
/// lowering the limit if nothing else shows it.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    every: Duration,
    /// In seconds.
    latency: Option<f64>,
    measured: Instant,
    probing: bool,
    probes: u32,
}

impl Baseline {
    pub(super) fn every(every: Duration) -> Self {
        Self { every, latency: None, measured: Instant::ORIGIN, probing: false, probes: 0 }
    }

    /// The base, as a share of what calls took in this window. None as long as one of the two is not known.
    pub(super) fn compared(&mut self, sample: &Sample) -> Option<f64> {
        // Varied by a quarter, so that those who share a dependency do not measure together for ever.
        let varied = f64::from(self.probes.wrapping_mul(0x9E37_79B9) >> 16) / f64::from(1 << 16);
        let due = self.measured.after(self.every.mul_f64(1.0 + varied / 4.0));
        if sample.in_use && sample.now >= due && self.measured > Instant::ORIGIN {
            self.probing = true;
        }
        let latency = sample.latency.as_secs_f64();
        if sample.worked == 0 || latency <= 0.0 {
            return None;
        }
        if self.latency.is_none() {
            // Better than nothing, until it is measured properly.
            (self.latency, self.measured) = (Some(latency), sample.now);
        }
        self.latency.map(|base| base / latency)
    }

    pub(super) fn learn(&mut self, quiet: &Quiet) {
        if quiet.probing {
            self.probing = false;
            self.probes = self.probes.wrapping_add(1);
            self.measured = quiet.now;
        }
        let latency = quiet.latency.as_secs_f64();
        if quiet.worked < 8 || latency <= 0.0 {
            return;
        }
        let share = if quiet.probing { 1.0 } else { 0.2 };
        self.latency = Some(self.latency.map_or(latency, |base| base + share * (latency - base)));
        self.measured = quiet.now;
    }

    pub(super) fn plan(&self, limit: f64) -> Plan {
        let limit = limit.clamp(1.0, f64::from(u32::MAX >> 1));
        let quiet = ((limit - 1.0) / 2.0).floor().max(1.0) as u32;
        let plan = Plan::limit(limit as u32).measure(quiet, (2.0 * limit).clamp(16.0, 50.0) as u32);
        if self.probing { plan.probe() } else { plan }
    }
}
