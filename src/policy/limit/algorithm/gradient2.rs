use std::time::Duration;

use super::{Algorithm, Plan, Sample};

/// Follows how much longer calls take than they took of late: Gradient2 of Netflix' concurrency-limits.
///
/// ```text
///   long     = latency, smoothed over some 600 windows
///   gradient = 1.5 * long / latency, from 0.5 to 1
///   limit    = 0.8 * limit + 0.2 * (limit * gradient + 4)
/// ```
///
/// `long` comes down faster when it is more than twice the latency. It differs in that it grows only while the limit is in
/// use, in that `long` is not learned from windows in which calls were late, and in that late calls halve the limit: without
/// these the queue within the dependency becomes what is usual, and the limit walks to its maximum.
///
/// Choose it to do as Netflix does, with a [`max_limit`](super::super::Builder::max_limit): a queue that grows slowly it
/// does not see before calls are late.
///
/// ```
/// use cofferdam::limit::{AdaptiveLimit, Gradient2};
///
/// let limit = AdaptiveLimit::builder("search").algorithm(Gradient2::default()).max_limit(200).build()?;
/// # let _ = limit; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gradient2 {
    /// In seconds.
    long: Option<f64>,
    limit: f64,
}

const WINDOWS: f64 = 600.0;
const TOLERANCE: f64 = 1.5;
const QUEUE: f64 = 4.0;
const SMOOTHING: f64 = 0.2;

impl Algorithm for Gradient2 {
    fn begin(&mut self, limit: u32) -> Plan {
        self.limit = limit.into();
        plan(self.limit)
    }

    fn window(&mut self, sample: &Sample) -> Plan {
        // What is between two whole limits is kept, unless the bounds have changed it.
        let limit = f64::from(sample.limit);
        let limit = if (self.limit - limit).abs() < 1.0 { self.limit } else { limit };
        self.limit = limit;
        if (sample.late + sample.overloaded) as f64 > 0.25 * sample.calls as f64 {
            self.limit = (limit / 2.0).max(1.0);
            return plan(self.limit).cut();
        }
        let latency = sample.latency.as_secs_f64();
        if sample.worked == 0 || latency <= 0.0 || sample.late > 0 {
            return plan(limit);
        }
        let long = self.long.map_or(latency, |long| long + (latency - long) * 2.0 / (WINDOWS + 1.0));
        let long = if long > 2.0 * latency { 0.95 * long } else { long };
        self.long = Some(long);
        let gradient = (TOLERANCE * long / latency).clamp(0.5, 1.0);
        let wanted = limit + SMOOTHING * (limit * gradient + QUEUE * sample.weight() - limit);
        self.limit = if sample.in_use { wanted } else { wanted.min(limit) }.max(1.0);
        plan(self.limit)
    }
}

fn plan(limit: f64) -> Plan {
    Plan::limit(limit as u32).look_again(Duration::from_millis(100), 16, Duration::from_secs(1))
}
