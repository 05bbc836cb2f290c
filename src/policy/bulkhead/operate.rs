//! A bulkhead for operators, by name.

use super::{Builder, Bulkhead, Line, NoQueue, Queue, Queued};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    context::Bounds,
    control::{Field, Fields},
};

fn limit<Q: 'static>() -> Field<Builder<Q>> {
    Field::new("limit", |builder| &mut builder.limit)
}

fn fields() -> Fields<Builder> {
    Fields { names: "limit", all: vec![limit()] }
}

fn fields_with_a_queue<D: 'static>() -> Fields<Builder<Queued<D>>> {
    Fields {
        names: "limit, queue, max_wait or order",
        all: vec![
            limit(),
            Field::new("queue", |builder| &mut builder.queue.length),
            Field::new("max_wait", |builder| &mut builder.queue.max_wait),
            Field::new("order", |builder| &mut builder.queue.order),
        ],
    }
}

impl<Q: Line> Bulkhead<Q> {
    fn force_nothing(state: &str) -> Result<(), Invalid> {
        Err(Invalid::new("state", state, "left alone: a bulkhead has nothing to force, but a limit to set"))
    }
}

impl Control for Bulkhead {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        format!("{} of {} taken", self.in_flight(), self.limit())
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        Self::force_nothing(state)
    }

    fn settings(&self) -> Vec<Setting> {
        fields().read(Builder::of(self.name(), self.limit(), NoQueue))
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let changed = fields().write(Builder::of(self.name(), self.limit(), NoQueue), setting, value)?;
        Self::configure(self, |_| changed)
    }
}

impl<D: Bounds + Clone + Send + Sync + 'static> Control for Bulkhead<Queue<D>> {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        format!("{} of {} taken, {} waiting", self.in_flight(), self.limit(), self.waiting())
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        Self::force_nothing(state)
    }

    fn settings(&self) -> Vec<Setting> {
        fields_with_a_queue().read(self.settings())
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let changed = fields_with_a_queue().write(self.settings(), setting, value)?;
        Self::configure(self, |_| changed)
    }
}
