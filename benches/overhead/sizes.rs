//! How large services and futures are: every layer further out holds them.

use std::time::Duration;

use cofferdam::{Fallback, Timeout, guard};
use tower::{Layer, Service, ServiceBuilder};

use super::policies::{SLOTS, breaker, bulkhead, four, queued};
use crate::support::drive::Work;

pub(crate) fn print() {
    println!("\nbytes\n  {:<48} {:>9} {:>9}", "", "service", "future");
    row("bare service", &Work);
    row("tower ConcurrencyLimit", &ServiceBuilder::new().concurrency_limit(SLOTS).service(Work));
    row("tower Timeout", &ServiceBuilder::new().timeout(Duration::from_secs(1)).service(Work));
    row("guard around nothing", &guard(()).layer(Work));
    row("breaker", &guard(breaker()).layer(Work));
    row("bulkhead", &guard(bulkhead()).layer(Work));
    row("bulkhead with a queue", &guard(queued()).layer(Work));
    row("breaker + bulkhead with a queue", &guard((breaker(), queued())).layer(Work));
    row("breaker + bulkhead, fused", &guard((breaker(), bulkhead())).layer(Work));
    row("four fused, flat", &guard(four()).layer(Work));
    row("timeout", &timeout().layer(Work));
    row("fallback", &Fallback::value(0_u64).layer(Work));
}

fn row<S: Service<u64>>(name: &str, _: &S) {
    println!("  {name:<48} {:>9} {:>9}", size_of::<S>(), size_of::<S::Future>());
}

fn timeout() -> cofferdam::TimeoutLayer {
    Timeout::builder("bench").attempt(Duration::from_secs(1)).build().expect("the limit is valid")
}
