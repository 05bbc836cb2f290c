use http::HeaderName;

use super::ContextHeaders;
use crate::kernel::Invalid;

/// Each of them, unless it is not used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) criticality: Option<HeaderName>,
    pub(crate) timeout_ms: Option<HeaderName>,
    pub(crate) timeout: Option<HeaderName>,
    pub(crate) head_timeout_ms: Option<HeaderName>,
    pub(crate) task: Option<HeaderName>,
    pub(crate) attempt: Option<HeaderName>,
    pub(crate) previous_attempts: Option<HeaderName>,
}

impl Names {
    pub(super) fn all(&self) -> impl Iterator<Item = &Option<HeaderName>> {
        let Self { criticality, timeout_ms, timeout, head_timeout_ms, task, attempt, previous_attempts } = self;
        [criticality, timeout_ms, timeout, head_timeout_ms, task, attempt, previous_attempts].into_iter()
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            criticality: Some(HeaderName::from_static("x-request-criticality")),
            timeout_ms: Some(HeaderName::from_static("x-request-timeout-ms")),
            timeout: None,
            head_timeout_ms: Some(HeaderName::from_static("x-request-head-timeout-ms")),
            task: Some(HeaderName::from_static("x-request-task")),
            attempt: Some(HeaderName::from_static("x-request-attempt")),
            previous_attempts: None,
        }
    }
}

/// Builds [`ContextHeaders`].
///
/// | setting | default |
/// |---|---|
/// | [`criticality`](Self::criticality) | `x-request-criticality` |
/// | [`timeout_ms`](Self::timeout_ms) | `x-request-timeout-ms` |
/// | [`timeout`](Self::timeout) | none |
/// | [`head_timeout_ms`](Self::head_timeout_ms) | `x-request-head-timeout-ms` |
/// | [`task`](Self::task) | `x-request-task` |
/// | [`attempt`](Self::attempt) | `x-request-attempt` |
/// | [`previous_attempts`](Self::previous_attempts) | none |
///
/// Each is the name of a header, of which case does not matter, or `None`: then it is neither read nor written. No two may
/// be the same, and none may be one that HTTP itself needs, such as `content-length`.
///
/// ```
/// use cofferdam::ContextHeaders;
///
/// let headers = ContextHeaders::builder().criticality("X-Priority-Class").task(None).build()?;
///
/// let invalid = ContextHeaders::builder().task("x request").build().unwrap_err();
/// assert_eq!(invalid.field(), "task");
/// # let _ = headers; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    criticality: Option<String>,
    timeout_ms: Option<String>,
    timeout: Option<String>,
    head_timeout_ms: Option<String>,
    task: Option<String>,
    attempt: Option<String>,
    previous_attempts: Option<String>,
}

/// What messages are delimited, routed and allowed by. They would be taken out of requests.
const NEEDED: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

impl Builder {
    pub(super) fn new() -> Self {
        let Names { criticality, timeout_ms, timeout, head_timeout_ms, task, attempt, previous_attempts } =
            Names::default();
        let text = |name: Option<HeaderName>| name.map(|name| name.as_str().to_owned());
        Self {
            criticality: text(criticality),
            timeout_ms: text(timeout_ms),
            timeout: text(timeout),
            head_timeout_ms: text(head_timeout_ms),
            task: text(task),
            attempt: text(attempt),
            previous_attempts: text(previous_attempts),
        }
    }

    /// The header that says how much the request matters.
    ///
    /// Default: `x-request-criticality`.
    pub fn criticality<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.criticality = name.into().map(str::to_owned);
        self
    }

    /// The header that says how much time is left for it, to the end of its answer, in milliseconds.
    ///
    /// Default: `x-request-timeout-ms`, and none over gRPC.
    pub fn timeout_ms<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.timeout_ms = name.into().map(str::to_owned);
        self
    }

    /// The header that says how much time is left for it, as digits and a unit: see
    /// [`TimeoutText`](crate::context::TimeoutText).
    ///
    /// Default: none, and over gRPC `grpc-timeout`.
    pub fn timeout<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.timeout = name.into().map(str::to_owned);
        self
    }

    /// The header that says how much time is left until the head of its answer has to be there, in milliseconds, if that is less:
    /// the limit of an attempt, or a deadline that nobody has named.
    ///
    /// Default: `x-request-head-timeout-ms`.
    pub fn head_timeout_ms<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.head_timeout_ms = name.into().map(str::to_owned);
        self
    }

    /// The header that names the task that the request is part of, or is its key.
    ///
    /// Default: `x-request-task`.
    pub fn task<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.task = name.into().map(str::to_owned);
        self
    }

    /// The header that numbers the attempt: digits, from 1 on. A first attempt is sent without it.
    ///
    /// Default: `x-request-attempt`, and none over gRPC. Envoy's is `x-envoy-attempt-count`.
    pub fn attempt<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.attempt = name.into().map(str::to_owned);
        self
    }

    /// The header that says how many attempts came before: digits, from 0 on. A first attempt is sent without it.
    ///
    /// Default: none, and over gRPC `grpc-previous-rpc-attempts`.
    pub fn previous_attempts<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.previous_attempts = name.into().map(str::to_owned);
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<ContextHeaders, Invalid> {
        let names = Names {
            criticality: header_name("criticality", self.criticality)?,
            timeout_ms: header_name("timeout_ms", self.timeout_ms)?,
            timeout: header_name("timeout", self.timeout)?,
            head_timeout_ms: header_name("head_timeout_ms", self.head_timeout_ms)?,
            task: header_name("task", self.task)?,
            attempt: header_name("attempt", self.attempt)?,
            previous_attempts: header_name("previous_attempts", self.previous_attempts)?,
        };
        let Names { criticality, timeout_ms, timeout, head_timeout_ms, task, attempt, previous_attempts } = &names;
        let all = [
            ("criticality", criticality),
            ("timeout_ms", timeout_ms),
            ("timeout", timeout),
            ("head_timeout_ms", head_timeout_ms),
            ("task", task),
            ("attempt", attempt),
            ("previous_attempts", previous_attempts),
        ];
        for (index, (field, name)) in all.into_iter().enumerate() {
            if let Some(name) = name
                && all[..index].iter().any(|(_, other)| other.as_ref() == Some(name))
            {
                return Err(Invalid::new(field, name, "the name of no other of these headers"));
            }
        }
        Ok(names.into())
    }
}

/// Checks one name by itself.
pub(crate) fn header_name(field: &'static str, text: Option<String>) -> Result<Option<HeaderName>, Invalid> {
    let Some(text) = text else { return Ok(None) };
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Invalid::new(field, format_args!("{text:?}"), "the name of a header"))?;
    if NEEDED.contains(&name.as_str()) {
        return Err(Invalid::new(field, name, "a header that HTTP itself does not need"));
    }
    Ok(Some(name))
}
