//! What few calls have.

/// A value that few calls have, dropped by a function of its own: so that what all the others drop is small, and inlined.
#[derive(Debug)]
pub(crate) struct Seldom<T>(pub(crate) Option<T>);

impl<T> Drop for Seldom<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            drop_it(value);
        }
    }
}

#[cold]
#[inline(never)]
fn drop_it<T>(value: T) {
    drop(value);
}
