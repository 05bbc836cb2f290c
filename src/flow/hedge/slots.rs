use std::pin::Pin;

use pin_project_lite::pin_project;

/// Extra attempts of a call at most.
pub(super) const MOST: usize = 2;

pin_project! {
    /// The attempts of one call that are in flight: in place, so that none of them is boxed or spawned.
    pub(super) struct Slots<F> {
        #[pin]
        original: Option<F>,
        #[pin]
        second: Option<F>,
        #[pin]
        third: Option<F>,
    }
}

impl<F> Slots<F> {
    pub(super) fn new(original: F) -> Self {
        Self { original: Some(original), second: None, third: None }
    }

    /// The slot of the original, or of that extra attempt.
    pub(super) fn slot(self: Pin<&mut Self>, index: usize) -> Pin<&mut Option<F>> {
        let this = self.project();
        match index {
            0 => this.original,
            1 => this.second,
            _ => this.third,
        }
    }

    pub(super) fn is_taken(&self, index: usize) -> bool {
        [&self.original, &self.second, &self.third].get(index).is_some_and(|slot| slot.is_some())
    }

    pub(super) fn are_empty(&self) -> bool {
        !(0..=MOST).any(|index| self.is_taken(index))
    }

    /// Drops all that are left, one after the other.
    pub(super) fn clear(mut self: Pin<&mut Self>) {
        (0..=MOST).for_each(|index| self.as_mut().slot(index).set(None));
    }
}
