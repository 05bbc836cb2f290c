//! A policy of one's own, in 30 lines: so many reports a day for each tenant.
//!
//! `cargo run --example custom_policy`

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use cofferdam::{Admit, Bulkhead, Ended, Immediate, Instant, Name, Policy, Rejected, Why, guard};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const CALM: &str = "nothing panics while it holds the lock";

/// There are as many as the program knows by name, so the policy's memory is bounded.
type Tenant = &'static str;

#[derive(Clone)]
struct DailyQuota {
    name: Name,
    calls: u32,
    /// When the tenant's day ends, and how many calls are left of it.
    left: Arc<Mutex<HashMap<Tenant, (Instant, u32)>>>,
}

impl Policy for DailyQuota {
    type Kind = Immediate; // It says yes or no at once: nobody waits in line.
    type Token = (Tenant, Instant); // Whose call it was, and of which day.
    fn settle(&self, _: Self::Token, _: &Ended) {}
    fn undo(&self, (tenant, day): Self::Token, _: Instant) {
        self.left.lock().expect(CALM).entry(tenant).and_modify(|(ends, calls)| *calls += u32::from(*ends == day));
    }
}

impl Admit<Tenant> for DailyQuota {
    fn admit(&self, tenant: &Tenant, now: Instant) -> Result<Self::Token, Rejected> {
        let mut left = self.left.lock().expect(CALM);
        let (ends, calls) = left.entry(tenant).or_insert((now, 0));
        if *ends <= now {
            (*ends, *calls) = (now.after(DAY), self.calls);
        }
        let refused = Rejected::new(self.name, Why::Refused).with_retry_after(ends.since(now));
        *calls = calls.checked_sub(1).ok_or(refused)?;
        Ok((*tenant, *ends))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let quota = DailyQuota { name: Name::new("daily quota")?, calls: 3, left: Arc::default() };
    let slots = Bulkhead::builder("report slots").limit(1).build()?;
    let reports = ServiceBuilder::new()
        .layer(guard((quota.clone(), slots.clone())))
        .service(service_fn(async |tenant: Tenant| Ok::<_, BoxError>(format!("a report for {tenant}"))));
    // Says what happened, and why nothing did if nothing did.
    let ask = async |tenant: Tenant| match reports.clone().oneshot(tenant).await {
        Ok(report) => {
            println!("{tenant:<8} {report}");
            None
        }
        Err(error) => {
            let rejected = Rejected::find(error.as_ref()).expect("the service itself does not fail");
            println!("{tenant:<8} {rejected}");
            Some(*rejected)
        }
    };

    // Three a day for each tenant, and no more.
    for _ in 0..3 {
        assert_eq!(ask("acme").await, None);
    }
    let rejected = ask("acme").await.expect("there are three");
    assert_eq!((rejected.by(), rejected.why()), (quota.name, Why::Refused));
    assert!(rejected.retry_after().is_some_and(|after| after > DAY / 2 && after <= DAY));

    // A call that the bulkhead turns away costs nothing: what the quota gave is taken back.
    assert_eq!(ask("initech").await, None);
    let query = slots.clone().layer().call(&(), std::future::pending::<Result<(), BoxError>>);
    for _ in 0..4 {
        assert_eq!(ask("initech").await.expect("there is one slot").by().as_str(), "report slots");
    }
    drop(query);
    assert_eq!(ask("initech").await, None);
    assert_eq!(ask("initech").await, None);
    assert_eq!(ask("initech").await.expect("there are three").by(), quota.name);

    // Tomorrow is another day, and it need not be waited for: a policy is told the time.
    let tomorrow = Instant::now().after(DAY);
    assert!((0..3).all(|_| quota.admit(&"acme", tomorrow).is_ok()));
    let rejected = quota.admit(&"acme", tomorrow).expect_err("there are three");
    println!("tomorrow {rejected}");
    Ok(())
}
