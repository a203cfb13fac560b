//! `Urls`: parses the URLs of requests, which often have the same host one after the other.

use std::cell::RefCell;

use url::{ParseError, Url};

/// Parses URLs. The origin of the last one is kept, since scheme, host and port make up most
/// of the work.
#[derive(Default)]
pub(super) struct Urls(RefCell<Option<Last>>);

struct Last {
    /// Scheme and authority, as the program has written them.
    origin: String,
    /// The root of the origin: no path or query is kept, since they may be secret.
    root: Url,
}

impl Urls {
    /// As [`Url::parse`], with the same results.
    pub(super) fn parse(&self, text: &str) -> Result<Url, ParseError> {
        let Some((origin, path)) = split(text) else {
            return Url::parse(text);
        };
        let mut last = self.0.borrow_mut();
        if let Some(last) = last.as_ref().filter(|last| last.origin == origin) {
            // A path that begins with one slash replaces that of the root.
            return last.root.join(path);
        }
        let url = Url::parse(text)?;
        *last = Some(Last {
            origin: origin.to_owned(),
            root: url.join("/")?,
        });
        Ok(url)
    }
}

/// Splits a URL of `http` or `https` before its path, if that is where its authority ends, and if
/// the path alone is parsed to the same as in the URL.
fn split(text: &str) -> Option<(&str, &str)> {
    // A backslash counts as a slash. Blanks and control characters are removed, so that the
    // characters next to them may get another meaning.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let (scheme, rest) = text.split_once("://")?;
    if !matches!(scheme, "http" | "https") || !rest.bytes().all(is_plain) {
        return None;
    }
    // Without a user, so that no password is kept. Slashes in place of a host are skipped.
    let end = rest.find(['/', '?', '#', '@']).filter(|end| *end > 0)?;
    let (origin, path) = text.split_at(scheme.len() + "://".len() + end);
    // Two slashes would begin an authority.
    (path.starts_with('/') && !path.starts_with("//")).then_some((origin, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINS: [&str; 18] = [
        "http://a",
        "http://A",
        "http://a:80",
        "http://a:8080",
        "https://a",
        "HTTP://a",
        "http:/a",
        "http:a",
        "http://",
        "http:///a",
        "http://a:b",
        "http://u:p@a",
        "http://a\\",
        "http://\u{e9}",
        "http://127.1",
        "http://[::1]:81",
        "ftp://a",
        "",
    ];

    const PATHS: [&str; 26] = [
        "",
        "/",
        "//",
        "//b",
        "///b",
        "/b",
        "/b/",
        "/b/../c",
        "/./b/%2e%2e/c",
        "/../..",
        "/\\b",
        "/\t/b",
        "/b\\c",
        "/b c",
        " /b",
        "/b ",
        "/\u{e9}",
        "?q",
        "#f",
        "/?q=http://c/d",
        "/b?q=\"<>'#f?g",
        "/b#f#g`{|}",
        "@b/c",
        "/@b",
        "/b://c/d",
        ":/b",
    ];

    #[test]
    fn urls_are_parsed_as_by_the_crate() {
        let urls = Urls::default();
        let texts = || {
            let pairs = ORIGINS.iter().flat_map(|a| PATHS.map(|b| (a, b)));
            pairs.map(|(origin, path)| format!("{origin}{path}"))
        };
        // Each after a URL of another origin, and of the same one.
        for before in texts().step_by(7) {
            for text in texts() {
                let _ = urls.parse(&before);
                assert_eq!(urls.parse(&text), Url::parse(&text), "{text}");
                assert_eq!(urls.parse(&text), Url::parse(&text), "{text} again");
            }
        }
    }

    #[test]
    fn an_origin_is_parsed_once() {
        let urls = Urls::default();
        let kept = || {
            let last = urls.0.borrow();
            let last = last.as_ref().expect("a URL was parsed");
            (last.root.to_string(), last.origin.as_ptr())
        };
        urls.parse("http://a/b?c").expect("it is a URL");
        let first = kept();
        assert_eq!(first.0, "http://a/");
        for text in ["http://a/c", "http://u:p@c/d"] {
            urls.parse(text).expect("it is a URL");
            // Not replaced, by one of the same origin or one with a password.
            assert_eq!(kept(), first, "{text}");
        }
        urls.parse("http://c/d").expect("it is a URL");
        assert_eq!(kept().0, "http://c/");
    }
}
