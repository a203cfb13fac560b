//! `Event`: one event of a stream, in the form of the HTML standard.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

/// An event for a browser's `EventSource`.
///
/// # Examples
///
/// ```
/// use reactor_web::Event;
///
/// let event = Event::data("up 3\ndown 1").named("price").with_id("17");
/// assert_eq!(event.encode(), "id: 17\nevent: price\ndata: up 3\ndata: down 1\n\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    name: Option<String>,
    data: Option<String>,
    id: Option<String>,
    retry: Option<Duration>,
    comment: Option<String>,
}

impl Event {
    /// An event with this text, which may have several lines. A browser gets them with line feeds
    /// between them.
    pub fn data(text: impl Into<String>) -> Self {
        Self {
            data: Some(text.into()),
            ..Self::default()
        }
    }

    /// An event with a value as JSON.
    ///
    /// # Errors
    ///
    /// The value cannot be written as JSON.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> deferred::Result<Self> {
        Ok(Self::data(serde_json::to_string(value)?))
    }

    /// A comment, which a browser leaves out: to keep a connection open, or for debugging.
    pub fn comment(text: impl Into<String>) -> Self {
        Self {
            comment: Some(text.into()),
            ..Self::default()
        }
    }

    /// This event with a name: a browser gives it to the listeners for that name, and not to
    /// `onmessage`. Line breaks in it are left out.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// This event with an id, which the browser sends as `Last-Event-ID` when it connects again.
    /// Line breaks and NUL in it are left out.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// This event with the time that the browser waits, from now on, before it connects again.
    #[must_use]
    pub fn with_retry(mut self, retry: Duration) -> Self {
        self.retry = Some(retry);
        self
    }

    /// The id, as the browser will send it.
    pub(super) fn id(&self) -> Option<Cow<'_, str>> {
        self.id.as_deref().map(one_line)
    }

    /// The event as it is sent.
    pub fn encode(&self) -> Bytes {
        let data = self.data.as_deref().unwrap_or_default();
        let mut text = String::with_capacity(data.len() + 32);
        let mut field = |name: &str, value: &str| {
            text.push_str(name);
            // The client drops one space after the colon, so a value that begins with one keeps it.
            text.push_str(": ");
            text.push_str(value);
            text.push('\n');
        };
        // A field without a name is a comment.
        for line in lines(self.comment.as_deref()) {
            field("", line);
        }
        if let Some(id) = self.id() {
            field("id", &id);
        }
        if let Some(name) = self.name.as_deref() {
            field("event", &one_line(name));
        }
        for line in lines(self.data.as_deref()) {
            field("data", line);
        }
        if let Some(retry) = self.retry {
            // Writing to a string does not fail.
            let _ = writeln!(text, "retry: {}", retry.as_millis());
        }
        text.push('\n');
        text.into()
    }
}

/// The lines of a text, as the receiver divides it: a carriage return ends a line, too.
fn lines(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.into_iter().flat_map(|text| {
        text.split('\n').flat_map(|line| {
            let line = line.strip_suffix('\r').unwrap_or(line);
            line.split('\r')
        })
    })
}

/// `text` without the characters that would end its field.
fn one_line(text: &str) -> Cow<'_, str> {
    let ends = ['\n', '\r', '\0'];
    if text.contains(ends) {
        Cow::Owned(text.replace(ends, ""))
    } else {
        Cow::Borrowed(text)
    }
}
