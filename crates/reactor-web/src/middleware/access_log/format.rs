//! Formats of the access log.

use std::fmt::Write as _;
use std::time::SystemTime;

use http::HeaderValue;
use time::OffsetDateTime;

use super::record::{Outcome, Record};

/// The format of a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Common,
    Combined,
    #[cfg(feature = "json")]
    Json,
}

impl Format {
    /// The line, without its line break.
    pub(super) fn line(self, record: &Record, outcome: &Outcome) -> String {
        match self {
            Self::Common => common(record, outcome),
            Self::Combined => {
                let mut line = common(record, outcome);
                for header in [&record.referer, &record.user_agent] {
                    line.push_str(" \"");
                    quote(bytes(header), &mut line);
                    line.push('"');
                }
                line
            }
            #[cfg(feature = "json")]
            Self::Json => json(record, outcome),
        }
    }
}

/// The value of a header; a dash if there is none.
fn bytes(header: &Option<HeaderValue>) -> &[u8] {
    header.as_ref().map_or(b"-", |value| value.as_bytes())
}

fn common(record: &Record, outcome: &Outcome) -> String {
    let mut line = record.client();
    // The identity of RFC 1413, which is never known.
    line.push_str(" - ");
    match record.observed.user() {
        // A space would begin the next field.
        Some(user) if !user.is_empty() => {
            for (index, word) in user.split(' ').enumerate() {
                if index > 0 {
                    line.push_str("\\x20");
                }
                quote(word.as_bytes(), &mut line);
            }
        }
        _ => line.push('-'),
    }
    line.push_str(" [");
    date(record.time, &mut line);
    line.push_str("] \"");
    quote(record.method.as_str().as_bytes(), &mut line);
    line.push(' ');
    quote(record.uri.to_string().as_bytes(), &mut line);
    // Writing to a string does not fail, here and below.
    let _ = write!(line, " {:?}\" {} ", record.version, outcome.status);
    match outcome.bytes {
        // The Common Log Format has a dash for no bytes.
        0 => line.push('-'),
        bytes => drop(write!(line, "{bytes}")),
    }
    line
}

/// Appends `text` with escapes, so that it stays within its quotes and its line.
fn quote(text: &[u8], line: &mut String) {
    for byte in text {
        match byte {
            b'"' => line.push_str("\\\""),
            b'\\' => line.push_str("\\\\"),
            b' '..=b'~' => line.push(char::from(*byte)),
            _ => drop(write!(line, "\\x{byte:02x}")),
        }
    }
}

/// As `10/Oct/2000:13:55:36 +0000`.
fn date(time: SystemTime, line: &mut String) {
    let date = OffsetDateTime::from(time);
    let month = date.month().to_string();
    let _ = write!(
        line,
        "{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000",
        date.day(),
        // Names of months are ASCII, in English.
        &month[..3],
        date.year(),
        date.hour(),
        date.minute(),
        date.second()
    );
}

#[cfg(feature = "json")]
fn json(record: &Record, outcome: &Outcome) -> String {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        time: String,
        client: String,
        user: Option<&'a str>,
        method: &'a str,
        target: String,
        version: String,
        host: Option<String>,
        status: u16,
        bytes: u64,
        complete: bool,
        duration_ms: f64,
        route: Option<String>,
        id: Option<&'a str>,
        referer: Option<String>,
        user_agent: Option<String>,
    }
    let header = |value: &Option<HeaderValue>| {
        let value = value.as_ref()?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let date = OffsetDateTime::from(record.time);
    let time = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        date.millisecond()
    );
    let line = Line {
        time,
        client: record.client(),
        user: record.observed.user(),
        method: record.method.as_str(),
        target: record.uri.to_string(),
        version: format!("{:?}", record.version),
        host: header(&record.host),
        status: outcome.status,
        bytes: outcome.bytes,
        complete: outcome.is_complete,
        duration_ms: outcome.duration.as_secs_f64() * 1000.0,
        route: record.observed.route(),
        id: record.observed.id(),
        referer: header(&record.referer),
        user_agent: header(&record.user_agent),
    };
    // Does not fail: strings and numbers have a form in JSON, and the keys are strings.
    serde_json::to_string(&line).unwrap_or_default()
}
