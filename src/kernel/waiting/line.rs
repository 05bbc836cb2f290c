//! Who stands where: the line as a pure state machine. It is told the time, takes no lock and wakes nobody.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use slab::Slab;

use crate::kernel::Instant;

/// Who of those with the same rank goes first.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::waiting::Order;
///
/// let order = Order::Adaptive { after: Duration::from_millis(100) };
/// assert_eq!(Order::default(), order);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// The one who came first, always. Under overload everybody then waits for as long as one may.
    Fifo,
    /// The one who came first, while the line is empty now and then. Once it has not been for that long, the one who came
    /// last: under overload some are then served at once, rather than all of them too late.
    Adaptive {
        /// For how long the line must not have been empty.
        after: Duration,
    },
}

/// First come, first served, until the line has not been empty for 100 ms.
impl Default for Order {
    fn default() -> Self {
        Self::Adaptive { after: Duration::from_millis(100) }
    }
}

/// Whoever was called and has not come by then is passed over until it shows itself.
const GRACE: Duration = Duration::from_millis(10);

/// And whoever has not shown itself for so long has no place that anybody else could want: most likely nobody polls it any more.
const GONE: Duration = Duration::from_secs(1);

/// A place in a line. The number tells it from a later one in the same seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    index: usize,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    /// It may come in: that much is kept for it since then.
    Called {
        promised: u32,
        at: Instant,
    },
    /// It was called at that time and did not come.
    Asleep {
        at: Instant,
    },
}

#[derive(Debug)]
struct Guest<T> {
    number: u64,
    rank: u64,
    weight: u32,
    standing: Standing,
    before: Option<usize>,
    behind: Option<usize>,
    tag: T,
}

/// The first and the last of those who stand in one order.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    first: Option<usize>,
    last: Option<usize>,
}

/// The settings of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// How many may wait.
    pub(crate) length: usize,
    pub(crate) order: Order,
}

/// Everything about it takes the same time, however long it is, but for ranks: their number counts by its logarithm.
#[derive(Debug)]
pub(crate) struct Line<T> {
    pub(crate) rules: Rules,
    /// Who keeps a timer for all, and for when: the next, in front of what comes back with time.
    pub(crate) watch: Option<(Seat, Instant)>,
    guests: Slab<Guest<T>>,
    waiting: BTreeMap<u64, Row>,
    /// Those who were called in vain and wait again, ahead of all others of their rank: few, and in the order in which they
    /// came, whatever the order in which they return.
    returned: BTreeMap<(Reverse<u64>, u64), usize>,
    called: Row,
    asleep: BTreeMap<u64, Row>,
    /// How many wait, and how many sleep.
    idle: usize,
    promised: u32,
    /// Since when somebody has been waiting.
    busy_since: Instant,
    next_number: u64,
}

impl<T> Line<T> {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            watch: None,
            guests: Slab::new(),
            waiting: BTreeMap::new(),
            returned: BTreeMap::new(),
            called: Row::default(),
            asleep: BTreeMap::new(),
            idle: 0,
            promised: 0,
            busy_since: Instant::ORIGIN,
            next_number: 0,
        }
    }

    /// Nobody is in it, called or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.guests.is_empty()
    }

    /// How many have not been called, or did not come.
    pub(crate) fn idle(&self) -> usize {
        self.idle
    }

    /// Whoever comes now finds nobody ahead of it but those who were called.
    pub(crate) fn nobody_is_ahead(&self) -> bool {
        self.waiting.is_empty() && self.returned.is_empty()
    }

    /// The rank below which there is no place to be had, zero while there is one for everybody; and until when nobody needs to
    /// look again, if nothing else happens. Where only sleepers are left, what is free is theirs until they are gone.
    pub(crate) fn floor(&self, now: Instant) -> (u64, Instant) {
        if self.idle < self.rules.length || self.who_is_gone(now).is_some() {
            return (0, Instant::NEVER);
        }
        let lowest = [&self.waiting, &self.asleep].into_iter().filter_map(|rows| rows.first_key_value());
        let floor = lowest.map(|(lowest, _)| *lowest).min().unwrap_or(0);
        let sleeps = self.asleep.first_key_value().and_then(|(_, row)| row.first).filter(|_| self.nobody_is_ahead());
        let until = sleeps.map_or(Instant::NEVER, |index| match self.guests[index].standing {
            Standing::Asleep { at } => at.after(GONE),
            _ => Instant::NEVER,
        });
        (floor, until)
    }

    /// What is kept for those who were called.
    pub(crate) fn promised(&self) -> u32 {
        self.promised
    }

    pub(crate) fn standing(&self, seat: Seat) -> Option<Standing> {
        self.guest(seat).map(|guest| guest.standing)
    }

    pub(crate) fn weight(&self, seat: Seat) -> Option<u32> {
        self.guest(seat).map(|guest| guest.weight)
    }

    pub(crate) fn tag(&mut self, seat: Seat) -> Option<&mut T> {
        self.guests.get_mut(seat.index).filter(|guest| guest.number == seat.number).map(|guest| &mut guest.tag)
    }

    /// Takes a place, and somebody else's if there is none: then that one's tag comes with it. `None` if this one has to go.
    pub(crate) fn join(&mut self, rank: u64, weight: u32, tag: T, now: Instant) -> Option<(Seat, Option<T>)> {
        let victim = if self.idle < self.rules.length { None } else { Some(self.who_makes_room(rank, now)?) };
        let number = self.next_number;
        self.next_number += 1;
        let standing = Standing::Waiting;
        let index = self.guests.insert(Guest { number, rank, weight, standing, before: None, behind: None, tag });
        self.begin_waiting(index, now);
        // Only now: a line of one that changes hands has not been empty in between.
        let gone = victim.and_then(|victim| self.leave(victim));
        Some((Seat { index, number }, gone))
    }

    /// Gives up a place, whatever it stands for.
    pub(crate) fn leave(&mut self, seat: Seat) -> Option<T> {
        self.guest(seat)?;
        self.detach(seat.index);
        Some(self.guests.remove(seat.index).tag)
    }

    /// Who would be called next, and what it asks for.
    pub(crate) fn next(&self, now: Instant) -> Option<(Seat, u32)> {
        let highest = self.waiting.last_key_value();
        let index = match self.returned.first_key_value() {
            Some(((Reverse(rank), _), index)) if highest.is_none_or(|(highest, _)| highest <= rank) => *index,
            _ if self.newest_first(now) => highest?.1.last?,
            _ => highest?.1.first?,
        };
        let guest = &self.guests[index];
        Some((Seat { index, number: guest.number }, guest.weight))
    }

    /// Somebody who waits may come in.
    pub(crate) fn call(&mut self, seat: Seat, promised: u32, now: Instant) {
        self.detach(seat.index);
        self.guests[seat.index].standing = Standing::Called { promised, at: now };
        self.promised += promised;
        self.called = self.append(self.called, seat.index);
    }

    /// Somebody was called in vain, and goes on waiting ahead of all others.
    pub(crate) fn wait_again(&mut self, seat: Seat) {
        self.detach(seat.index);
        let guest = &mut self.guests[seat.index];
        guest.standing = Standing::Waiting;
        (guest.before, guest.behind) = (None, None);
        self.returned.insert((Reverse(guest.rank), guest.number), seat.index);
        self.idle += 1;
    }

    /// Somebody who had been called and did not come shows itself. If one of a lower rank was called since and has not come either,
    /// that one waits again: or on a busy thread, where everybody comes late, calls would go to whoever was called last.
    pub(crate) fn awaken(&mut self, seat: Seat) {
        if let Some(Standing::Asleep { .. }) = self.standing(seat) {
            let rank = self.guests[seat.index].rank;
            if let Some(index) = self.called.last
                && self.guests[index].rank < rank
            {
                let number = self.guests[index].number;
                self.wait_again(Seat { index, number });
            }
            self.wait_again(seat);
        }
    }

    /// Passes over those who were called long ago and have not come.
    pub(crate) fn pass_over(&mut self, now: Instant) {
        while let Some(index) = self.called.first {
            let Standing::Called { at, .. } = self.guests[index].standing else { return };
            if now.since(at) < GRACE {
                return;
            }
            self.detach(index);
            let guest = &mut self.guests[index];
            guest.standing = Standing::Asleep { at };
            let rank = guest.rank;
            let row = self.append(self.asleep.get(&rank).copied().unwrap_or_default(), index);
            self.asleep.insert(rank, row);
            self.idle += 1;
        }
    }

    fn guest(&self, seat: Seat) -> Option<&Guest<T>> {
        self.guests.get(seat.index).filter(|guest| guest.number == seat.number)
    }

    /// Of those who sleep, the first of the lowest rank, if it has for so long that it will not come.
    fn who_is_gone(&self, now: Instant) -> Option<usize> {
        let index = self.asleep.first_key_value()?.1.first?;
        matches!(self.guests[index].standing, Standing::Asleep { at } if now.since(at) >= GONE).then_some(index)
    }

    /// The one who goes for somebody of that rank: one who will not come, or of the lowest rank one who sleeps, or else one who
    /// would be served last and later than that. Who sleeps goes for nobody of a lower rank: on a busy thread, whoever is called
    /// comes late.
    fn who_makes_room(&self, rank: u64, now: Instant) -> Option<Seat> {
        let newest_first = self.newest_first(now);
        let sleeps = self.asleep.first_key_value().filter(|(lowest, _)| **lowest <= rank);
        let waits =
            self.waiting.first_key_value().filter(|(lowest, _)| **lowest < rank || **lowest == rank && newest_first);
        let index = self.who_is_gone(now).or_else(|| match (sleeps, waits) {
            (Some((asleep, _)), Some((lowest, row))) if lowest < asleep => last_served(row, newest_first),
            (Some((_, row)), _) => row.first,
            (None, waits) => waits.and_then(|(_, row)| last_served(row, newest_first)),
        })?;
        Some(Seat { index, number: self.guests[index].number })
    }

    fn newest_first(&self, now: Instant) -> bool {
        self.newest_first_since(now).is_some()
    }

    /// Since when the line has not been empty, if that is for so long that the newest go first.
    pub(crate) fn newest_first_since(&self, now: Instant) -> Option<Instant> {
        match self.rules.order {
            Order::Fifo => None,
            Order::Adaptive { after } => {
                let stands = !self.waiting.is_empty() && now.since(self.busy_since) >= after;
                stands.then_some(self.busy_since)
            }
        }
    }

    fn begin_waiting(&mut self, index: usize, now: Instant) {
        if self.waiting.is_empty() {
            self.busy_since = now;
        }
        let rank = self.guests[index].rank;
        self.guests[index].standing = Standing::Waiting;
        let row = self.waiting.get(&rank).copied().unwrap_or_default();
        let row = self.append(row, index);
        self.waiting.insert(rank, row);
        self.idle += 1;
    }

    fn append(&mut self, row: Row, index: usize) -> Row {
        self.guests[index].before = row.last;
        self.guests[index].behind = None;
        match row.last {
            Some(last) => self.guests[last].behind = Some(index),
            None => return Row { first: Some(index), last: Some(index) },
        }
        Row { last: Some(index), ..row }
    }

    /// Takes somebody out of the row it stands in.
    fn detach(&mut self, index: usize) {
        let Guest { number, rank, standing, before, behind, .. } = self.guests[index];
        if let Some(before) = before {
            self.guests[before].behind = behind;
        }
        if let Some(behind) = behind {
            self.guests[behind].before = before;
        }
        let close = |row: Row| Row {
            first: if before.is_none() { behind } else { row.first },
            last: if behind.is_none() { before } else { row.last },
        };
        match standing {
            Standing::Waiting => {
                self.idle -= 1;
                if self.returned.remove(&(Reverse(rank), number)).is_some() {
                    return;
                }
                let row = close(self.waiting.get(&rank).copied().unwrap_or_default());
                keep(&mut self.waiting, rank, row);
            }
            Standing::Called { promised, .. } => {
                self.promised -= promised;
                self.called = close(self.called);
            }
            Standing::Asleep { .. } => {
                self.idle -= 1;
                let row = close(self.asleep.get(&rank).copied().unwrap_or_default());
                keep(&mut self.asleep, rank, row);
            }
        }
    }
}

fn last_served(row: &Row, newest_first: bool) -> Option<usize> {
    if newest_first { row.first } else { row.last }
}

/// A row in which nobody stands is none.
fn keep(rows: &mut BTreeMap<u64, Row>, rank: u64, row: Row) {
    if row.first.is_some() {
        rows.insert(rank, row);
    } else {
        rows.remove(&rank);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_place_takes_about_a_hundred_bytes() {
        // A slab keeps each in an entry of this shape.
        enum Entry<T> {
            #[expect(dead_code)]
            Vacant(usize),
            #[expect(dead_code)]
            Occupied(T),
        }
        assert!(size_of::<Entry<Guest<Option<Waker>>>>() <= 120, "{}", size_of::<Entry<Guest<Option<Waker>>>>());
    }
}
