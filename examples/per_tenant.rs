//! One tenant floods a service that all of them share, and the shard of another is dead. Nobody else notices.
//!
//! ```console
//! cargo run --example per_tenant
//! ```

use std::{collections::BTreeMap, time::Duration};

use cofferdam::{BoxError, Bulkhead, CircuitBreaker, Keyed, Policy, guard};
use futures_util::future::join_all;
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[derive(Clone)]
struct Query {
    tenant: &'static str,
}

/// The database: the shard of `umbra` is dead.
async fn database(query: Query) -> Result<(), BoxError> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    if query.tenant == "umbra" { Err("no route to shard".into()) } else { Ok(()) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // What each tenant gets: a breaker, and four slots with a short line in front of them.
    let breaker = CircuitBreaker::builder("database").build()?;
    let slots = Bulkhead::builder("database").limit(4).queue(16).build()?;
    let tenants = Keyed::builder(breaker.and(slots)).by_text(|query: &Query| query.tenant).build()?;

    let service = ServiceBuilder::new().layer(guard(tenants.clone())).service(service_fn(database));

    // `acme` sends forty queries at a time, the others one.
    let round = [("acme", 40), ("umbra", 1), ("northwind", 1), ("zenith", 1)];
    let mut served = BTreeMap::<&str, (u32, u32)>::new();
    for _ in 0..40 {
        let queries = round.iter().flat_map(|(tenant, queries)| vec![Query { tenant }; *queries]);
        let answers = queries.map(|query| {
            let service = service.clone();
            async move { (query.tenant, service.oneshot(query).await) }
        });
        for (tenant, answer) in join_all(answers).await {
            let (asked, answered) = served.entry(tenant).or_default();
            *asked += 1;
            *answered += u32::from(answer.is_ok());
        }
    }

    println!("{:<12}{:>8}{:>10}  breaker", "tenant", "asked", "answered");
    for key in tenants.snapshot() {
        let (asked, answered) = served[&*key.label];
        println!("{:<12}{asked:>8}{answered:>10}  {}", key.label, key.policy.0.state());
    }
    assert_eq!((served["northwind"], served["zenith"]), ((40, 40), (40, 40)), "they notice nothing");
    assert_eq!(served["umbra"].1, 0);
    assert!(served["acme"].1 < served["acme"].0, "it gets what its slots are good for");
    Ok(())
}
