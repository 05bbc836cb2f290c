//! A rate limit for operators, by name.

use super::{Builder, Line, NoQueue, Queue, Queued, RateLimit};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    context::Bounds,
    control::{Field, Fields},
};

fn common<Q: 'static>() -> Vec<Field<Builder<Q>>> {
    vec![
        Field::new("rate", |builder| &mut builder.settings.rate),
        Field::new("burst", |builder| &mut builder.settings.burst),
        Field::new("warm_up", |builder| &mut builder.settings.warm_up),
        Field::new("cold_factor", |builder| &mut builder.settings.cold_factor),
    ]
}

fn fields() -> Fields<Builder<NoQueue>> {
    Fields { names: "rate, burst, warm_up or cold_factor", all: common() }
}

fn fields_with_a_queue<D: 'static>() -> Fields<Builder<Queued<D>>> {
    let mut all = common::<Queued<D>>();
    all.extend([
        Field::new("queue", |builder: &mut Builder<Queued<D>>| &mut builder.queue.length),
        Field::new("max_wait", |builder: &mut Builder<Queued<D>>| &mut builder.queue.max_wait),
        Field::new("order", |builder: &mut Builder<Queued<D>>| &mut builder.queue.order),
    ]);
    Fields { names: "rate, burst, warm_up, cold_factor, queue, max_wait or order", all }
}

impl<Q: Line> RateLimit<Q> {
    fn force_nothing(state: &str) -> Result<(), Invalid> {
        Err(Invalid::new("state", state, "left alone: a rate limit has nothing to force, but a rate to set"))
    }
}

impl Control for RateLimit {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        format!("{} of {} free", self.free(), self.burst())
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        Self::force_nothing(state)
    }

    fn settings(&self) -> Vec<Setting> {
        fields().read(self.settings())
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let changed = fields().write(self.settings(), setting, value)?;
        Self::configure(self, |_| changed)
    }
}

impl<D: Bounds + Clone + Send + Sync + 'static> Control for RateLimit<Queue<D>> {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        format!("{} of {} free, {} waiting", self.free(), self.burst(), self.waiting())
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
