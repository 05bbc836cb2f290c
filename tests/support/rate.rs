//! A rate limit against a naive model of it: one balance, in fractions of a permit, to which every nanosecond adds its share.

use std::{num::NonZeroU32, time::Duration};

use cofferdam::{Admit, Instant, Policy, Rate, RateLimit, Why, rate::Permits};

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// A call of that weight.
    Admit(u32),
    /// The call that came in last was not made after all.
    Undo,
    Advance(u64),
    Rate(u32, u64),
    Burst(u32),
}

impl Op {
    /// Any two bytes are an operation.
    pub(crate) fn new((kind, value): (u8, u8)) -> Self {
        let small = u32::from(value);
        match kind % 16 {
            0..=7 => Self::Admit([1, 1, 1, 2, 3, 7, 4, small][usize::from(value % 8)]),
            8 | 9 => Self::Undo,
            10..=13 => {
                Self::Advance([0, 1, 999, 1_000, 12_345, 1_000_000, 77_777_777, 3_000_000_000][usize::from(value % 8)])
            }
            14 => Self::Rate(small + 1, [1_000_000, 1_000_003, 1_000_000_000, 60_000_000_000][usize::from(value % 4)]),
            _ => Self::Burst(small % 20 + 1),
        }
    }
}

/// Permits times nanoseconds per permit: so all of it is whole numbers.
struct Model {
    interval: u128,
    burst: u128,
    /// What is free, in nanoseconds' worth of permits.
    free: u128,
}

impl Model {
    fn whole(&self) -> u128 {
        self.interval * self.burst
    }

    fn advance(&mut self, nanos: u64) {
        self.free = (self.free + u128::from(nanos)).min(self.whole());
    }

    /// The share that is free stays, and never becomes more permits: rounded against whoever would gain.
    fn change(&mut self, interval: u128, burst: u128) {
        let before = (self.interval, self.burst, self.whole());
        (self.interval, self.burst) = (interval, burst);
        let scaled =
            if burst < before.1 { self.free * self.whole() / before.2 } else { self.free * interval / before.0 };
        self.free = scaled.min(self.whole());
    }
}

pub(crate) struct Harness {
    limit: RateLimit,
    model: Model,
    now: Instant,
    /// What came in last, if nothing else has happened since.
    last: Option<(Permits, u128)>,
}

impl Harness {
    pub(crate) fn new((permits, period, burst): (u8, u8, u8)) -> Self {
        let Op::Rate(permits, period) = Op::new((14, permits ^ period)) else { unreachable!("14 is a rate") };
        let rate = Rate::per(permits, Duration::from_nanos(period)).unwrap();
        let burst = u32::from(burst % 20) + 1;
        let limit = RateLimit::builder("model", rate).burst(burst).build().unwrap();
        let (interval, burst) = (rate.interval().as_nanos(), u128::from(burst));
        let model = Model { interval, burst, free: interval * burst };
        Self { limit, model, now: Instant::ORIGIN.after(Duration::from_secs(1_000_000)), last: None }
    }

    pub(crate) fn run(mut self, ops: impl IntoIterator<Item = Op>) {
        for op in ops {
            self.apply(op);
            let free = self.model.free / self.model.interval;
            assert_eq!(u128::from(self.limit.free_at(self.now)), free, "after {op:?}");
        }
        // In the end all of it comes back.
        self.apply(Op::Advance(u64::MAX / 4));
        assert_eq!(self.limit.free_at(self.now), self.limit.burst());
    }

    fn apply(&mut self, op: Op) {
        let last = self.last.take();
        match op {
            Op::Admit(weight) => self.admit(weight),
            Op::Undo => {
                if let Some((permits, cost)) = last {
                    self.limit.undo(permits, self.now);
                    self.model.free += cost;
                }
            }
            Op::Advance(nanos) => {
                self.now = self.now.after(Duration::from_nanos(nanos));
                self.model.advance(nanos);
            }
            Op::Rate(permits, period) => {
                let rate = Rate::per(permits, Duration::from_nanos(period)).unwrap();
                self.limit.configure_at(self.now, |settings| settings.rate(rate)).unwrap();
                self.model.change(rate.interval().as_nanos(), self.model.burst);
            }
            Op::Burst(burst) => {
                self.limit.configure_at(self.now, |settings| settings.burst(burst)).unwrap();
                self.model.change(self.model.interval, burst.into());
            }
        }
    }

    fn admit(&mut self, weight: u32) {
        let weighted = self.limit.clone().weighted(|weight: &u32| NonZeroU32::new(*weight).expect("something"));
        let cost = u128::from(weight) * self.model.interval;
        match weighted.admit(&weight, self.now) {
            Ok(permits) => {
                assert!(cost <= self.model.free, "{weight} came in, and there is {}", self.model.free);
                self.model.free -= cost;
                self.last = Some((permits, cost));
            }
            Err(rejected) if rejected.why() == Why::TooMuch => assert!(u128::from(weight) > self.model.burst),
            Err(rejected) => {
                assert_eq!(rejected.why(), Why::RateLimited);
                assert!(cost > self.model.free && u128::from(weight) <= self.model.burst);
                let wait = (cost - self.model.free).div_ceil(1_000_000);
                assert_eq!(rejected.retry_after().map(|wait| wait.as_millis()), Some(wait));
            }
        }
    }
}
