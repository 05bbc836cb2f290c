//! What is asked, and what it is worth.

use std::time::Duration;

use cofferdam::{
    Context, Criticality, Deadline, TaskKey,
    context::{Rank, RankSource},
};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) class: Criticality,
    pub(super) task: u8,
    pub(super) weight: u32,
    pub(super) deadline: Option<Deadline>,
    pub(super) health: bool,
}

impl Ask {
    pub(super) fn new(who: u8, what: u8) -> Self {
        let millis = [0, 0, 20, 500][usize::from(what / 8 % 4)];
        Self {
            class: Criticality::ALL[usize::from(who % 4)],
            task: who / 4 % 8,
            weight: [1, 1, 1, 2, 3, 5, 9, 200][usize::from(what % 8)],
            deadline: (millis > 0).then(|| Deadline::after(Duration::from_millis(millis))),
            health: what / 32 == 7,
        }
    }

    pub(super) fn rank(&self) -> Rank {
        Rank::in_epoch(self.class, TaskKey::of(&self.task.to_string()), 0)
    }
}

impl Context for Ask {
    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }
    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = Some(deadline);
    }
}

/// The rank of the request in an hour that does not pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranked;

impl RankSource<Ask> for Ranked {
    fn rank(&self, ask: &Ask) -> Rank {
        ask.rank()
    }
    fn is_exempt(&self, ask: &Ask) -> bool {
        ask.health
    }
}
