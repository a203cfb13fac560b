//! `Validators`: the entity tag and the date of a file; and the conditions of a request, which
//! compare them with those that the client has (RFC 9110, 13).

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// The first second of the year 10000, which no HTTP date can name.
pub(super) const YEAR_10000: u64 = 253_402_300_800;

/// The entity tag and the date that tell one version of a file from another.
pub(super) struct Validators {
    /// A strong entity tag, with its quotes: the size, the time of the last change to the
    /// nanosecond, and the coding. It is made of metadata, so that no file is read to answer with a
    /// 304.
    tag: String,
    /// The time of the last change, in whole seconds as in `Last-Modified`. `None` if HTTP cannot
    /// write it, or if it is in the future: a date later than the `Date` of the answer must not be
    /// sent (RFC 9110, 8.8.2.1).
    modified: Option<SystemTime>,
}

/// The answer that the conditions of a request ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file, or the range of it.
    Send,
    /// 304: the client has this version.
    NotModified,
    /// 412: the client wants another version, or none.
    PreconditionFailed,
}

impl Validators {
    /// The validators of a file with this metadata. `coding` is that of a precompressed file, whose
    /// tag must differ from that of the plain one: both have one URL.
    pub(super) fn new(metadata: &Metadata, coding: Option<&str>) -> Self {
        // Without a time, or with one before 1970, the tag has zeros there, and tells versions
        // apart by size alone.
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
            // RFC 9110, 8.8.2.1: a time in the future is not sent.
            modified: since.and_then(|since| date(since.as_secs())),
        }
    }

    /// Sets `ETag` and `Last-Modified` in the head of an answer.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(header::ETAG, tag);
        }
        let modified = self.modified.map(httpdate::fmt_http_date);
        if let Some(Ok(modified)) = modified.map(HeaderValue::try_from) {
            headers.insert(header::LAST_MODIFIED, modified);
        }
    }

    /// Whether a range may be sent: there is no `If-Range`, or it names this version. Otherwise the
    /// client has a part of another version, and needs the whole file.
    pub(super) fn allow_range(&self, conditions: &Conditions) -> bool {
        let Some(value) = &conditions.if_range else {
            return true;
        };
        match value.to_str() {
            // A tag begins with a quote or `W/`. A date on a Wednesday begins with `W`, too, but
            // has no quote. A weak tag never matches, since `self.tag` is strong.
            Ok(tag) if tag.starts_with(['"', 'W']) && tag.contains('"') => tag == self.tag,
            // Exactly this date: an earlier or a later one is another version.
            Ok(date) => self.modified.is_some_and(|modified| {
                parse(date) == Some(modified) && is_over(modified, SystemTime::now())
            }),
            Err(_) => false,
        }
    }
}

/// The time `seconds` after 1970, if HTTP can write it as a date, and it is not in the future.
fn date(seconds: u64) -> Option<SystemTime> {
    let is_date = seconds < YEAR_10000;
    let date = is_date.then(|| UNIX_EPOCH + Duration::from_secs(seconds));
    date.filter(|date| *date <= SystemTime::now())
}

/// Whether the second that begins at `second` is over. Until then, the date is not a strong
/// validator: the file may still change to another version with the same date (RFC 9110, 8.8.2.2).
fn is_over(second: SystemTime, now: SystemTime) -> bool {
    now.duration_since(second)
        .is_ok_and(|age| age >= Duration::from_secs(1))
}

/// The date in a header; `None` if it is invalid; then the header is ignored (RFC 9110, 13.1.3 and
/// 13.1.4).
fn parse(date: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(date).ok()
}

/// The conditional headers of a request, and its `Range`.
pub(super) struct Conditions {
    if_match: Vec<HeaderValue>,
    if_none_match: Vec<HeaderValue>,
    if_modified_since: Option<SystemTime>,
    if_unmodified_since: Option<SystemTime>,
    if_range: Option<HeaderValue>,
    /// The value of `Range`, if there is one, and the method is `GET`.
    pub(super) range: Option<HeaderValue>,
    /// Whether the method is `GET` or `HEAD`: a 304 answers those only.
    is_retrieval: bool,
}

impl Conditions {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let is_retrieval = matches!(*method, Method::GET | Method::HEAD);
        // A range is defined for GET alone (RFC 9110, 14.2).
        let range = headers.get(header::RANGE);
        let range = range.filter(|_| *method == Method::GET);
        let all = |name: HeaderName| headers.get_all(name).iter().cloned().collect();
        let date = |name: HeaderName| parse(headers.get(name)?.to_str().ok()?);
        Self {
            if_match: all(header::IF_MATCH),
            if_none_match: all(header::IF_NONE_MATCH),
            // RFC 9110, 13.1.3.
            if_modified_since: date(header::IF_MODIFIED_SINCE).filter(|_| is_retrieval),
            if_unmodified_since: date(header::IF_UNMODIFIED_SINCE),
            if_range: headers.get(header::IF_RANGE).cloned(),
            range: range.cloned(),
            is_retrieval,
        }
    }

    /// Compares the conditions with `file`, in the order of RFC 9110 (13.2.2): first those that
    /// protect a change, then those that save a transfer. A date counts only if there is no
    /// condition by tag.
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
            // The weak comparison: `W/` makes no difference here, but does for `If-Match`.
            let is_same = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag) == file.tag;
            if matches(&self.if_none_match, is_same) {
                // RFC 9110, 13.1.2.
                return match self.is_retrieval {
                    true => Verdict::NotModified,
                    false => Verdict::PreconditionFailed,
                };
            }
        } else if let (Some(known), Some(modified)) = (self.if_modified_since, file.modified)
            && modified <= known
        {
            return Verdict::NotModified;
        }
        Verdict::Send
    }
}

/// Whether `is_match` accepts one of the tags in `headers`, or one of them is a `*`, which any
/// version matches.
fn matches(headers: &[HeaderValue], is_match: impl Fn(&str) -> bool) -> bool {
    let mut texts = headers.iter().filter_map(|value| value.to_str().ok());
    texts.any(|text| text.trim() == "*" || tags(text).any(&is_match))
}

/// The entity tags of a list, each with its quotes, and with `W/` if it is weak. A tag may have a
/// comma in it, so the list is not split at commas. The list ends at the first text that is not a
/// tag.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        // The length of the opening: `W/"` or `"`.
        let opening = if rest.starts_with("W/\"") { 3 } else { 1 };
        // Text that is not a tag ends the list: nothing after it is compared.
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
