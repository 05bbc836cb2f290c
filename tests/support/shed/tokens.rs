//! What is let in by the policy itself, without a line to stand in.

use cofferdam::{Admit, Ended, Instant, Outcome, Policy, limit::Algorithm};

use super::{Ask, Harness};

impl<A: Algorithm> Harness<A> {
    /// By the policy itself, without a line to stand in.
    pub(super) fn admit(&mut self, which: u8, how: u8) {
        let (ask, now) = (Ask::new(which, how), Instant::now());
        let before = self.shed.limit().in_flight();
        let nobody_waits = self.waiting().next().is_none();
        let weight = if how.is_multiple_of(2) { 1 } else { ask.weight };
        let answer = if how.is_multiple_of(2) {
            self.shed.admit(&ask, now).map(|token| self.plain_tokens.push((token, 0, now)))
        } else {
            self.heavy.admit(&ask, now).map(|token| self.tokens.push((token, 0, now)))
        };
        let taken = self.shed.limit().in_flight() - before;
        match answer {
            Ok(()) => {
                assert!(taken == weight || taken == 0 && ask.health);
                assert!(taken == 0 || !self.setup.attentive || nobody_waits, "{ask:?} overtakes");
                let last = if how.is_multiple_of(2) {
                    self.plain_tokens.last_mut().map(|token| &mut token.1)
                } else {
                    self.tokens.last_mut().map(|token| &mut token.1)
                };
                *last.expect("it was put there") = taken;
            }
            Err(rejected) => {
                assert_eq!(taken, 0);
                self.check(ask, rejected);
            }
        }
    }

    /// One that was let in without a line ends in some way. Returns whether there was one.
    pub(super) fn settle(&mut self, which: u8, how: u8) -> bool {
        const OUTCOMES: [Outcome; 5] =
            [Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];
        let (which, now) = (usize::from(which), Instant::now());
        let outcome = OUTCOMES.get(usize::from(how % 6)).copied();
        if which.is_multiple_of(2) && !self.plain_tokens.is_empty() || self.tokens.is_empty() {
            if self.plain_tokens.is_empty() {
                return false;
            }
            let (token, _, began) = self.plain_tokens.swap_remove(which / 2 % self.plain_tokens.len());
            match outcome {
                Some(outcome) => self.shed.settle(token, &Ended::new(outcome, began, now)),
                None => self.shed.undo(token, now),
            }
        } else {
            let (token, _, began) = self.tokens.swap_remove(which / 2 % self.tokens.len());
            match outcome {
                Some(outcome) => self.heavy.settle(token, &Ended::new(outcome, began, now)),
                None => self.heavy.undo(token, now),
            }
        }
        true
    }
}
