//! What else says that there is too much to do.

use std::{fmt, future::Future, time::Duration};

use crate::kernel::{
    Instant, Invalid, clock,
    sync::{Arc, AtomicU64, Ordering},
};

/// Something that shows how hard pressed a service is.
///
/// ```
/// use cofferdam::{Instant, shed::Signal};
///
/// /// Pressed on every full hour.
/// struct Hourly;
///
/// impl Signal for Hourly {
///     fn pressure(&self, now: Instant) -> Option<f64> {
///         Some(if now.since(Instant::ORIGIN).as_secs() % 3600 < 60 { 2.0 } else { 0.0 })
///     }
/// }
/// ```
pub trait Signal: Send + Sync {
    /// How hard pressed it is: up to 1 it is not, at 2 it is twice as hard pressed as it may be. `None` if it cannot say;
    /// what is no number, or below zero, counts as that.
    ///
    /// It is asked ten times a second, by one thread at a time and under no lock, and should not take long.
    fn pressure(&self, now: Instant) -> Option<f64>;
}

/// A gauge of yours: how busy the processor is, or how much of the memory is taken.
///
/// ```
/// use cofferdam::{limit::AdaptiveLimit, shed::{Gauge, LoadShed}};
///
/// # fn processor_load() -> f64 { 0.3 }
/// let limit = AdaptiveLimit::builder("api").build()?;
/// let shed = LoadShed::builder(limit).signal(Gauge::new(0.9, processor_load)?).build()?;
/// # let _: LoadShed<_, _> = shed;
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
pub struct Gauge<F> {
    target: f64,
    read: F,
}

impl<F: Fn() -> f64> Gauge<F> {
    /// A gauge that should stay below that.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless the target is a number above zero.
    pub fn new(target: f64, read: F) -> Result<Self, Invalid> {
        if target > 0.0 && target.is_finite() {
            Ok(Self { target, read })
        } else {
            Err(Invalid::new("target", target, "a number above 0"))
        }
    }
}

impl<F: Fn() -> f64 + Send + Sync> Signal for Gauge<F> {
    fn pressure(&self, _: Instant) -> Option<f64> {
        Some((self.read)() / self.target)
    }
}

impl<F> fmt::Debug for Gauge<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge").field("target", &self.target).finish_non_exhaustive()
    }
}

/// How late tasks are run: in a process whose threads are all busy, a sleep of ten milliseconds takes longer.
///
/// It comes with a future to be spawned, which sleeps and looks at how long that took. If nobody runs it the signal says
/// nothing.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{limit::AdaptiveLimit, shed::{LoadShed, SchedulerLag}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::Invalid> {
/// let (lag, probe) = SchedulerLag::new(Duration::from_millis(20))?;
/// tokio::spawn(probe);
/// let shed = LoadShed::builder(AdaptiveLimit::builder("api").build()?).signal(lag).build()?;
/// # let _ = shed;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SchedulerLag {
    seen: Arc<Seen>,
    target: Duration,
}

#[derive(Debug)]
struct Seen {
    lag: AtomicU64,
    at: AtomicU64,
}

/// How often it is looked at.
const NAP: Duration = Duration::from_millis(10);
/// What was seen longer ago says nothing any more.
const STALE: Duration = Duration::from_secs(1);

impl SchedulerLag {
    /// A lag that should stay below that, and the future that watches it. It ends when the signal is dropped.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless the target is above zero.
    pub fn new(target: Duration) -> Result<(Self, impl Future<Output = ()> + Send + use<>), Invalid> {
        Invalid::unless_duration("target", target)?;
        let seen = Arc::new(Seen { lag: AtomicU64::new(0), at: AtomicU64::new(0) });
        let watched = Arc::downgrade(&seen);
        let watch = async move {
            loop {
                let before = clock::now();
                tokio::time::sleep(NAP).await;
                let Some(seen) = watched.upgrade() else { return };
                let now = clock::now();
                let lag = clock::nanos(now.since(before).saturating_sub(NAP));
                // A quarter of each: one late run says little, several in a row say it all.
                let smoothed = seen.lag.load(Ordering::Relaxed) / 4 * 3 + lag / 4;
                seen.lag.store(smoothed, Ordering::Relaxed);
                seen.at.store(now.as_nanos(), Ordering::Relaxed);
            }
        };
        Ok((Self { seen, target }, watch))
    }
}

impl Signal for SchedulerLag {
    fn pressure(&self, now: Instant) -> Option<f64> {
        let at = Instant::from_nanos(self.seen.at.load(Ordering::Relaxed));
        let lag = Duration::from_nanos(self.seen.lag.load(Ordering::Relaxed));
        (now.since(at) < STALE).then(|| lag.as_secs_f64() / self.target.as_secs_f64())
    }
}
