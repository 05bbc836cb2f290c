use std::time::Duration;

use super::{Algorithm, Baseline, Plan, Quiet, Sample};

/// Follows how much longer calls take than they have to: the gradient controller of Envoy's adaptive concurrency filter.
///
/// ```text
///   gradient = (base * 1.25) / latency, from 0.5 to 2
///   limit    = limit * gradient + sqrt(limit)
/// ```
///
/// It differs in what is measured: the latency is the mean of a window rather than a quantile, and for `base`, measured
/// again every minute or so, the limit is lowered to half rather than to three calls, which costs less. It grows only while
/// the limit is in use, and by no more than twice.
///
/// Choose it to do as Envoy does.
///
/// ```
/// use cofferdam::limit::{AdaptiveLimit, Gradient};
///
/// let limit = AdaptiveLimit::builder("search").algorithm(Gradient::default()).build()?;
/// # let _ = limit; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gradient {
    base: Baseline,
}

/// Longer by a quarter is no queue.
const TOLERANCE: f64 = 1.25;

impl Default for Gradient {
    fn default() -> Self {
        Self { base: Baseline::every(Duration::from_secs(60)) }
    }
}

impl Algorithm for Gradient {
    fn begin(&mut self, limit: u32) -> Plan {
        self.base.plan(limit.into())
    }

    fn window(&mut self, sample: &Sample) -> Plan {
        let limit = f64::from(sample.limit);
        if (sample.late + sample.overloaded) as f64 > 0.25 * sample.calls as f64 {
            return self.base.plan((limit / 2.0).floor()).cut();
        }
        let Some(ratio) = self.base.compared(sample) else { return self.base.plan(limit) };
        let wanted = limit * (ratio * TOLERANCE).clamp(0.5, 2.0) + (limit * sample.weight()).sqrt();
        let wanted = wanted.min(2.0 * limit);
        self.base.plan(if sample.in_use { wanted } else { wanted.min(limit) })
    }

    fn quiet(&mut self, quiet: &Quiet) -> Option<Plan> {
        self.base.learn(quiet);
        Some(self.base.plan(quiet.limit.into()))
    }
}
