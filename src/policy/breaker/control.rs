//! What operators do with a breaker.

use tokio::sync::watch;

use super::{Builder, CircuitBreaker, State, policy::Core};
use crate::kernel::{
    Fresh, Invalid, clock,
    sync::{Ordering, lock},
};

impl CircuitBreaker {
    /// What it is doing. It leaves `Open` with the first call after the open time, not by itself.
    #[must_use]
    pub fn state(&self) -> State {
        lock(&self.shared.core).machine.state()
    }

    /// Follows its state: the receiver has the latest one, and can wait for the next. States that last for less time than
    /// it takes to look may be missed; whoever needs each of them [observes](crate::observe) it. What `borrow` returns is a
    /// lock: the breaker cannot change while it is held, so copy the state out of it.
    ///
    /// ```
    /// use cofferdam::{BreakerState, CircuitBreaker};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let breaker = CircuitBreaker::builder("payments").build()?;
    /// let mut states = breaker.subscribe();
    /// assert_eq!(*states.borrow(), BreakerState::Closed);
    ///
    /// breaker.force_open();
    /// states.changed().await?;
    /// assert_eq!(*states.borrow_and_update(), BreakerState::ForcedOpen);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.shared.states.subscribe()
    }

    /// Rejects every call until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.force(State::ForcedOpen);
    }

    /// Lets every call through until [`reset`](Self::reset), whatever happens, and counts nothing.
    pub fn force_closed(&self) {
        self.force(State::ForcedClosed);
    }

    /// Lets every call through until [`reset`](Self::reset), and goes on counting.
    pub fn disable(&self) {
        self.force(State::Disabled);
    }

    /// Closes it and forgets everything: counts, open times, and that it was forced.
    pub fn reset(&self) {
        self.with_core(|Core { machine, .. }| {
            machine.reset(clock::coarse());
            self.forget();
        });
    }

    /// Changes settings while it runs. Its state, its counts and its open time stay as they are; a half-open period is
    /// judged to its end by the settings it began with, and a ramp that has begun becomes no longer.
    ///
    /// `change` is given what the breaker is set to, and no lock is held while it runs: of two changes made at the same time
    /// the last one holds.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cofferdam::CircuitBreaker;
    ///
    /// let breaker = CircuitBreaker::builder("payments").build()?;
    /// breaker.configure(|settings| settings.open_time(Duration::from_secs(5)))?;
    /// assert!(breaker.configure(|settings| settings.probes(0)).is_err());
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn configure(&self, change: impl FnOnce(Builder) -> Builder) -> Result<(), Invalid> {
        let settings = change(self.settings()).check()?;
        self.with_core(|core| {
            if core.settings.window != settings.window {
                self.shared.window.reshape(settings.window, clock::coarse());
            }
            self.shared.live.set(&settings);
            if core.settings.stall != settings.stall {
                self.shared.stall.set(settings.stall);
            }
            self.shared.window.unsettle();
            self.shared.open_time.store(clock::nanos(settings.open_time), Ordering::Relaxed);
            core.settings = settings;
        });
        Ok(())
    }

    /// What it is set to.
    #[must_use = "it is a builder, and changes nothing by itself"]
    pub(super) fn settings(&self) -> Builder {
        let settings = lock(&self.shared.core).settings;
        Builder::of(self.name(), &settings)
    }

    fn force(&self, state: State) {
        self.with_core(|core| core.machine.force(state));
    }
}

impl Fresh for CircuitBreaker {
    fn fresh(&self) -> Self {
        let settings = lock(&self.shared.core).settings;
        // What is wrong with one key is not wrong with the dependency.
        Self::new(self.name(), settings, None)
    }
}
