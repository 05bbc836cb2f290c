use std::time::Duration;

use super::{Algorithm, Plan, Quiet, Sample, per_second};
use crate::kernel::Instant;

/// Stays just above the knee: where more calls in flight no longer mean more work done.
///
/// By Little's law a service that does `T` calls a second and takes `R` for each has `T * R` of them in flight. So with
/// `R0`, what a call takes while nothing stands in line within the service, the limit is
///
/// ```text
///   limit = T * min(G * R0, D / 2)           T: calls that worked a second      D: how long callers wait
/// ```
///
/// Below the knee `T` is what the limit lets through, so the limit grows by the gain `G`, 1.6 as a rule, each window. Above it
/// `T` is the capacity, whatever the limit is, and the limit stays at 1.6 times what keeps the service busy: six tenths of `R0`
/// are spent in its line, and who runs next is decided in ours. Callers who wait for less than `R0` takes do not lower it below
/// `1.1 * T * R0`: no limit would help them.
///
/// - **Windows only raise it**, and only if the limit was in use.
/// - **`R0` is measured, not remembered**: calls that begin while at most half the limit is in flight (more where the gain is
///   low) are taken by cohorts, and all of a cohort have to end, so that long calls count like short ones. Under overload
///   there are none such; then the limit is lowered to half for one cohort, every five seconds, or at once when calls take far
///   longer than they should. As 1.6 times a half is less than one, an `R0` that was taken too high comes down by a fifth each
///   time; from the second time on, probes follow on each other without a pause.
/// - **A few late calls lower the gain**, to 1.1 at least, until less than one in 120 is late. In a service that works on all it
///   has at the same time, each call is slower for every other, and those that take long end too late first.
/// - **Many late calls cut it.** If more than a quarter of the calls since the last cut were late, it is halved, but not below what
///   the rate at which calls end calls for.
/// - **A dependency that turns calls away** has said how many it takes: the limit goes to what it worked on, and from there up
///   one at a time.
/// - **Weights**: `T` counts slots, and `R0` and `R` are means over slots, so the law holds for calls of
///   [different weight](crate::AdaptiveLimit::weighted). Wherever a limit is rounded, it is to whole calls of the usual weight,
///   as room that no call fits into would never be used, and the limit never raised.
/// - **`D` bounds it**, so whatever else goes wrong, a call spends at most half of its time in the service, but for callers who
///   have no time for it at all.
///
/// This is BBR (bandwidth times round trip) with the mean of unhurried calls in place of the fastest, of which there is none
/// that could be trusted where service times vary.
///
/// ```
/// use cofferdam::limit::{AdaptiveLimit, Knee};
///
/// // It is what a limit has unless another is asked for.
/// let limit: AdaptiveLimit<Knee> = AdaptiveLimit::builder("search").build()?;
/// assert_eq!(limit.limit(), 20);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Knee {
    /// Calls that worked a second: smoothed, and in the last window.
    throughput: f64,
    last_throughput: f64,
    /// How many slots a call holds.
    weight: f64,
    /// `G`, and the share of calls that were late of late.
    gain: f64,
    lateness: f64,
    last_cut: Instant,
    /// `R0`, in seconds.
    base: Option<f64>,
    measured: Instant,
    /// The limit still has to be found: nothing is to get in the way.
    starting: bool,
    probing_since: Option<Instant>,
    /// The last probe found calls to take much less than was believed.
    falling: bool,
    /// Calls take far longer than they should: whatever the reason is, a few will show it.
    odd: bool,
    /// How long a base is good for.
    between: Duration,
    next_probe: Instant,
    turned_away: Option<Instant>,
    /// Which probe it is, from which the time to the next one is varied.
    probes: u32,
}

/// How much longer than unhurried calls may take: covers that what these take is not known any better.
const GAIN: f64 = 1.6;
/// The same, where calls are late.
const LEAST_GAIN: f64 = 1.1;
/// The share of the limit up to which calls are unhurried, times the gain: below one, or a base too high would never come down.
const QUIET: f64 = 0.8;
/// The gain goes down while a larger share of calls is late, and up while a smaller one is.
const OFTEN_LATE: f64 = 0.015;
const HARDLY_LATE: f64 = 0.008;
/// So many calls are what is remembered of lateness: several are late then, where it matters.
const LATENESS_OF: f64 = 400.0;
/// From one end to the other within 5000 calls: slowly, as the lateness follows with some delay.
const GAIN_STEP: f64 = 0.0001;
/// The share of their time that calls may spend in the service.
const SHARE_OF_PATIENCE: f64 = 0.5;
const LATE: f64 = 0.25;
/// A limit that a cut does not go below: one call that runs and one that is next.
const FLOOR: f64 = 2.0;
/// A mean that is so much longer than it should be says that something has changed.
const ODD: f64 = 1.5;
/// A new base that differs by that factor is taken as it is.
const ANOTHER: f64 = 1.7;
/// What half of a limit that is far too high brings down is eight tenths of what was believed, by Little's law.
const FELL: f64 = 0.85;
/// As long as so much longer, a call that failed was given up, not refused.
const SLOW: f64 = 3.5;
/// The share of calls that a dependency turns away by which it says that there are too many.
const TURNED_AWAY: f64 = 0.05;
const BETWEEN_PROBES: Duration = Duration::from_secs(5);
const BETWEEN_FALLS: Duration = Duration::from_secs(1);
const BETWEEN_ODD_PROBES: Duration = Duration::from_millis(500);
const AFTER_A_CUT: Duration = Duration::from_secs(1);
const AFTER_TURNED_AWAY: Duration = Duration::from_secs(2);
/// Until then the limit goes up by small steps.
const CAREFUL: Duration = Duration::from_secs(10);

impl Default for Knee {
    fn default() -> Self {
        Self {
            throughput: 0.0,
            last_throughput: 0.0,
            weight: 1.0,
            gain: GAIN,
            lateness: 0.0,
            last_cut: Instant::ORIGIN,
            base: None,
            measured: Instant::ORIGIN,
            starting: false,
            probing_since: None,
            falling: false,
            odd: false,
            between: BETWEEN_PROBES,
            next_probe: Instant::ORIGIN,
            turned_away: None,
            probes: 0,
        }
    }
}

impl Algorithm for Knee {
    fn begin(&mut self, limit: u32) -> Plan {
        self.plan(limit.into(), Duration::MAX)
    }

    fn window(&mut self, sample: &Sample) -> Plan {
        let throughput = sample.throughput();
        if sample.worked > 0 {
            self.weight = sample.weight();
        }
        let before = std::mem::replace(&mut self.last_throughput, throughput);
        if self.probing_since.is_none() {
            let near = throughput > self.throughput / 2.0 && throughput < self.throughput * 2.0;
            self.throughput += if near { 0.2 } else { 1.0 } * (throughput - self.throughput);
        }
        if sample.in_use && self.probing_since.is_none() {
            self.follow_lateness(sample);
        }
        let limit = f64::from(sample.limit);
        if sample.late >= 2 && sample.late as f64 > LATE * sample.calls as f64 {
            return self.cut(limit, sample);
        }
        if sample.overloaded >= 1 && sample.overloaded as f64 > TURNED_AWAY * sample.calls as f64 {
            return self.turned_away(limit, sample);
        }
        let limit = if sample.in_use && self.probing_since.is_none() && sample.worked > 0 {
            self.raise(limit, throughput, before, sample)
        } else {
            limit
        };
        self.plan(limit, sample.patience)
    }

    fn quiet(&mut self, quiet: &Quiet) -> Option<Plan> {
        /// Fewer say too little.
        const ENOUGH: u64 = 8;
        let probed = self.probing_since.take();
        let limit = f64::from(quiet.limit);
        if quiet.worked < ENOUGH {
            self.next_probe = quiet.now.after(BETWEEN_PROBES);
            return Some(self.plan(limit, quiet.patience));
        }
        let latency = quiet.latency.as_secs_f64();
        let fell = probed.is_some() && self.base.is_some_and(|before| latency < FELL * before);
        let rose = probed.is_some() && self.base.is_some_and(|before| latency > ANOTHER * before);
        // Down for the second time: that is no chance.
        let falls_on = self.falling && fell;
        let base = match self.base {
            None => latency,
            Some(base) if probed.is_none() => base + 0.2 * (latency - base),
            Some(base) if latency > base * ANOTHER || latency < base / ANOTHER => latency,
            Some(_) if falls_on => latency,
            Some(base) => base + 0.5 * (latency - base),
        };
        // One that comes down was too high, and may still be: with the limit, the queue that it was measured under goes.
        // Nor is it known of one that is much longer than before whether it is the work or the line.
        let comes_down = probed.is_some() && self.base.is_some_and(|before| base < 0.9 * before);
        self.between = if comes_down || rose { BETWEEN_FALLS } else { BETWEEN_PROBES };
        self.falling = fell;
        if self.base.is_some_and(|before| latency > ANOTHER * before) {
            self.gain = GAIN;
        }
        (self.base, self.measured) = (Some(base), quiet.now);
        if let Some(since) = probed {
            self.next_probe = quiet.now.after(self.until_next_probe(quiet.now.since(since)));
        }
        let limit = if probed.is_some() {
            let wanted = self.room_for(self.throughput * self.target(quiet.patience));
            wanted.clamp((limit / 2.0).max(FLOOR), (2.0 * limit).max(FLOOR))
        } else {
            limit
        };
        if falls_on && limit > 2.0 * FLOOR {
            // Half of a limit that is far too high fills the service as well: the next half tells more, and costs nothing.
            (self.probing_since, self.odd) = (Some(quiet.now), false);
        }
        Some(self.plan(limit, quiet.patience))
    }
}

impl Knee {
    /// How long calls are to take, in seconds. Whoever waits for less than an unhurried call takes is helped by no limit, and
    /// does not take their room from those who wait for longer: once it was measured what that is, as the first guess is of calls
    /// that may all have stood in line.
    fn target(&self, patience: Duration) -> f64 {
        let bound = SHARE_OF_PATIENCE * patience.as_secs_f64();
        let Some(base) = self.base else { return bound };
        let least = if self.measured > Instant::ORIGIN { LEAST_GAIN * base } else { 0.0 };
        bound.clamp(least, self.gain * base)
    }

    /// Enough for that many slots to be taken by whole calls.
    fn room_for(&self, slots: f64) -> f64 {
        (slots / self.weight).ceil() * self.weight
    }

    fn follow_lateness(&mut self, sample: &Sample) {
        let calls = sample.calls as f64;
        let late = sample.late as f64;
        self.lateness += (late - calls * self.lateness) / (calls + LATENESS_OF);
        let step = GAIN_STEP * calls;
        if self.lateness > OFTEN_LATE {
            self.gain = (self.gain - step).max(LEAST_GAIN);
        } else if self.lateness < HARDLY_LATE {
            self.gain = (self.gain + step).min(GAIN);
        }
    }

    fn cut(&mut self, limit: f64, sample: &Sample) -> Plan {
        let ended = per_second(sample.calls, sample.length);
        let lowest = self.room_for(self.target(sample.patience) * ended * self.weight);
        self.throughput = sample.throughput();
        self.probing_since = None;
        // All is to be found anew.
        (self.gain, self.lateness, self.last_cut) = (GAIN, 0.0, sample.now);
        self.plan(limit.min((limit / 2.0).floor().max(lowest).max(FLOOR)), sample.patience).cut()
    }

    fn turned_away(&mut self, limit: f64, sample: &Sample) -> Plan {
        self.turned_away = Some(sample.now);
        self.probing_since = None;
        // Those it worked on were in flight together, by Little's law; rounded, as it takes whole calls.
        let worked_on = (sample.throughput() * sample.latency.as_secs_f64() / self.weight).round() * self.weight;
        self.plan(limit.min(worked_on.max(FLOOR)), sample.patience).cut()
    }

    fn raise(&mut self, limit: f64, throughput: f64, before: f64, sample: &Sample) -> f64 {
        let latency = sample.latency.as_secs_f64();
        if self.base.is_none() {
            (self.base, self.starting) = (Some(latency), true);
        }
        let target = self.target(sample.patience);
        let wanted = self.believed(throughput, before, latency < 0.8 * target) * target;
        if wanted < 1.05 * limit {
            self.starting = false;
        }
        self.look_for_a_probe(latency, limit, sample);
        let step = match self.turned_away.map(|when| sample.now.since(when)) {
            Some(since) if since < AFTER_TURNED_AWAY => 0.0,
            Some(since) if since < CAREFUL => (limit / 16.0).floor().max(self.weight),
            _ => limit,
        };
        limit.max(self.room_for(wanted).min(limit + step))
    }

    /// A window that happened to be good is not believed, nor are two, unless it clearly got better or the service clearly has
    /// room: what raises the limit once stays until the next probe.
    fn believed(&self, throughput: f64, before: f64, has_room: bool) -> f64 {
        const BETTER: f64 = 1.25;
        let least = throughput.min(before);
        match has_room {
            true => throughput,
            false if least > BETTER * self.throughput => least,
            false => least.min(self.throughput),
        }
    }

    fn look_for_a_probe(&mut self, latency: f64, limit: f64, sample: &Sample) {
        let now = sample.now;
        let base = self.base.unwrap_or(latency);
        let age = now.since(self.measured);
        // With a limit that was cut to the floor, a probe would leave one call at a time. What is late still is of the trouble
        // that it was cut for, and when that is over, the limit has to grow first.
        let is_low = limit <= FLOOR.max(self.weight);
        let odd = latency > ODD * GAIN * base && age > BETWEEN_ODD_PROBES && !(is_low && sample.late > 0);
        let grows = self.starting || is_low && now.since(self.last_cut) < AFTER_A_CUT;
        let stale = !grows && age > self.between && now >= self.next_probe;
        if odd || stale {
            (self.probing_since, self.odd) = (Some(now), odd);
        }
    }

    /// A probe costs a fifth of the capacity while it lasts: not more than a twentieth of the time, or a fourth while it is
    /// likely that it costs nothing. Varied by a quarter, so that those who share a service do not probe it together for ever.
    fn until_next_probe(&mut self, lasted: Duration) -> Duration {
        self.probes = self.probes.wrapping_add(1);
        let varied = f64::from(self.probes.wrapping_mul(0x9E37_79B9) >> 16) / f64::from(1 << 16);
        let rare = if self.between == BETWEEN_FALLS { 4 } else { 20 };
        self.between.max(lasted * rare).mul_f64(1.0 + varied / 4.0)
    }

    fn plan(&self, limit: f64, patience: Duration) -> Plan {
        const MOST: f64 = (u32::MAX >> 1) as f64;
        let limit = limit.clamp(1.0, MOST);
        let base = Duration::try_from_secs_f64(self.base.unwrap_or_default()).unwrap_or_default();
        let shortest = Duration::from_millis(50).max((base * 2).min(patience / 4));
        let longest = Duration::from_millis(500).max((base * 8).min(patience));
        let quiet = ((limit - 1.0) * QUIET / self.gain).floor().max(1.0) as u32;
        let most = if self.probing_since.is_some() && self.odd { 24.0 } else { 64.0 };
        let calls = limit / self.weight;
        let cohort = (2.0 * calls).clamp(16.0, most) as u32;
        let plan = Plan::limit(limit as u32).measure(quiet, cohort).look_again(
            shortest,
            (4.0 * calls).clamp(8.0, 32.0) as u32,
            longest,
        );
        let plan = match self.base {
            Some(_) => plan.slow(base.mul_f64(SLOW)),
            None => plan,
        };
        if self.probing_since.is_some() { plan.probe() } else { plan }
    }
}
