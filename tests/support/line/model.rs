//! What the line should look like: one vector, searched from end to end.

use cofferdam::Why;

/// How a call in line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Waits,
    /// It was called in vain before.
    Returned,
    /// With so many slots kept for it, since then, as the so-manieth.
    Called(u32, u64, u64),
    Asleep(u64),
}

#[derive(Debug)]
pub(super) struct Guest {
    call: u64,
    weight: u32,
    standing: Standing,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Rejected(Why),
    InLine,
    Running(u32),
}

/// What the line should look like.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) limit: u32,
    pub(super) length: usize,
    pub(super) max_wait: u64,
    pub(super) adaptive: bool,
    pub(super) now: u64,
    pub(super) taken: u32,
    /// In the order in which they came.
    pub(super) line: Vec<Guest>,
    busy_since: u64,
    calls_made: u64,
    /// Calls that were woken since this was last looked at.
    pub(super) woken: Vec<u64>,
}

impl Model {
    pub(super) fn new(limit: u32, length: usize, max_wait: u64, adaptive: bool) -> Self {
        Self {
            limit,
            length,
            max_wait,
            adaptive,
            now: 0,
            taken: 0,
            line: Vec::new(),
            busy_since: 0,
            calls_made: 0,
            woken: Vec::new(),
        }
    }

    pub(super) fn idle(&self) -> usize {
        self.line.iter().filter(|guest| !matches!(guest.standing, Standing::Called(..))).count()
    }

    fn promised(&self) -> u32 {
        self.line
            .iter()
            .map(|guest| if let Standing::Called(promised, ..) = guest.standing { promised } else { 0 })
            .sum()
    }

    fn nobody_waits(&self) -> bool {
        !self.line.iter().any(|guest| matches!(guest.standing, Standing::Waits | Standing::Returned))
    }

    fn fits(&self, weight: u32, promised: u32) -> bool {
        self.taken + promised == 0 || self.taken + promised + weight <= self.limit
    }

    fn take(&mut self, weight: u32) -> Stage {
        assert!(self.fits(weight, 0), "the model is over the limit");
        self.taken += weight;
        Stage::Running(weight)
    }

    fn newest_first(&self) -> bool {
        let first = |guest: &Guest| guest.standing == Standing::Waits;
        self.adaptive && self.line.iter().any(first) && self.now - self.busy_since >= 50
    }

    fn next(&self) -> Option<usize> {
        let of = |standing| move |guest: &Guest| guest.standing == standing;
        self.line.iter().position(of(Standing::Returned)).or_else(|| match self.newest_first() {
            true => self.line.iter().rposition(of(Standing::Waits)),
            false => self.line.iter().position(of(Standing::Waits)),
        })
    }

    fn pass_over(&mut self) {
        for guest in &mut self.line {
            match guest.standing {
                Standing::Called(_, at, nth) if self.now - at >= 10 => guest.standing = Standing::Asleep(nth),
                _ => {}
            }
        }
    }

    /// Whatever happened: those who may come in are called.
    pub(super) fn advance(&mut self) {
        self.pass_over();
        while let Some(next) = self.next() {
            if !self.fits(self.line[next].weight, self.promised()) {
                break;
            }
            let guest = &mut self.line[next];
            guest.standing = Standing::Called(guest.weight, self.now, self.calls_made);
            self.calls_made += 1;
            self.woken.push(guest.call);
        }
    }

    pub(super) fn arrive(&mut self, call: u64, weight: u32) -> Stage {
        if self.line.is_empty() && self.fits(weight, 0) {
            return self.take(weight);
        }
        self.pass_over();
        let stage = if self.nobody_waits() && self.fits(weight, self.promised()) {
            self.take(weight)
        } else {
            self.join(call, weight)
        };
        self.advance();
        stage
    }

    fn join(&mut self, call: u64, weight: u32) -> Stage {
        if self.idle() >= self.length {
            let asleep = |guest: &Guest| if let Standing::Asleep(nth) = guest.standing { Some(nth) } else { None };
            let sleeper = self.line.iter().filter_map(asleep).min();
            let victim = match sleeper {
                Some(_) => self.line.iter().position(|guest| asleep(guest) == sleeper),
                None if self.newest_first() => self.line.iter().position(|guest| guest.standing == Standing::Waits),
                None => None,
            };
            let Some(victim) = victim else { return Stage::Rejected(Why::Full) };
            let was_calm = !self.newest_first();
            let gone = self.line.remove(victim);
            self.woken.push(gone.call);
            if was_calm && !self.line.iter().any(|guest| guest.standing == Standing::Waits) {
                self.busy_since = self.now;
            }
        } else if !self.line.iter().any(|guest| guest.standing == Standing::Waits) {
            self.busy_since = self.now;
        }
        self.line.push(Guest { call, weight, standing: Standing::Waits });
        Stage::InLine
    }

    /// A call in line is polled: what comes of it, if anything.
    pub(super) fn poll(&mut self, call: u64, until: u64) -> Stage {
        let mut given_up = false;
        loop {
            let Some(at) = self.line.iter().position(|guest| guest.call == call) else {
                self.advance();
                return Stage::Rejected(Why::Displaced);
            };
            match self.line[at].standing {
                Standing::Asleep(_) => self.line[at].standing = Standing::Returned,
                Standing::Called(..) => {
                    if self.fits(self.line[at].weight, 0) {
                        let guest = self.line.remove(at);
                        let stage = self.take(guest.weight);
                        self.advance();
                        return stage;
                    }
                    self.line[at].standing = Standing::Returned;
                }
                Standing::Waits | Standing::Returned if self.now < until => return Stage::InLine,
                Standing::Waits | Standing::Returned if given_up => {
                    self.line.remove(at);
                    self.advance();
                    return Stage::Rejected(Why::Waited);
                }
                Standing::Waits | Standing::Returned => given_up = true,
            }
            self.advance();
        }
    }

    pub(super) fn leave(&mut self, call: u64, stage: Stage) {
        let somebody_is_in_line = !self.line.is_empty();
        match stage {
            Stage::Rejected(_) => return,
            Stage::InLine => self.line.retain(|guest| guest.call != call),
            Stage::Running(taken) => self.taken -= taken,
        }
        if somebody_is_in_line {
            self.advance();
        }
    }
}
