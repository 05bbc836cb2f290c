use std::time::Duration;

use super::CircuitBreaker;
use crate::kernel::{
    Dependency, Invalid, Name, Ratio,
    window::{LARGEST, Span},
    written::Written,
};

/// Builds a [`CircuitBreaker`], or changes one: see [`CircuitBreaker::configure`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`failure_ratio`](Self::failure_ratio) | 0.9 | none, or above 0 to 1 |
/// | [`overloads`](Self::overloads) are failures | yes | |
/// | [`slow_calls`](Self::slow_calls) | half of the calls take 5 s, or fail late | none, or a duration and above 0 to 1 |
/// | [`stall`](Self::stall) | 250 ms, or 8 times the usual | none, or a duration and 1 to 1,000 |
/// | [`consecutive_failures`](Self::consecutive_failures) | 40, or 10 in a second or more | none, or at least 1 |
/// | [`minimum_calls`](Self::minimum_calls) | 10 | at least 1 |
/// | [`window`](Self::window) | 10 s | 1 ms to 100 years |
/// | [`window_calls`](Self::window_calls) | not used | 1 to 1,048,576 |
/// | [`open_time`](Self::open_time) | 1.05 s | above 0 |
/// | [`open_time_growth`](Self::open_time_growth) | 1.03 | 1 to 100 |
/// | [`open_time_max`](Self::open_time_max) | 30 s | at least the open time |
/// | [`open_time_jitter`](Self::open_time_jitter) | 0.05 | 0 to 1 |
/// | [`probes`](Self::probes) | 5 | 1 to 1,000 |
/// | [`probe_failure_ratio`](Self::probe_failure_ratio) | 0.8 | above 0 to 1 |
/// | [`probe_lease`](Self::probe_lease) | 10 s | at least the slow-call threshold |
/// | [`ramp`](Self::ramp) | 300 ms | none, or above 0 |
/// | [`dependency`](Self::dependency) | none | |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::CircuitBreaker;
///
/// let breaker = CircuitBreaker::builder("reports")
///     .failure_ratio(None)
///     .consecutive_failures(5)
///     .slow_calls(Duration::from_secs(30), 0.8)
///     .probe_lease(Duration::from_secs(60))
///     .window_calls(200)
///     .build()?;
///
/// let invalid = CircuitBreaker::builder("reports").failure_ratio(f64::NAN).build().unwrap_err();
/// assert_eq!(invalid.to_string(), "`failure_ratio` cannot be NaN: it must be above 0, at most 1");
/// # let _ = breaker; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    name: String,
    pub(super) settings: Raw,
    dependency: Option<Dependency>,
}

/// The settings as they were given.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) failure_ratio: Option<f64>,
    pub(super) overloads: bool,
    pub(super) slow_calls: Option<(Duration, f64)>,
    pub(super) stall: Option<(Duration, f64)>,
    pub(super) consecutive_failures: Option<u32>,
    pub(super) minimum_calls: u32,
    pub(super) window: Span,
    pub(super) open_time: Duration,
    pub(super) open_time_growth: f64,
    pub(super) open_time_max: Duration,
    pub(super) open_time_jitter: f64,
    pub(super) probes: u32,
    pub(super) probe_failure_ratio: f64,
    pub(super) probe_lease: Duration,
    pub(super) ramp: Option<Duration>,
}

/// The settings once they are known to make sense.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) failure_ratio: Option<Ratio>,
    pub(super) overloads: bool,
    pub(super) slow_calls: Option<(Duration, Ratio)>,
    pub(super) stall: Option<(Duration, f64)>,
    pub(super) consecutive_failures: Option<u32>,
    pub(super) minimum_calls: u32,
    pub(super) window: Span,
    pub(super) open_time: Duration,
    pub(super) open_time_growth: f64,
    pub(super) open_time_max: Duration,
    pub(super) open_time_jitter: Ratio,
    pub(super) probes: u32,
    pub(super) probe_failure_ratio: Ratio,
    pub(super) probe_lease: Duration,
    pub(super) ramp: Option<Duration>,
}

impl Builder {
    pub(super) fn new(name: String) -> Self {
        let settings = Raw {
            failure_ratio: Some(0.9),
            overloads: true,
            slow_calls: Some((Duration::from_secs(5), 0.5)),
            stall: Some((Duration::from_millis(250), 8.0)),
            consecutive_failures: Some(40),
            minimum_calls: 10,
            window: Span::Time(Duration::from_secs(10)),
            open_time: Duration::from_millis(1_050),
            open_time_growth: 1.03,
            open_time_max: Duration::from_secs(30),
            open_time_jitter: 0.05,
            probes: 5,
            probe_failure_ratio: 0.8,
            probe_lease: Duration::from_secs(10),
            ramp: Some(Duration::from_millis(300)),
        };
        Self { name, settings, dependency: None }
    }

    /// A builder that holds what a breaker is set to.
    pub(super) fn of(name: Name, settings: &Settings) -> Self {
        let settings = Raw {
            failure_ratio: settings.failure_ratio.map(Ratio::get),
            overloads: settings.overloads,
            slow_calls: settings.slow_calls.map(|(threshold, ratio)| (threshold, ratio.get())),
            stall: settings.stall,
            consecutive_failures: settings.consecutive_failures,
            minimum_calls: settings.minimum_calls,
            window: settings.window,
            open_time: settings.open_time,
            open_time_growth: settings.open_time_growth,
            open_time_max: settings.open_time_max,
            open_time_jitter: settings.open_time_jitter.get(),
            probes: settings.probes,
            probe_failure_ratio: settings.probe_failure_ratio.get(),
            probe_lease: settings.probe_lease,
            ramp: settings.ramp,
        };
        Self { name: name.to_string(), settings, dependency: None }
    }

    /// Opens when this share of the calls in the window failed; `None` for not at all.
    ///
    /// At the default it leaves alone what answers a few of its calls: see the [module](super). Where each call costs something, or
    /// a fallback is as good as an answer, set 0.5 here and 10 for [`consecutive_failures`](Self::consecutive_failures).
    ///
    /// Default: 0.9. Range: above 0, at most 1.
    pub fn failure_ratio(mut self, ratio: impl Into<Option<f64>>) -> Self {
        self.settings.failure_ratio = ratio.into();
        self
    }

    /// Whether an [`Overload`](crate::Outcome::Overload) is a failure. If not, it counts as an answer, as a success does: a
    /// server that turns away what is too much for it works, and a throttle or a limit beside this breaker sends it less.
    /// Without one of them it should be a failure, or nobody heeds the server's word.
    ///
    /// Default: yes.
    pub fn overloads(mut self, are_failures: bool) -> Self {
        self.settings.overloads = are_failures;
        self
    }

    /// Opens when this share of the calls in the window held their callers for nothing: took `threshold` or longer, whether they
    /// failed or not, or failed after longer than a [`stall`](Self::stall) lasts, as those do that run into a timeout. The time
    /// counts to the head of a streamed answer, and is measured to a tick of the system's clock (1 to 10 ms). A call that is
    /// cancelled after the threshold is one of them.
    ///
    /// Default: 5 s and 0.5. Range: above zero; above 0, at most 1.
    pub fn slow_calls(mut self, threshold: Duration, ratio: f64) -> Self {
        self.settings.slow_calls = Some((threshold, ratio));
        self
    }

    /// Never calls a call slow. Hung calls that somebody further out cancels are then not noticed.
    pub fn no_slow_calls(mut self) -> Self {
        self.settings.slow_calls = None;
        self
    }

    /// Opens when more than five calls have come, none of them was answered, and that for longer than the duration and than
    /// so many times what nearly all answers take; `None` for not at all. What is usual is learned from twenty answers
    /// and more, to their heads; it falls with them and doubles in a minute at most, so that slowness does not become normal
    /// at once.
    ///
    /// Default: 250 ms and 8. Range: above zero; 1 to 1,000.
    pub fn stall(mut self, setting: impl Into<Option<(Duration, f64)>>) -> Self {
        self.settings.stall = setting.into();
        self
    }

    /// Opens after that many failures with no success in between; ten are enough if it is a second or more since the first was
    /// sent. `None` for not at all. This opens a breaker at once when nothing works, and one that sees too few calls for a ratio.
    /// Where half of the calls fail, ten in a row come every few seconds by chance; forty take eight failures of ten.
    ///
    /// Default: 40. Range: at least 1.
    pub fn consecutive_failures(mut self, failures: impl Into<Option<u32>>) -> Self {
        self.settings.consecutive_failures = failures.into();
        self
    }

    /// Judges no ratio before the window holds that many calls.
    ///
    /// Default: 10. Range: at least 1, and no more than a window of calls can hold.
    pub fn minimum_calls(mut self, calls: u32) -> Self {
        self.settings.minimum_calls = calls;
        self
    }

    /// Counts the calls of the last so long; it slides in tenths.
    ///
    /// Default: 10 s. Range: 1 ms to 100 years.
    pub fn window(mut self, length: Duration) -> Self {
        self.settings.window = Span::Time(length);
        self
    }

    /// Counts the last so many calls, however long ago they were. It takes a byte a call.
    ///
    /// Default: a window of time is used. Range: 1 to 1,048,576.
    pub fn window_calls(mut self, calls: u32) -> Self {
        self.settings.window = Span::Calls(calls);
        self
    }

    /// How long it stays open before it probes, the first time. After a probe that failed it counts from when that was sent, as
    /// what hangs is not sent anything meanwhile: a dependency that is down sees a call each open time, or one at a time.
    ///
    /// Default: 1.05 s, so that with the jitter what is down sees one call a second at most. Range: above zero, at most
    /// [`open_time_max`](Self::open_time_max).
    pub fn open_time(mut self, time: Duration) -> Self {
        self.settings.open_time = time;
        self
    }

    /// What the open time is multiplied with each time the probes fail, as soon as it would otherwise become a smaller share of the
    /// outage than that.
    ///
    /// With 1.03 an outage is probed each [`open_time`](Self::open_time) until that is 3 % of it, which is after half a minute, and
    /// then ever more seldom: so late, and no later, its end is noticed. With 2 or more the open time grows from the first failed
    /// probe on. A breaker that has stayed closed for 10 s starts from the first open time again.
    ///
    /// Default: 1.03. Range: 1 to 100.
    pub fn open_time_growth(mut self, factor: f64) -> Self {
        self.settings.open_time_growth = factor;
        self
    }

    /// The longest open time, also when the dependency asks for more by `Retry-After`.
    ///
    /// Default: 30 s. Range: at least [`open_time`](Self::open_time).
    pub fn open_time_max(mut self, time: Duration) -> Self {
        self.settings.open_time_max = time;
        self
    }

    /// By which share of it an open time may be shorter, at random, so that not all clients probe at once. The first of an
    /// outage may be shorter by half, unless this is 0: all clients see it begin in the same moment.
    ///
    /// Default: 0.05. Range: 0 to 1.
    pub fn open_time_jitter(mut self, ratio: f64) -> Self {
        self.settings.open_time_jitter = ratio;
        self
    }

    /// How many calls are let through half-open: the first alone, and the others when it went well. If it fails it is open
    /// again, so a dependency that is down sees one call each open time. One that was turned away further in, and so says nothing,
    /// lets one more go with the first of those after it. As soon as the rest of them cannot change it, the verdict is made.
    ///
    /// Default: 5. Range: 1 to 1,000.
    pub fn probes(mut self, probes: u32) -> Self {
        self.settings.probes = probes;
        self
    }

    /// Opens again when the first of the probes or this share of them failed or were slow, and closes if not: at the default as
    /// soon as two went well, the first among them.
    ///
    /// Default: 0.8. Range: above 0, at most 1.
    pub fn probe_failure_ratio(mut self, ratio: f64) -> Self {
        self.settings.probe_failure_ratio = ratio;
        self
    }

    /// How long a probe may run before another call may have its place. It then decides nothing any more.
    ///
    /// Default: 10 s. Range: at least the slow-call threshold, so that a probe can be found slow.
    pub fn probe_lease(mut self, lease: Duration) -> Self {
        self.settings.probe_lease = lease;
        self
    }

    /// For how long after closing calls are let through by degrees, from a fifth of them to all; `None` for at once.
    ///
    /// Default: 300 ms. Range: above zero.
    pub fn ramp(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.settings.ramp = time.into();
        self
    }

    /// States there that it is not closed, that the dependency has stalled, and that load comes back to it by degrees. See
    /// [`dependency`](crate::dependency). It is said before the breaker is built; a change of its settings does not change it.
    ///
    /// Default: nowhere.
    pub fn dependency(mut self, dependency: &Dependency) -> Self {
        self.dependency = Some(dependency.clone());
        self
    }

    /// Builds the breaker, closed.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<CircuitBreaker, Invalid> {
        Ok(CircuitBreaker::new(Name::new(&self.name)?, self.check()?, self.dependency.as_ref()))
    }

    pub(super) fn check(&self) -> Result<Settings, Invalid> {
        let raw = &self.settings;
        let settings = Settings {
            failure_ratio: raw.failure_ratio.map(|ratio| Ratio::threshold("failure_ratio", ratio)).transpose()?,
            overloads: raw.overloads,
            slow_calls: raw.slow_calls.map(slow_calls).transpose()?,
            stall: raw.stall.map(stall).transpose()?,
            consecutive_failures: raw
                .consecutive_failures
                .map(|failures| within("consecutive_failures", failures, u32::MAX, "at least 1"))
                .transpose()?,
            minimum_calls: within("minimum_calls", raw.minimum_calls, u32::MAX, "at least 1")?,
            window: window(raw.window)?,
            open_time: Invalid::unless_duration("open_time", raw.open_time)?,
            open_time_growth: growth(raw.open_time_growth)?,
            open_time_max: Invalid::unless_duration("open_time_max", raw.open_time_max)?,
            open_time_jitter: Ratio::new(raw.open_time_jitter)
                .map_err(|_| Invalid::new("open_time_jitter", raw.open_time_jitter, "0 to 1"))?,
            probes: within("probes", raw.probes, 1000, "1 to 1000")?,
            probe_failure_ratio: Ratio::threshold("probe_failure_ratio", raw.probe_failure_ratio)?,
            probe_lease: Invalid::unless_duration("probe_lease", raw.probe_lease)?,
            ramp: raw.ramp.map(|time| Invalid::unless_duration("ramp", time)).transpose()?,
        };
        settings.agree()?;
        Ok(settings)
    }
}

impl Settings {
    /// Settings that are fine one by one and make no sense together.
    fn agree(&self) -> Result<(), Invalid> {
        if self.open_time > self.open_time_max {
            return Err(Invalid::new("open_time_max", Written(self.open_time_max), "at least `open_time`"));
        }
        if self.slow_calls.is_some_and(|(threshold, _)| threshold > self.probe_lease) {
            return Err(Invalid::new(
                "probe_lease",
                Written(self.probe_lease),
                "at least the threshold of `slow_calls`",
            ));
        }
        match self.window {
            Span::Calls(calls) if calls < self.minimum_calls => {
                Err(Invalid::new("minimum_calls", self.minimum_calls, "at most `window_calls`"))
            }
            _ => Ok(()),
        }
    }
}

fn slow_calls((threshold, ratio): (Duration, f64)) -> Result<(Duration, Ratio), Invalid> {
    Ok((Invalid::unless_duration("slow_calls", threshold)?, Ratio::threshold("slow_calls", ratio)?))
}

fn stall((floor, multiple): (Duration, f64)) -> Result<(Duration, f64), Invalid> {
    if !(1.0..=1000.0).contains(&multiple) {
        return Err(Invalid::new("stall", multiple, "a duration and 1 to 1000"));
    }
    Ok((Invalid::unless_duration("stall", floor)?, multiple))
}

fn window(span: Span) -> Result<Span, Invalid> {
    match span {
        Span::Time(length) => {
            if length < Duration::from_millis(1) || Invalid::unless_duration("window", length).is_err() {
                return Err(Invalid::new("window", Written(length), "1 ms to 100 years"));
            }
        }
        Span::Calls(calls) => {
            within("window_calls", calls, LARGEST, "1 to 1048576")?;
        }
    }
    Ok(span)
}

fn growth(factor: f64) -> Result<f64, Invalid> {
    if (1.0..=100.0).contains(&factor) { Ok(factor) } else { Err(Invalid::new("open_time_growth", factor, "1 to 100")) }
}

fn within(field: &'static str, value: u32, most: u32, allowed: &'static str) -> Result<u32, Invalid> {
    if (1..=most).contains(&value) { Ok(value) } else { Err(Invalid::new(field, value, allowed)) }
}
