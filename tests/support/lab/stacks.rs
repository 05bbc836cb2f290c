//! What stands between callers and server.

use std::{rc::Rc, time::Duration};

use cofferdam::{BoxError, Bulkhead, Policy, limit::AdaptiveLimit, shed::LoadShed};
use tower::{Service, ServiceBuilder, ServiceExt};

use super::{Ask, Call, Server};

/// Somebody's way to the server.
pub type Client = Rc<dyn Fn(Ask) -> Call>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Nothing but the patience of the callers.
    Nothing,
    /// Tower's limit of 32, which a sweep found to be the best, and its load shedding.
    TowerLimit,
    /// A bulkhead of 32 with a line.
    Bulkhead,
    /// The adaptive limit, which rejects what it does not let in.
    Limit,
    /// The adaptive limit and load shedding.
    Shed,
}

impl Stack {
    pub fn clients(self, server: &Server, count: usize) -> Vec<Client> {
        let client: Client = match self {
            Self::Nothing => client(server.clone()),
            Self::TowerLimit => {
                let stack = ServiceBuilder::new().load_shed().concurrency_limit(32).service(server.clone());
                client(stack)
            }
            Self::Bulkhead => {
                let wait = Duration::from_millis(50);
                let slots = Bulkhead::builder("server").limit(32).queue(64).max_wait(wait).build().unwrap();
                client(ServiceBuilder::new().layer(slots.layer()).service(server.clone()))
            }
            Self::Limit => {
                let limit = AdaptiveLimit::builder("server").deadline().build().unwrap();
                client(ServiceBuilder::new().layer(limit.layer()).service(server.clone()))
            }
            Self::Shed => {
                let limit = AdaptiveLimit::builder("server").deadline().build().unwrap();
                let shed: LoadShed = LoadShed::builder(limit).build().unwrap();
                client(ServiceBuilder::new().layer(shed.layer()).service(server.clone()))
            }
        };
        vec![client; count]
    }
}

fn client<S>(service: S) -> Client
where
    S: Service<Ask, Response = (), Error = BoxError> + Clone + 'static,
{
    Rc::new(move |ask| Box::pin(service.clone().oneshot(ask)))
}
