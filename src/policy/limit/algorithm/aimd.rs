use std::time::Duration;

use super::{Algorithm, Plan, Sample, regrow};
use crate::kernel::Invalid;

/// Adds a little while all is well, and takes a share away when it is not: the rule of TCP (Chiu and Jain, 1989).
///
/// ```text
///   calls late or turned away, more than a twentieth:   limit = limit * 0.9
///   else, if the limit was in use:                      limit = limit + 1
/// ```
///
/// It differs from the rule in that it looks at windows and not at single calls, and in that it comes back fast: below half
/// of the limit at which something last went wrong, it doubles.
///
/// Choose it for a dependency that says "not now" reliably. It cannot see a queue that grows within the dependency before
/// calls are late.
///
/// ```
/// use cofferdam::limit::{AdaptiveLimit, Aimd};
///
/// let limit = AdaptiveLimit::builder("search").algorithm(Aimd::new(0.8)?).build()?;
/// # let _ = limit; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Aimd {
    keep: f64,
    /// The limit at which something last went wrong.
    wrong: f64,
}

impl Default for Aimd {
    fn default() -> Self {
        Self { keep: 0.9, wrong: f64::MAX }
    }
}

/// The share of calls that may go wrong.
const TOLERATED: f64 = 0.05;

impl Aimd {
    /// Keeps that share of the limit when something goes wrong.
    ///
    /// Default: 0.9. Range: 0.1 to 0.99.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for anything else.
    pub fn new(keep: f64) -> Result<Self, Invalid> {
        if (0.1..=0.99).contains(&keep) {
            Ok(Self { keep, ..Self::default() })
        } else {
            Err(Invalid::new("keep", keep, "0.1 to 0.99"))
        }
    }
}

impl Algorithm for Aimd {
    fn begin(&mut self, limit: u32) -> Plan {
        plan(limit.into())
    }

    fn window(&mut self, sample: &Sample) -> Plan {
        let limit = f64::from(sample.limit);
        let wrong = (sample.late + sample.overloaded) as f64;
        if wrong > 0.0 && wrong > TOLERATED * sample.calls as f64 {
            self.wrong = limit;
            return plan((limit * self.keep).floor()).cut();
        }
        plan(if sample.in_use && sample.worked > 0 {
            regrow(limit, self.wrong, limit + sample.weight())
        } else {
            limit
        })
    }
}

fn plan(limit: f64) -> Plan {
    Plan::limit(limit as u32).look_again(Duration::from_millis(100), 16, Duration::from_secs(1))
}
