//! What has been read of a body, and who reads it: no lock and no waking, only what is told and asked.

use std::{collections::VecDeque, mem, task::Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use slab::Slab;

/// A frame counts as that many bytes at least: what is endless is bounded, even if it is empty.
const LEAST_COST: usize = 64;

/// What a field of trailers costs besides its name and value: as in HTTP/2 (RFC 9113, section 6.5.2).
const FIELD_COST: usize = 32;

/// Smaller frames are copied, as one of a byte may hold on to the whole buffer that it was read into. Larger ones are
/// shared: there can only be a few.
const SHARED_FROM: usize = 16 * 1024;

/// A frame that is kept.
pub(super) enum Kept {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Kept {
    /// Keeps a frame, if it costs no more than that.
    pub(super) fn of(frame: &Frame<Bytes>, limit: usize) -> Option<Self> {
        if let Some(data) = frame.data_ref() {
            let fits = cost_of_data(data) <= limit;
            let keep = || if data.len() < SHARED_FROM { Bytes::copy_from_slice(data) } else { data.clone() };
            return fits.then(|| Self::Data(keep()));
        }
        let trailers = frame.trailers_ref().filter(|trailers| cost_of_trailers(trailers) <= limit)?;
        Some(Self::Trailers(trailers.clone()))
    }

    fn cost(&self) -> usize {
        match self {
            Self::Data(data) => cost_of_data(data),
            Self::Trailers(trailers) => cost_of_trailers(trailers),
        }
    }

    fn again(&self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data.clone()),
            Self::Trailers(trailers) => Frame::trailers(trailers.clone()),
        }
    }

    fn for_good(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

fn cost_of_data(data: &Bytes) -> usize {
    data.len().max(LEAST_COST)
}

fn cost_of_trailers(trailers: &HeaderMap) -> usize {
    let fields = trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_COST);
    fields.sum::<usize>().max(LEAST_COST)
}

/// Where the body is that is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Whoever has read all that there is may take it out and poll it.
    Here,
    /// Somebody polls it.
    Out,
    /// It has said all.
    Ended,
    /// It has failed.
    Failed,
}

/// One who reads.
struct Reader {
    /// The number of the frame that comes next.
    at: usize,
    /// Left by one who waits.
    waker: Option<Waker>,
    /// Something is missing for it, or nobody wants to know the rest from it.
    lost: bool,
}

/// What comes next for a reader.
pub(super) enum Next {
    /// This, and whether nothing follows it.
    Frame(Frame<Bytes>, bool),
    /// It takes the source out, and polls it. A frame that costs more than that is not kept.
    Poll {
        room: usize,
    },
    /// It takes the source out for good: there is nobody else, and never will be.
    Alone,
    /// It is woken.
    Wait,
    Ended,
    Lost,
}

/// Frames that nobody needs any more, and wakers. They are not ours, and are dropped when the lock is given up.
#[must_use]
#[derive(Default)]
pub(super) struct Gone(#[allow(dead_code)] VecDeque<Kept>, #[allow(dead_code)] Option<Waker>);

/// The frames of a body from some number on, and those who read them.
pub(super) struct Reel {
    frames: VecDeque<Kept>,
    /// The number of the first of them.
    first: usize,
    /// What they cost, and may cost.
    cost: usize,
    limit: usize,
    /// Whether the first of all is still here, and there may be further readers.
    taped: bool,
    readers: Slab<Reader>,
    /// The one that came last.
    latest: usize,
    source: Source,
    /// Whether somebody has come for the source while it was out.
    missed: bool,
}

impl Reel {
    /// Nothing has been read yet, and nobody reads.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            first: 0,
            cost: 0,
            limit,
            taped: true,
            readers: Slab::new(),
            latest: 0,
            source: Source::Here,
            missed: false,
        }
    }

    /// A new reader, from the first frame on. None if that is gone.
    pub(super) fn join(&mut self) -> Option<usize> {
        if !self.taped {
            return None;
        }
        self.latest = self.readers.insert(Reader { at: self.first, waker: None, lost: false });
        Some(self.latest)
    }

    /// What comes next for a reader. If it has to wait it leaves its waker, and gets back the one it left before.
    pub(super) fn next(&mut self, key: usize, waker: &mut Option<Waker>) -> Next {
        let Reader { at, lost, .. } = self.readers[key];
        if lost {
            return Next::Lost;
        }
        if at < self.end() {
            let frame = self.give(key, at);
            return Next::Frame(frame, at + 1 == self.end() && self.source == Source::Ended);
        }
        match self.source {
            Source::Ended => return Next::Ended,
            Source::Failed => return Next::Lost,
            Source::Here if !self.taped && !self.has_others(key) => {
                self.source = Source::Out;
                return Next::Alone;
            }
            Source::Here | Source::Out => {}
        }
        // Before the source is polled: it may wake at once.
        mem::swap(&mut self.readers[key].waker, waker);
        if self.source == Source::Out {
            self.missed = true;
            return Next::Wait;
        }
        self.source = Source::Out;
        Next::Poll { room: if self.taped || self.has_others(key) { self.limit } else { 0 } }
    }

    /// The source was polled and has nothing yet. Whether others have come for it meanwhile, whom it does not know.
    pub(super) fn back(&mut self) -> bool {
        self.source = Source::Here;
        mem::take(&mut self.missed)
    }

    /// The source has brought a frame, which this reader has. `kept` is what is kept of it, if that is possible at all.
    pub(super) fn push(&mut self, key: usize, kept: Option<Kept>, ended: bool) -> Gone {
        self.source = if ended { Source::Ended } else { Source::Here };
        self.missed = false;
        let waker = self.readers[key].waker.take();
        let end = self.end();
        self.readers[key].at = end + 1;
        let fits = |reel: &Self, kept: &Kept| reel.cost + kept.cost() <= reel.limit;
        let mut gone = VecDeque::new();
        if !kept.as_ref().is_some_and(|kept| fits(self, kept)) {
            // There is no room for all since the first frame, but there may be for what others have not read yet.
            self.taped = false;
            gone = self.trim_to(end);
        }
        match kept {
            Some(kept) if self.taped || self.has_others(key) && fits(self, &kept) => {
                self.cost += kept.cost();
                self.frames.push_back(kept);
            }
            _ => {
                self.lose_others(key);
                gone.append(&mut self.frames);
                (self.first, self.cost) = (end + 1, 0);
            }
        }
        Gone(gone, waker)
    }

    /// The source has nothing more to say.
    pub(super) fn finish(&mut self, key: usize) -> Gone {
        self.source = Source::Ended;
        Gone(VecDeque::new(), self.readers[key].waker.take())
    }

    /// The source has failed, which this reader knows.
    pub(super) fn fail(&mut self, key: usize) -> Gone {
        self.source = Source::Failed;
        self.taped = false;
        self.lose_others(key);
        self.first = self.end();
        self.cost = 0;
        Gone(mem::take(&mut self.frames), self.readers[key].waker.take())
    }

    /// There will be no further readers.
    pub(super) fn untape(&mut self) -> Gone {
        self.taped = false;
        Gone(self.trim(), None)
    }

    /// Nobody wants the rest from any reader but the latest, if that is still there to read it.
    pub(super) fn supersede(&mut self) -> Gone {
        if self.readers.get(self.latest).is_some_and(|latest| !latest.lost) {
            self.lose_others(self.latest);
        }
        Gone(self.trim(), None)
    }

    /// A reader is no more.
    pub(super) fn leave(&mut self, key: usize) -> Gone {
        let waker = self.readers.remove(key).waker;
        Gone(self.trim(), waker)
    }

    /// The first who waits from that number on, and its waker. So all can be woken, one by one and each without a lock, and
    /// nobody twice who comes back at once.
    pub(super) fn waiting_from(&mut self, number: usize, but: Option<usize>) -> Option<(usize, Waker)> {
        (number..self.readers.capacity())
            .filter(|key| but != Some(*key))
            .find_map(|key| Some((key, self.readers.get_mut(key)?.waker.take()?)))
    }

    /// The number of the frame that the source brings next.
    fn end(&self) -> usize {
        self.first + self.frames.len()
    }

    fn others(&self, key: usize) -> impl Iterator<Item = &Reader> {
        self.readers.iter().filter(move |(other, reader)| *other != key && !reader.lost).map(|(_, reader)| reader)
    }

    fn has_others(&self, key: usize) -> bool {
        self.others(key).next().is_some()
    }

    fn lose_others(&mut self, key: usize) {
        self.readers.iter_mut().filter(|(other, _)| *other != key).for_each(|(_, reader)| reader.lost = true);
    }

    /// The frame of that number. The last who needs it takes it along.
    fn give(&mut self, key: usize, at: usize) -> Frame<Bytes> {
        self.readers[key].at = at + 1;
        let last = at == self.first && !self.taped && self.others(key).all(|other| other.at > at);
        match if last { self.frames.pop_front() } else { None } {
            Some(kept) => {
                self.first += 1;
                self.cost -= kept.cost();
                kept.for_good()
            }
            None => self.frames[at - self.first].again(),
        }
    }

    /// Takes out what everybody has read, unless there may be somebody who has not.
    fn trim(&mut self) -> VecDeque<Kept> {
        self.trim_to(self.end())
    }

    /// The same, but nothing from that number on.
    fn trim_to(&mut self, end: usize) -> VecDeque<Kept> {
        if self.taped {
            return VecDeque::new();
        }
        let live = self.readers.iter().filter(|(_, reader)| !reader.lost).map(|(_, reader)| reader.at);
        let first = live.fold(end, usize::min);
        if first == self.first {
            return VecDeque::new();
        }
        let rest = self.frames.split_off(first - self.first);
        let gone = mem::replace(&mut self.frames, rest);
        self.first = first;
        self.cost -= gone.iter().map(Kept::cost).sum::<usize>();
        gone
    }
}
