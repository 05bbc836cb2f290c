use std::{fmt, sync::Arc, time::Duration};

use fastrand::Rng;

use crate::kernel::{Invalid, control::Text, written::Written};

/// How long to wait between attempts.
///
/// Whatever the kind, no wait is longer than the cap: it is applied last. Waits of different calls are drawn independently
/// of each other. Any duration will do, and any number of attempts: nothing overflows.
///
/// | kind | the wait after `n` failures, from 1 on |
/// |---|---|
/// | [`full_jitter`](Self::full_jitter), the default | anything from zero to `base * 2^(n-1)` |
/// | [`equal_jitter`](Self::equal_jitter) | half of that, and up to as much again |
/// | [`decorrelated`](Self::decorrelated) | anything from `base` to three times the last wait |
/// | [`exponential`](Self::exponential) | `base * 2^(n-1)` |
/// | [`constant`](Self::constant) | always the same |
/// | [`custom`](Self::custom) | what a function says |
///
/// Without jitter those that fail together come back together: leave that to tests.
///
/// In text, as it is displayed and as a [`RetryLayer`](super::RetryLayer) is set by name, it is the kind, and `base..cap`: such as
/// `full_jitter 50ms..2s`. One that is always the same is `constant 100ms`. A function cannot be said in text.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Backoff;
///
/// let backoff = Backoff::exponential(Duration::from_millis(50), Duration::from_millis(150));
/// let millis: Vec<_> = backoff.waits().take(4).map(|wait| wait.as_millis()).collect();
/// assert_eq!(millis, [50, 100, 150, 150]);
/// ```
#[doc(alias = "jitter")]
#[derive(Clone)]
pub struct Backoff {
    kind: Kind,
    base: Duration,
    cap: Duration,
}

#[derive(Clone)]
enum Kind {
    Full,
    Equal,
    Decorrelated,
    Exponential,
    Custom(Arc<dyn Fn(u32) -> Duration + Send + Sync>),
}

impl Backoff {
    /// Anything from zero to a bound that doubles: it spreads best those that fail together.
    #[must_use]
    pub fn full_jitter(base: Duration, cap: Duration) -> Self {
        Self { kind: Kind::Full, base, cap }
    }

    /// Half of a time that doubles, and up to as much again.
    #[must_use]
    pub fn equal_jitter(base: Duration, cap: Duration) -> Self {
        Self { kind: Kind::Equal, base, cap }
    }

    /// Anything from `base` to three times the wait before.
    #[must_use]
    pub fn decorrelated(base: Duration, cap: Duration) -> Self {
        Self { kind: Kind::Decorrelated, base, cap }
    }

    /// A time that doubles, without any jitter.
    #[must_use]
    pub fn exponential(base: Duration, cap: Duration) -> Self {
        Self { kind: Kind::Exponential, base, cap }
    }

    /// Always the same, without any jitter.
    #[must_use]
    pub fn constant(wait: Duration) -> Self {
        Self { kind: Kind::Exponential, base: wait, cap: wait }
    }

    /// What a function makes of the number of failures, from 1 on, but at most `cap`.
    #[must_use]
    pub fn custom(cap: Duration, wait: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Self { kind: Kind::Custom(Arc::new(wait)), base: Duration::ZERO, cap }
    }

    /// Whether a function says how long to wait, which no text can.
    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.kind, Kind::Custom(_))
    }

    /// The waits of one call, without an end.
    #[must_use]
    pub fn waits(&self) -> Waits {
        self.waits_from(fastrand::u64(..))
    }

    /// The same for the same seed, for tests.
    #[must_use]
    pub fn waits_from(&self, seed: u64) -> Waits {
        Waits { backoff: self.clone(), random: Rng::with_seed(seed), failures: 0, last: self.base }
    }

    /// `base * 2^doublings`, at most the cap.
    fn bound(&self, doublings: u32) -> Duration {
        let doubled = 1_u128.checked_shl(doublings).and_then(|factor| self.base.as_nanos().checked_mul(factor));
        match doubled {
            Some(nanos) if nanos < self.cap.as_nanos() => from_nanos(nanos),
            // Nothing stays nothing, however often it is doubled.
            None if self.base.is_zero() => Duration::ZERO,
            _ => self.cap,
        }
    }
}

/// Full jitter from 50 ms on, and at most 2 s.
impl Default for Backoff {
    fn default() -> Self {
        Self::full_jitter(Duration::from_millis(50), Duration::from_secs(2))
    }
}

impl Kind {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Full => "full_jitter",
            Self::Equal => "equal_jitter",
            Self::Decorrelated => "decorrelated",
            Self::Exponential => "exponential",
            Self::Custom(_) => "custom",
        }
    }
}

/// The kind, and between what the waits are.
impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, cap) = (Written(self.base), Written(self.cap));
        match self.kind {
            Kind::Custom(_) => write!(f, "custom, {cap} at most"),
            Kind::Exponential if self.base == self.cap => write!(f, "constant {cap}"),
            _ => write!(f, "{} {base}..{cap}", self.kind.as_str()),
        }
    }
}

/// What is displayed can be read, but for a function.
impl Text for Backoff {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        let duration = |text: &str| Duration::from_text(setting, text.trim()).ok();
        let read = || {
            let (kind, waits) = text.split_once(' ')?;
            let make = match kind {
                "constant" => return Some(Self::constant(duration(waits)?)),
                "full_jitter" => Self::full_jitter,
                "equal_jitter" => Self::equal_jitter,
                "decorrelated" => Self::decorrelated,
                "exponential" => Self::exponential,
                _ => return None,
            };
            let (base, cap) = waits.split_once("..")?;
            Some(make(duration(base)?, duration(cap)?))
        };
        read().ok_or_else(|| Invalid::new(setting, text, IN_TEXT))
    }
}

const IN_TEXT: &str = "full_jitter, equal_jitter, decorrelated or exponential, from one duration to another, such as \
                       `full_jitter 50ms..2s`, or `constant 100ms`";

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.as_str();
        f.debug_struct("Backoff").field("kind", &kind).field("base", &self.base).field("cap", &self.cap).finish()
    }
}

/// The waits of one call: see [`Backoff::waits`].
#[derive(Clone, Debug)]
pub struct Waits {
    backoff: Backoff,
    random: Rng,
    failures: u32,
    last: Duration,
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let Self { backoff, random, failures, last } = self;
        let bound = backoff.bound(*failures);
        *failures = failures.saturating_add(1);
        let wait = match &backoff.kind {
            Kind::Full => between(random, Duration::ZERO, bound),
            Kind::Equal => between(random, bound / 2, bound),
            Kind::Decorrelated => between(random, backoff.base, last.saturating_mul(3)),
            Kind::Exponential => bound,
            Kind::Custom(wait) => wait(*failures),
        };
        *last = wait.min(backoff.cap);
        Some(*last)
    }
}

/// Anything from the one to the other, both of them possible.
fn between(random: &mut Rng, low: Duration, high: Duration) -> Duration {
    let (low, high) = (low.as_nanos(), high.as_nanos());
    from_nanos(random.u128(low..=high.max(low)))
}

fn from_nanos(nanos: u128) -> Duration {
    // No duration has more seconds than its number holds.
    Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32)
}
