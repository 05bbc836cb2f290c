//! The body of a rejection: problem details for HTTP APIs, RFC 9457.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::retry_after;
use crate::kernel::{Rejected, Why};

/// What a rejection says to whoever asked, in the words of [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457): begin
/// [`of`](Self::of) a rejection, change what should be said otherwise, and hand it to
/// [`Http::problem`](super::Http::problem).
///
/// | member | of a rejection |
/// |---|---|
/// | `type` | `about:blank`: the status says it all |
/// | `title` | the status in words |
/// | `status` | 503, 504 if time was up, 429 for a rate limit; also the status of the response |
/// | `detail` | what happened, and not to whom: the names of dependencies stay inside |
/// | `instance`, and others | left out |
///
/// ```
/// use cofferdam::{Bulkhead, Policy, Rejected, http::ProblemDetails};
///
/// let layer = Bulkhead::builder("checkout").build()?.layer().http().problem(|rejected: &Rejected| {
///     ProblemDetails::of(rejected)
///         .kind("https://shop.example/problems/busy")
///         .title("We are busy")
///         .text("support", "https://shop.example/help")
///         .number("code", 4711)
/// });
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ProblemDetails {
    status: StatusCode,
    kind: Cow<'static, str>,
    title: Option<Cow<'static, str>>,
    detail: Cow<'static, str>,
    instance: Option<Cow<'static, str>>,
    /// Names with values that are JSON already.
    others: Vec<(Cow<'static, str>, String)>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The members that have a setter each.
const STANDARD: [&str; 5] = ["type", "title", "status", "detail", "instance"];

impl ProblemDetails {
    /// What is said of a rejection unless you say otherwise.
    pub fn of(rejected: &Rejected) -> Self {
        let status = match rejected.why() {
            Why::RateLimited | Why::TooMuch => StatusCode::TOO_MANY_REQUESTS,
            why if why.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self {
            status,
            kind: "about:blank".into(),
            title: None,
            detail: rejected.why().as_str().into(),
            instance: None,
            others: Vec::new(),
            retry_after: rejected.retry_after(),
            headers: Vec::new(),
        }
    }

    /// The status, of the response and in its body.
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The member `type`: a URI that names this kind of problem.
    pub fn kind(self, uri: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: uri.into(), ..self }
    }

    /// The member `title`: the kind of problem in a few words, the same each time.
    pub fn title(self, title: impl Into<Cow<'static, str>>) -> Self {
        Self { title: Some(title.into()), ..self }
    }

    /// The member `detail`: what happened this time.
    pub fn detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The member `instance`: a URI that names this occurrence.
    pub fn instance(self, uri: impl Into<Cow<'static, str>>) -> Self {
        Self { instance: Some(uri.into()), ..self }
    }

    /// After how long another try is welcome: the header `Retry-After`, in whole seconds, rounded up. Default: what the
    /// rejection says.
    pub fn retry_after(self, after: impl Into<Option<Duration>>) -> Self {
        Self { retry_after: after.into(), ..self }
    }

    /// A member of your own that is text. The last value of a name holds. The five that RFC 9457 itself names are set by
    /// their own functions only, and not by this.
    pub fn text(self, name: impl Into<Cow<'static, str>>, text: &str) -> Self {
        let mut value = String::new();
        quote(&mut value, text);
        self.other(name.into(), value)
    }

    /// A member of your own that is a number: as [`text`](Self::text) in all else.
    pub fn number(self, name: impl Into<Cow<'static, str>>, number: i64) -> Self {
        self.other(name.into(), number.to_string())
    }

    /// A header of the response, beside `Content-Type` and `Retry-After`. The last value of a name holds.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn other(mut self, name: Cow<'static, str>, value: String) -> Self {
        self.others.retain(|(known, _)| *known != name);
        if !STANDARD.contains(&name.as_ref()) {
            self.others.push((name, value));
        }
        self
    }

    /// The problem as a response.
    ///
    /// ```
    /// use cofferdam::{Name, Rejected, Why, http::ProblemDetails};
    ///
    /// let rejected = Rejected::new(Name::new("payments")?, Why::RateLimited);
    /// let response = ProblemDetails::of(&rejected).detail("\"slowly\", please").number("limit", 100).into_response();
    /// assert_eq!(response.status(), 429);
    /// assert_eq!(
    ///     response.body(),
    ///     r#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"\"slowly\", please","limit":100}"#,
    /// );
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(self.body()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, retry_after::write(after));
        }
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }

    fn body(&self) -> String {
        let title = self.title.as_deref().or(self.status.canonical_reason());
        let mut body = String::from("{");
        member(&mut body, "type", |body| quote(body, &self.kind));
        if let Some(title) = title {
            member(&mut body, "title", |body| quote(body, title));
        }
        member(&mut body, "status", |body| body.push_str(self.status.as_str()));
        member(&mut body, "detail", |body| quote(body, &self.detail));
        if let Some(instance) = &self.instance {
            member(&mut body, "instance", |body| quote(body, instance));
        }
        for (name, value) in &self.others {
            member(&mut body, name, |body| body.push_str(value));
        }
        body.push('}');
        body
    }
}

fn member(body: &mut String, name: &str, value: impl FnOnce(&mut String)) {
    if !body.ends_with('{') {
        body.push(',');
    }
    quote(body, name);
    body.push(':');
    value(body);
}

/// Text as JSON has it: what RFC 8259 wants escaped is, and nothing else.
fn quote(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\0'..='\x1f' => {
                let digit = |shift: u32| char::from_digit((character as u32 >> shift) & 15, 16).unwrap_or('0');
                json.extend(['\\', 'u', '0', '0', digit(4), digit(0)]);
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}
