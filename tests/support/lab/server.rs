//! The server that is overloaded.

use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use cofferdam::BoxError;
use tower::Service;

use super::{
    Ask, Distribution, Random,
    world::{Event, World},
};

/// What it is made of.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub workers: u32,
    /// In seconds.
    pub mean: f64,
    pub distribution: Distribution,
    pub sharing: Sharing,
    /// Work that nobody waits for any more is stopped; else it is done all the same.
    pub cancels: bool,
}

/// How its workers share the work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sharing {
    /// Each does one piece of work at a time, first come, first served.
    Queue,
    /// All work is done at the same time; with more pieces than workers all are slower.
    Processor,
    /// The same, and besides each is slower by that share for every other.
    Contention(f64),
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    Workers(u32),
    /// Work takes so many times as long.
    Slower(f64),
    /// Nothing is begun.
    Stall(bool),
    /// What comes is never answered.
    Hang(bool),
    /// That share of calls fails at once.
    Fail(f64),
}

#[derive(Debug)]
struct Job {
    number: u64,
    /// What is left to do, in seconds of one worker.
    work: f64,
    started: bool,
    /// It came while the server hung: nobody will ever begin it.
    lost: bool,
    wanted: bool,
    answer: Option<bool>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct State {
    machine: Machine,
    random: Random,
    jobs: slab::Slab<Job>,
    queue: VecDeque<usize>,
    running: u32,
    factor: f64,
    stalled: bool,
    hung: bool,
    failing: f64,
    next_number: u64,
    /// Until when what is shared has been worked on.
    worked_until: u64,
    /// Calls in each tenth of a second.
    arrived: Vec<u64>,
    done: u64,
    wasted: u64,
}

#[derive(Clone, Debug)]
pub struct Server {
    world: Rc<World>,
    state: Rc<RefCell<State>>,
}

impl Server {
    pub fn new(world: Rc<World>, machine: Machine, seed: u64) -> Self {
        let state = State {
            machine,
            random: Random::new(seed ^ 0x5EED),
            jobs: slab::Slab::new(),
            queue: VecDeque::new(),
            running: 0,
            factor: 1.0,
            stalled: false,
            hung: false,
            failing: 0.0,
            next_number: 0,
            worked_until: 0,
            arrived: Vec::new(),
            done: 0,
            wasted: 0,
        };
        Self { world, state: Rc::new(RefCell::new(state)) }
    }

    /// How many calls came, how many pieces of work were done, and how many of these for nobody.
    pub fn counts(&self) -> (u64, u64, u64) {
        let state = self.state.borrow();
        (state.arrived.iter().sum(), state.done, state.wasted)
    }

    /// How many calls came in each tenth of a second.
    pub fn arrivals(&self) -> Vec<u64> {
        self.state.borrow().arrived.clone()
    }

    pub fn change(&self, change: Change) {
        let mut state = self.state.borrow_mut();
        state.work_until(self.world.now());
        match change {
            Change::Workers(workers) => state.machine.workers = workers,
            Change::Slower(factor) => state.factor = factor,
            Change::Stall(stalled) => state.stalled = stalled,
            Change::Hang(hung) => state.hung = hung,
            Change::Fail(share) => state.failing = share,
        }
        state.go_on(&self.world);
    }

    /// A rejection took that much of a worker's time, ahead of all others.
    pub fn reject(&self, seconds: f64) {
        let mut state = self.state.borrow_mut();
        let job = state.add(seconds, false);
        state.queue.push_front(job);
        state.go_on(&self.world);
    }

    pub fn done(&self, job: usize, number: u64) {
        let mut state = self.state.borrow_mut();
        if state.jobs.get(job).is_none_or(|job| job.number != number) {
            return;
        }
        state.work_until(self.world.now());
        if state.machine.sharing == Sharing::Queue {
            state.running -= 1;
        }
        state.done += 1;
        if state.jobs[job].wanted {
            state.answer(job, true);
        } else {
            state.wasted += 1;
            state.jobs.remove(job);
        }
        state.go_on(&self.world);
    }

    fn take(&self, ask: &Ask) -> usize {
        let mut state = self.state.borrow_mut();
        state.work_until(self.world.now());
        let tenth = (self.world.now() / 100_000_000) as usize;
        if state.arrived.len() <= tenth {
            state.arrived.resize(tenth + 1, 0);
        }
        state.arrived[tenth] += 1;
        let work = state.machine.mean * state.factor * ask.work * {
            let distribution = state.machine.distribution;
            distribution.draw(&mut state.random)
        };
        let fails = state.failing > 0.0 && state.random.uniform() < state.failing;
        let job = state.add(work, true);
        if fails {
            state.answer(job, false);
        } else if state.hung {
            state.jobs[job].lost = true;
        } else {
            state.queue.push_back(job);
        }
        state.go_on(&self.world);
        job
    }

    fn leave(&self, job: usize) {
        let mut state = self.state.borrow_mut();
        if state.jobs[job].answer.is_some() {
            state.jobs.remove(job);
            return;
        }
        state.work_until(self.world.now());
        state.jobs[job].wanted = false;
        if state.machine.cancels || state.jobs[job].lost {
            state.queue.retain(|other| *other != job);
            if state.jobs[job].started && state.machine.sharing == Sharing::Queue {
                state.running -= 1;
            }
            state.jobs.remove(job);
            state.go_on(&self.world);
        }
    }
}

impl State {
    fn add(&mut self, work: f64, wanted: bool) -> usize {
        let number = self.number();
        self.jobs.insert(Job { number, work, started: false, lost: false, wanted, answer: None, waker: None })
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn answer(&mut self, job: usize, good: bool) {
        let job = &mut self.jobs[job];
        (job.answer, job.started) = (Some(good), false);
        if let Some(waker) = job.waker.take() {
            waker.wake();
        }
    }

    /// How fast a piece of work gets on while so many are worked on.
    fn speed(&self, pieces: usize) -> f64 {
        if self.stalled {
            return 0.0;
        }
        let fair = (f64::from(self.machine.workers) / pieces as f64).min(1.0);
        match self.machine.sharing {
            Sharing::Contention(share) => fair / (1.0 + share * (pieces - 1) as f64),
            _ => fair,
        }
    }

    /// Where work is shared, all that was begun has got on.
    fn work_until(&mut self, now: u64) {
        let passed = (now - self.worked_until) as f64 / 1e9;
        self.worked_until = now;
        if self.machine.sharing != Sharing::Queue {
            let pieces = self.jobs.iter().filter(|(_, job)| job.started).count();
            let done = if pieces > 0 { passed * self.speed(pieces) } else { 0.0 };
            self.jobs.iter_mut().filter(|(_, job)| job.started).for_each(|(_, job)| job.work -= done);
        }
    }

    fn go_on(&mut self, world: &World) {
        if self.machine.sharing != Sharing::Queue {
            self.share(world);
            return;
        }
        while !self.stalled
            && self.running < self.machine.workers
            && let Some(job) = self.queue.pop_front()
        {
            self.running += 1;
            self.jobs[job].started = true;
            world.after(self.jobs[job].work, Event::Done { job, number: self.jobs[job].number });
        }
    }

    /// Begins all there is, and looks when the first of them will be done.
    fn share(&mut self, world: &World) {
        while let Some(job) = self.queue.pop_front() {
            self.jobs[job].started = true;
        }
        let started = || self.jobs.iter().filter(|(_, job)| job.started);
        let pieces = started().count();
        let next = started().min_by(|(_, one), (_, other)| one.work.total_cmp(&other.work)).map(|(index, _)| index);
        if let Some(job) = next
            && self.speed(pieces) > 0.0
        {
            let number = self.number();
            self.jobs[job].number = number;
            world.after(self.jobs[job].work.max(0.0) / self.speed(pieces), Event::Done { job, number });
        }
    }
}

impl Service<Ask> for Server {
    type Response = ();
    type Error = BoxError;
    type Future = Work;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Work {
        Work { job: self.take(&ask), server: self.clone() }
    }
}

/// A piece of work, for somebody who waits for it.
pub struct Work {
    server: Server,
    job: usize,
}

impl Future for Work {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let job = &mut self.server.state.borrow_mut().jobs[self.job];
        match job.answer {
            Some(true) => Poll::Ready(Ok(())),
            Some(false) => Poll::Ready(Err("it failed".into())),
            None => {
                job.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.server.leave(self.job);
    }
}
