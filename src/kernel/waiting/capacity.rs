use crate::kernel::Instant;

/// What a line is in front of.
///
/// It counts what is taken by itself, without the room: while nobody waits, whoever comes takes and gives back, and the room
/// hears nothing of it. Every change that makes something free has to tell the room if anybody waits: see
/// [`Room::advance`](super::Room::advance). The order matters: first free it, then look whether anybody waits, and best of
/// all do both in one atomic operation.
///
/// The room calls these methods while it holds its lock: they count, and call nothing else, least of all the room. What
/// `offer` promised is there to be taken, unless something else took it meanwhile.
///
/// ```
/// use std::sync::Mutex;
/// use cofferdam::waiting::Capacity;
///
/// /// One token: whether it is taken, and whether somebody waits for it.
/// #[derive(Default)]
/// struct One(Mutex<(bool, bool)>);
///
/// impl One {
///     /// Gives the token back. Returns whether the room has to hear of it.
///     fn give_back(&self) -> bool {
///         let mut one = self.0.lock().unwrap();
///         one.0 = false;
///         one.1
///     }
/// }
///
/// impl Capacity for One {
///     fn take(&self, _: u32) -> Option<u32> {
///         let mut one = self.0.lock().unwrap();
///         (!std::mem::replace(&mut one.0, true)).then_some(1)
///     }
///     fn offer(&self, _: u32, promised: u32) -> Option<u32> {
///         (promised == 0 && !self.0.lock().unwrap().0).then_some(1)
///     }
///     fn waited_for(&self, by_somebody: bool) {
///         self.0.lock().unwrap().1 = by_somebody;
///     }
/// }
/// # let one = One::default();
/// # assert_eq!((one.offer(1, 1), one.offer(1, 0), one.take(1), one.take(1)), (None, Some(1), Some(1), None));
/// # one.waited_for(true); assert!(one.give_back());
/// ```
pub trait Capacity: Send + Sync + 'static {
    /// Takes that much for somebody whose turn it is, whoever else waits. Returns how much was taken, or `None` if that is not
    /// free. Whoever asks for more than there will ever be would be in front of everybody for ever: let it in alone.
    fn take(&self, weight: u32) -> Option<u32>;

    /// What [`take`](Self::take) would take, if that were free besides what is `promised` to others.
    fn offer(&self, weight: u32, promised: u32) -> Option<u32>;

    /// Somebody waits from now on, or nobody any more. While somebody does, newcomers may not take without the room.
    fn waited_for(&self, by_somebody: bool);

    /// From when on [`offer`](Self::offer) would promise that much, if what is taken comes back with time. `None` if it comes
    /// back with calls, which tell the room.
    ///
    /// The next in line then has a timer for that moment, and nobody needs to tell the room that time has passed; but it
    /// must still be told if the moment comes earlier than this said.
    fn ready_at(&self, weight: u32, promised: u32, now: Instant) -> Option<Instant> {
        let _ = (weight, promised, now);
        None
    }

    /// Somebody who waited has taken what it waited for. `late` is whether it had waited for more than half of the time that it
    /// could, or, where the newest go first by now, for how long nobody has found the line empty.
    fn came_in(&self, late: bool) {
        let _ = late;
    }

    /// How many may wait from now on, if that follows from what it knows; else it stays as it is.
    fn line_length(&self) -> Option<usize> {
        None
    }
}
