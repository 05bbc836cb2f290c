//! A bulkhead for operators, by name.

use super::{Builder, Bulkhead, Line, NoQueue, Queue, Queued, Weighted};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    context::Bounds,
    control::{Field, Fields, duration, number, pair},
    waiting::Order,
};

fn limit<Q>() -> Field<Builder<Q>> {
    Field {
        name: "limit",
        read: |builder| Some(builder.limit.to_string()),
        write: |builder, value| {
            builder.limit = number("limit", value)?;
            Ok(())
        },
    }
}

fn with_a_queue<D>() -> [Field<Builder<Queued<D>>>; 4] {
    [
        limit(),
        Field {
            name: "queue",
            read: |builder| Some(builder.queue.length.to_string()),
            write: |builder, value| {
                builder.queue.length = number("queue", value)?;
                Ok(())
            },
        },
        Field {
            name: "max_wait",
            read: |builder| Some(format!("{:?}", builder.queue.max_wait)),
            write: |builder, value| {
                builder.queue.max_wait = duration("max_wait", value)?;
                Ok(())
            },
        },
        Field {
            name: "order",
            read: |builder| {
                Some(match builder.queue.order {
                    Order::Fifo => "fifo".to_owned(),
                    Order::Adaptive { after } => format!("adaptive {after:?}"),
                })
            },
            write: |builder, value| {
                builder.queue.order = order(value)?;
                Ok(())
            },
        },
    ]
}

fn order(value: &str) -> Result<Order, Invalid> {
    const FORM: &str = "`fifo`, or `adaptive` and a duration, such as `adaptive 100ms`";
    if value == "fifo" {
        return Ok(Order::Fifo);
    }
    match pair("order", value, FORM)? {
        ("adaptive", after) => Ok(Order::Adaptive { after: duration("order", after)? }),
        _ => Err(Invalid::new("order", value, FORM)),
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
        Fields { all: &[limit()], names: "limit" }.read(&Builder::of(self.name(), self.limit(), NoQueue))
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let mut builder = Builder::of(self.name(), self.limit(), NoQueue);
        Fields { all: &[limit()], names: "limit" }.write(&mut builder, setting, value)?;
        Self::configure(self, |_| builder)
    }
}

impl<D: Bounds + Clone + Send + Sync> Control for Bulkhead<Queue<D>> {
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
        Fields { all: &with_a_queue(), names: "" }.read(&self.settings())
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let mut builder = self.settings();
        Fields { all: &with_a_queue(), names: "limit, queue, max_wait or order" }.write(
            &mut builder,
            setting,
            value,
        )?;
        Self::configure(self, |_| builder)
    }
}

impl<F: Send + Sync, Q> Control for Weighted<F, Q>
where
    Bulkhead<Q>: Control,
    Q: Send + Sync,
{
    fn name(&self) -> Name {
        self.bulkhead().name()
    }

    fn state(&self) -> String {
        self.bulkhead().state()
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        self.bulkhead().force(state)
    }

    fn settings(&self) -> Vec<Setting> {
        Control::settings(self.bulkhead())
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        Control::configure(self.bulkhead(), setting, value)
    }
}
