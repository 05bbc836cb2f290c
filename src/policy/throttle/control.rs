//! What operators do with a throttle.

use super::{AdaptiveThrottle, Builder};
use crate::kernel::{Fresh, Invalid, sync::lock};

impl<R> AdaptiveThrottle<R> {
    /// Makes it calm, and forgets what it has counted. The next overload makes it pressed again.
    pub fn reset(&self) {
        self.calm_down();
    }
}

impl<R: Clone> AdaptiveThrottle<R> {
    /// Changes settings while it runs. Its state and its counts stay as they are; who tells the ranks does not change either.
    ///
    /// `change` is given what the throttle is set to, and no lock is held while it runs: of two changes made at the same time
    /// the last one holds.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    ///
    /// ```
    /// use cofferdam::AdaptiveThrottle;
    ///
    /// let throttle = AdaptiveThrottle::builder("search").build()?;
    /// throttle.configure(|settings| settings.aggression(1.5).cap(0.9))?;
    /// assert!(throttle.configure(|settings| settings.aggression(f64::NAN)).is_err());
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn configure(&self, change: impl FnOnce(Builder<R>) -> Builder<R>) -> Result<(), Invalid> {
        let settings = change(self.settings()).settings.check()?;
        self.set(settings);
        Ok(())
    }

    /// What it is set to.
    #[must_use = "it is a builder, and changes nothing by itself"]
    pub(super) fn settings(&self) -> Builder<R> {
        let settings = lock(&self.shared.core).settings;
        Builder::of(self.name(), settings, self.ranks.clone())
    }
}

impl<R: Clone> Fresh for AdaptiveThrottle<R> {
    fn fresh(&self) -> Self {
        let settings = lock(&self.shared.core).settings;
        // What one key's share of a server rejects is not what the server rejects.
        Self::new(self.name(), settings, self.ranks.clone(), None)
    }
}
