//! A dependency, which may be in trouble.

use std::{cell::RefCell, rc::Rc, sync::Arc, task::Poll, time::Duration};

use cofferdam::{BoxError, Instant};
use tokio::{sync::Semaphore, time::sleep};
use tower::Service;

use super::{
    super::{Ask, Call, Random},
    BEGINS, Front, MEAN, Trouble, USUAL,
};

/// A or B.
#[derive(Clone)]
pub struct Dependency(Rc<Inner>);

struct Inner {
    front: Front,
    began: Instant,
    is_b: bool,
    random: RefCell<Random>,
    workers: Arc<Semaphore>,
    calls: RefCell<Vec<f64>>,
}

impl Dependency {
    pub(super) fn new(front: &Front, is_b: bool) -> Self {
        let workers = front.workers[usize::from(is_b)].unwrap_or(Semaphore::MAX_PERMITS);
        Self(Rc::new(Inner {
            front: *front,
            began: Instant::now(),
            is_b,
            random: RefCell::new(Random::new(front.seed ^ 0x0DEB ^ u64::from(is_b))),
            workers: Arc::new(Semaphore::new(workers)),
            calls: RefCell::default(),
        }))
    }

    pub(super) fn now(&self) -> f64 {
        Instant::now().since(self.0.began).as_secs_f64()
    }

    /// When it was called.
    pub(super) fn calls(&self) -> Vec<f64> {
        self.0.calls.take()
    }

    fn trouble(&self) -> Trouble {
        let bad = self.0.is_b && (BEGINS..self.0.front.ends()).contains(&self.now());
        if bad { self.0.front.trouble } else { Trouble::Nothing }
    }
}

impl Service<Ask> for Dependency {
    type Response = ();
    type Error = BoxError;
    type Future = Call;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Call {
        self.0.calls.borrow_mut().push(self.now());
        let chance = self.0.random.borrow_mut().uniform();
        let usual = MEAN * ask.work * USUAL.draw(&mut self.0.random.borrow_mut());
        let work = match self.trouble() {
            Trouble::Hang => return Box::pin(std::future::pending()),
            Trouble::HangPart(share) if chance < share => return Box::pin(std::future::pending()),
            Trouble::Fail(share) if chance < share => return Box::pin(std::future::ready(Err("it failed".into()))),
            Trouble::Slower(times) => usual * times,
            Trouble::Fail(_) | Trouble::HangPart(_) | Trouble::Nothing => usual,
        };
        let workers = Arc::clone(&self.0.workers);
        // Work that nobody waits for any more is done all the same.
        let done = tokio::task::spawn_local(async move {
            let _worker = workers.acquire_owned().await;
            sleep(Duration::from_secs_f64(work)).await;
        });
        Box::pin(async move { Ok(done.await?) })
    }
}
