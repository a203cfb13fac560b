//! Validators of a file, and the conditions of a request that compare them (RFC 9110, 13).

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The first second of the year 10000, which no HTTP date can name.
pub(super) const YEAR_10000: u64 = 253_402_300_800;

/// What tells one version of a file from another.
pub(super) struct Validators {
    /// Strong: size and time of the last change, to the nanosecond, and the coding.
    // A change within the resolution of the clock that keeps the size is not seen.
    tag: String,
    /// In whole seconds, as in a header. `None` if it is no date of HTTP, or to come: a date later
    /// than that of the answer must not be sent.
    modified: Option<SystemTime>,
}

/// What the conditions of a request come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    NotModified,
    PreconditionFailed,
}

impl Validators {
    /// Those of a file with this metadata; `coding` tells an encoded file from the plain one.
    pub(super) fn new(metadata: &Metadata, coding: Option<&str>) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let (seconds, nanos) = since.map_or((0, 0), |it| (it.as_secs(), it.subsec_nanos()));
        let mut tag = format!("\"{:x}-{seconds:x}.{nanos:x}", metadata.len());
        if let Some(coding) = coding {
            tag.push('-');
            tag.push_str(coding);
        }
        tag.push('"');
        Self {
            tag,
            // RFC 9110, 8.8.2.1: a time to come is not sent.
            modified: since.and_then(|since| date(since.as_secs())),
        }
    }

    /// Puts them into the head of an answer.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(header::ETAG, tag);
        }
        let modified = self.modified.map(httpdate::fmt_http_date);
        if let Some(Ok(modified)) = modified.map(HeaderValue::try_from) {
            headers.insert(header::LAST_MODIFIED, modified);
        }
    }

    /// Whether `If-Range`, if there is one, lets a range be sent: it names this version.
    pub(super) fn allow_range(&self, conditions: &Conditions) -> bool {
        let Some(value) = &conditions.if_range else {
            return true;
        };
        match value.to_str() {
            // A weak tag never matches here.
            // A date may begin with a W, too (`Wed`), but has no quotes. The comparison is the
            // strong one (RFC 9110, 13.1.5).
            Ok(tag) if tag.starts_with(['"', 'W']) && tag.contains('"') => tag == self.tag,
            // Exactly this date: an earlier or a later one is another version.
            Ok(date) => self.modified.is_some() && parse(date) == self.modified,
            Err(_) => false,
        }
    }
}

/// `seconds` after the epoch, if that is a date of HTTP, and not to come.
fn date(seconds: u64) -> Option<SystemTime> {
    let is_date = seconds < YEAR_10000;
    let date = is_date.then(|| UNIX_EPOCH + Duration::from_secs(seconds));
    date.filter(|date| *date <= SystemTime::now())
}

/// A date of HTTP; `None` if it is none, which is as if its header was not there.
fn parse(date: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(date).ok()
}

/// The conditional headers of a request, and its range.
pub(super) struct Conditions {
    if_match: Vec<HeaderValue>,
    if_none_match: Vec<HeaderValue>,
    if_modified_since: Option<SystemTime>,
    if_unmodified_since: Option<SystemTime>,
    if_range: Option<HeaderValue>,
    /// The value of `Range`, if there is one.
    pub(super) range: Option<HeaderValue>,
}

impl Conditions {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let all = |name: HeaderName| headers.get_all(name).iter().cloned().collect();
        let date = |name: HeaderName| parse(headers.get(name)?.to_str().ok()?);
        Self {
            if_match: all(header::IF_MATCH),
            if_none_match: all(header::IF_NONE_MATCH),
            if_modified_since: date(header::IF_MODIFIED_SINCE),
            if_unmodified_since: date(header::IF_UNMODIFIED_SINCE),
            if_range: headers.get(header::IF_RANGE).cloned(),
            range: headers.get(header::RANGE).cloned(),
        }
    }

    /// Compares, in the order of RFC 9110 (13.2.2): a tag goes before a date.
    pub(super) fn judge(&self, file: &Validators) -> Verdict {
        // `If-Unmodified-Since` is ignored beside `If-Match` (RFC 9110, 13.1.4), and
        // `If-Modified-Since` beside `If-None-Match` (13.1.3).
        if !self.if_match.is_empty() {
            // The strong comparison (RFC 9110, 13.1.1).
            if !matches(&self.if_match, |tag| tag == file.tag) {
                return Verdict::PreconditionFailed;
            }
        } else if let (Some(limit), Some(modified)) = (self.if_unmodified_since, file.modified)
            && modified > limit
        {
            return Verdict::PreconditionFailed;
        }
        if !self.if_none_match.is_empty() {
            // The weak comparison (RFC 9110, 13.1.2).
            let is_same = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag) == file.tag;
            if matches(&self.if_none_match, is_same) {
                return Verdict::NotModified;
            }
        } else if let (Some(known), Some(modified)) = (self.if_modified_since, file.modified)
            && modified <= known
        {
            return Verdict::NotModified;
        }
        Verdict::Send
    }
}

/// Whether one of the tags in `headers` is a match, or all of them by a `*`.
fn matches(headers: &[HeaderValue], is_match: impl Fn(&str) -> bool) -> bool {
    let mut texts = headers.iter().filter_map(|value| value.to_str().ok());
    texts.any(|text| text.trim() == "*" || tags(text).any(&is_match))
}

/// The entity tags of a list, each with its quotes, and with `W/` if it is weak. A tag may have a comma
/// in it.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let opening = if rest.starts_with("W/\"") { 3 } else { 1 };
        // What is no tag ends the list: nothing behind it is compared.
        let begin = rest.get(opening..)?;
        if !rest.starts_with("W/\"") && !rest.starts_with('"') {
            return None;
        }
        let end = opening + begin.find('"')? + 1;
        let (tag, left) = rest.split_at(end);
        rest = left;
        Some(tag)
    })
}
