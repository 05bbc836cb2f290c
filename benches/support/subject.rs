//! What is measured.

use std::time::Duration;

use tower::Service;

use super::drive::{call_once, time_calls};

/// Something that can make a number of calls, under a name.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// What its ratio to the first subject of the table may be at most.
    pub(crate) bar: Option<f64>,
    batch: Box<dyn FnMut(u64) -> Duration>,
}

impl Subject {
    /// Times its batches itself.
    pub(crate) fn batches(name: &'static str, batch: impl FnMut(u64) -> Duration + 'static) -> Self {
        Self { name, bar: None, batch: Box::new(batch) }
    }

    /// Makes calls by a function.
    pub(crate) fn calls<R>(name: &'static str, mut call: impl FnMut(u64) -> R + 'static) -> Self {
        Self::batches(name, move |calls| time_calls(calls, &mut call))
    }

    /// Calls one and the same service, readied each time.
    pub(crate) fn service<S: Service<u64> + 'static>(name: &'static str, mut service: S) -> Self {
        Self::calls(name, move |request| call_once(&mut service, request))
    }

    /// Calls a clone of the service each time, as routers do.
    pub(crate) fn cloned<S: Service<u64> + Clone + 'static>(name: &'static str, service: S) -> Self {
        Self::calls(name, move |request| call_once(&mut service.clone(), request))
    }

    pub(crate) fn bar(self, most: f64) -> Self {
        Self { bar: Some(most), ..self }
    }

    /// Makes that many calls and says how long they took.
    pub(crate) fn run(&mut self, calls: u64) -> Duration {
        (self.batch)(calls)
    }
}
