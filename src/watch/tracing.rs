use ::tracing::{debug, error, info, trace, warn};

use crate::kernel::{Event, Observer, What};

/// Writes events to [`tracing`](::tracing), under the target `cofferdam`.
///
/// | event | level | fields besides `by` |
/// |---|---|---|
/// | a breaker opens, or is forced open | warn | `from`, `to` |
/// | any other change of state | info | `from`, `to` |
/// | a limit changes | info | `from`, `to` |
/// | a call is rejected | debug | `why`, `retry_after` |
/// | a call ends | trace | `outcome`, `latency` |
/// | an attempt of a retry or a hedge ends | trace | `number`, `made`, `outcome`, `latency`, `next` |
/// | an attempt that was due is not made | trace | `number`, `why` |
/// | an observer panics | error | |
///
/// ```
/// use cofferdam::{Tracing, observe};
///
/// observe(Tracing).forever();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracing;

impl Observer for Tracing {
    fn observe(&self, event: &Event) {
        let by = event.by.as_str();
        match event.what {
            What::StateChanged { from, to: to @ ("open" | "forced-open"), .. } => {
                warn!(target: "cofferdam", by, from, to, "calls are rejected");
            }
            What::StateChanged { from, to, .. } => info!(target: "cofferdam", by, from, to, "the state has changed"),
            What::LimitChanged { from, to, .. } => info!(target: "cofferdam", by, from, to, "the limit has changed"),
            What::Rejected(rejected) => {
                let (why, retry_after) = (rejected.why().as_str(), rejected.retry_after());
                debug!(target: "cofferdam", by, why, ?retry_after, "a call was rejected");
            }
            What::Ended { outcome, latency } => {
                trace!(target: "cofferdam", by, ?outcome, ?latency, "a call has ended");
            }
            What::Attempt { number, made, outcome, latency, next } => {
                trace!(target: "cofferdam", by, number, ?made, ?outcome, ?latency, ?next, "an attempt has ended");
            }
            What::GivenUp { number, why } => {
                trace!(target: "cofferdam", by, number, why = why.as_str(), "no further attempt was made");
            }
            What::ObserverPanicked => error!(target: "cofferdam", by, "an observer has panicked"),
        }
    }
}
