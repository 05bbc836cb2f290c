//! Two threads on clones of one service, against one thread alone.

use std::{
    hint::spin_loop,
    process,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;
use tower::Service;

use super::{
    Effort,
    drive::{call_once, now, time_calls},
    table::quantile,
};

/// Of the time in which either thread ran, the share in which both must have for a window to count.
const CLEAN: f64 = 0.8;

/// Runs so many windows of so many calls per thread.
type Run = Box<dyn FnMut(usize, u64) -> Vec<Window>>;

/// A service that two threads call at once.
pub(crate) struct Pair {
    pub(crate) name: &'static str,
    run: Run,
}

/// The same number of calls, by one thread alone and by each of two at once.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    alone: Duration,
    both: [(Instant, Instant); 2],
}

impl Window {
    /// From the first call to the last.
    pub(crate) fn together(&self) -> Duration {
        let [(a, b), (c, d)] = self.both;
        b.max(d).duration_since(a.min(c))
    }

    /// A thread that loses its core leaves the other one alone, and nothing is learned about sharing.
    fn is_clean(&self) -> bool {
        let [(a, b), (c, d)] = self.both;
        let overlap = b.min(d).saturating_duration_since(a.max(c));
        overlap.as_secs_f64() >= CLEAN * self.together().as_secs_f64()
    }

    /// Calls per second of both, against one alone: two is perfect, below one the second thread does harm.
    fn gain(&self) -> f64 {
        2.0 * self.alone.as_secs_f64() / self.together().as_secs_f64()
    }
}

impl Pair {
    pub(crate) fn new<S>(name: &'static str, service: S) -> Self
    where
        S: Service<u64> + Clone + Send + 'static,
    {
        Self { name, run: Box::new(move |windows, calls| run(&service, windows, calls)) }
    }

    /// How long both take for that many calls each.
    pub(crate) fn together(&mut self, calls: u64) -> Duration {
        (self.run)(1, calls).iter().map(Window::together).sum()
    }
}

/// Measures all pairs and prints them.
pub(crate) fn print(title: &str, pairs: &mut [Pair], effort: Effort) {
    println!("\n{title}");
    println!("  {:<36} {:>8} {:>11} {:>10} {:>8}", "", "windows", "alone, ns", "both, ns", "gain");
    for pair in pairs {
        let windows = (pair.run)(effort.rounds / 2, effort.calls);
        let clean: Vec<_> = windows.into_iter().filter(Window::is_clean).collect();
        let median = |value: fn(&Window) -> f64| quantile(&mut clean.iter().map(value).collect::<Vec<_>>(), 0.5);
        let (calls, name) = (effort.calls as f64, pair.name);
        let alone = median(|window| window.alone.as_nanos() as f64) / calls;
        let both = median(|window| window.together().as_nanos() as f64) / (2.0 * calls);
        println!("  {name:<36} {:>8} {alone:>11.1} {both:>10.1} {:>8.2}", clean.len(), median(Window::gain));
    }
}

/// Each thread has its clone on its own stack: next to each other they would share a line of memory, which is not what is
/// measured.
fn run<S: Service<u64> + Clone + Send>(service: &S, windows: usize, calls: u64) -> Vec<Window> {
    let (mut first, second) = (service.clone(), service.clone());
    let (barrier, arrived) = (&Barrier::new(2), &AtomicUsize::new(0));
    thread::scope(|scope| {
        let runtime = Handle::current();
        let helper = scope.spawn(move || {
            let (_entered, _alarm, mut second) = (runtime.enter(), Alarm, second);
            let window = |window| side(&mut second, barrier, arrived, window, calls);
            (0..windows).map(window).collect::<Vec<_>>()
        });
        let _alarm = Alarm;
        // While this thread measures alone, the other one sleeps at the barrier.
        let window = |window| {
            let alone = time_calls(calls, |request| call_once(&mut first, request));
            (alone, side(&mut first, barrier, arrived, window, calls))
        };
        let own: Vec<_> = (0..windows).map(window).collect();
        let others = helper.join().expect("calls do not panic");
        own.into_iter().zip(others).map(|((alone, own), other)| Window { alone, both: [own, other] }).collect()
    })
}

/// Ends the process if its thread panics: the other one would wait for it forever.
struct Alarm;

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            process::abort();
        }
    }
}

/// One thread's part of a window: when it began and when it was done.
fn side<S: Service<u64>>(
    service: &mut S,
    barrier: &Barrier,
    arrived: &AtomicUsize,
    window: usize,
    calls: u64,
) -> (Instant, Instant) {
    barrier.wait();
    // The barrier wakes a thread; this makes the two start in the same instant.
    arrived.fetch_add(1, Ordering::AcqRel);
    while arrived.load(Ordering::Acquire) < 2 * (window + 1) {
        spin_loop();
    }
    let start = now();
    let _ = time_calls(calls, |request| call_once(service, request));
    (start, now())
}
