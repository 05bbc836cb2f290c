use std::time::Duration;

use super::{Algorithm, Baseline, Plan, Quiet, Sample, regrow};

/// Keeps a few calls in the dependency's queue: TCP Vegas (Brakmo and Peterson, 1995), as Netflix' concurrency-limits has it.
///
/// ```text
///   queue = limit * (1 - base / latency)
///   queue < 3 * log10(limit):   limit = limit + log10(limit)
///   queue > 6 * log10(limit):   limit = limit - log10(limit)
///   late or turned away:        limit = limit * 0.9
/// ```
///
/// It differs in four ways. The latency is the mean of a window, and `base` the mean of calls that begin while little is in
/// flight, measured again every half minute or so: the fastest call ever seen is no base where service times vary, and
/// holds the limit at one. The logarithm is never less than one, so that a small limit can grow. And after a cut it comes
/// back by doubling.
///
/// Choose it where service times vary little, and the queue is to be short.
///
/// ```
/// use cofferdam::limit::{AdaptiveLimit, Vegas};
///
/// let limit = AdaptiveLimit::builder("search").algorithm(Vegas::default()).build()?;
/// # let _ = limit; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Vegas {
    base: Baseline,
    /// The limit at which something last went wrong.
    wrong: f64,
}

impl Default for Vegas {
    fn default() -> Self {
        Self { base: Baseline::every(Duration::from_secs(30)), wrong: f64::MAX }
    }
}

impl Algorithm for Vegas {
    fn begin(&mut self, limit: u32) -> Plan {
        self.base.plan(limit.into())
    }

    fn window(&mut self, sample: &Sample) -> Plan {
        let limit = f64::from(sample.limit);
        let wrong = (sample.late + sample.overloaded) as f64;
        if wrong > 0.05 * sample.calls as f64 {
            self.wrong = limit;
            return self.base.plan((limit * 0.9).floor()).cut();
        }
        // In units of what a call holds.
        let step = (limit / sample.weight()).log10().max(1.0) * sample.weight();
        let limit = match self.base.compared(sample) {
            Some(ratio) if sample.in_use => {
                let queue = limit * (1.0 - ratio);
                if queue < 3.0 * step {
                    regrow(limit, self.wrong, limit + step)
                } else if queue > 6.0 * step {
                    self.wrong = limit;
                    limit - step
                } else {
                    limit
                }
            }
            _ => limit,
        };
        self.base.plan(limit)
    }

    fn quiet(&mut self, quiet: &Quiet) -> Option<Plan> {
        self.base.learn(quiet);
        Some(self.base.plan(quiet.limit.into()))
    }
}
