/// A call that was let in: in one word, which travels in a register.
#[derive(Debug, PartialEq, Eq)]
pub struct Inside(u64);

/// Where a call that has had to wait has left its waker, so that it can be cut: with the bell of a lane of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) lane: usize,
    pub(super) index: usize,
}

/// There are fewer lanes than this.
const LANES: u64 = 1 << 16;

impl Inside {
    /// One that a drain waits for, and that has not had to wait.
    pub(super) const COUNTED: Self = Self(0);

    /// One that is let in whatever the drain is doing, and that it does not wait for.
    pub(super) const EXEMPT: Self = Self(1);

    /// Both of which have no place.
    const PLACES: u64 = 2;

    /// One that a drain waits for, and that can be woken there.
    pub(super) fn waiting(place: Place) -> Self {
        Self(Self::PLACES + place.index as u64 * LANES + place.lane as u64)
    }

    pub(super) fn place(&self) -> Option<Place> {
        let place = self.0.checked_sub(Self::PLACES)?;
        Some(Place { lane: (place % LANES) as usize, index: (place / LANES) as usize })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again() {
        for place in [(0, 0), (63, 0), (0, 1), (5, 1 << 40)].map(|(lane, index)| Place { lane, index }) {
            assert_eq!(Inside::waiting(place).place(), Some(place));
        }
        assert_eq!((Inside::COUNTED.place(), Inside::EXEMPT.place()), (None, None));
    }
}
