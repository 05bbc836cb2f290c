//! The retry of a client, for operators.

use crate::{
    flow::retry::RetryLayer,
    http::replay::Replayed,
    kernel::{
        Control, Invalid, Name, Setting,
        context::CarriedDeadline,
        control::{Field, Fields},
    },
};

/// A retry, and how much of bodies is kept for it: the one can be changed while it runs, the other stays what it was built with, as
/// it is a part of every service.
#[derive(Clone, Debug)]
pub(super) struct Sending<I, A>(pub(super) RetryLayer<Replayed<I>, CarriedDeadline, A>);

/// The path of the one setting that stays.
pub(super) const BODY_LIMIT: &str = "retry.body_limit";

/// What may be set of it.
const NAMES: &str = "attempts, total, backoff, longest_retry_after, rejections or body_limit";

/// So many bytes, in text.
pub(super) fn body_limit(before: usize, value: &str) -> Result<usize, Invalid> {
    let field = Field::new("body_limit", |limit: &mut usize| limit);
    Fields { names: "body_limit", all: vec![field] }.write(before, "body_limit", value)
}

impl<I: Send + Sync, A: Send + Sync> Control for Sending<I, A> {
    fn name(&self) -> Name {
        self.0.name()
    }

    fn state(&self) -> String {
        self.0.state()
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        self.0.force(state)
    }

    fn settings(&self) -> Vec<Setting> {
        let kept = Setting { name: "body_limit", value: self.0.repeat().limit().to_string() };
        self.0.settings().into_iter().chain([kept]).collect()
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let limit = self.0.repeat().limit();
        match setting {
            "body_limit" if body_limit(limit, value)? == limit => Ok(()),
            "body_limit" => Err(Invalid::new("body_limit", value, "what it was when the stack was built")),
            "attempts" | "total" | "backoff" | "longest_retry_after" | "rejections" => self.0.configure(setting, value),
            _ => Err(Invalid::unknown(setting, NAMES)),
        }
    }
}
