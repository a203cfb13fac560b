//! Conditional requests for a file.

use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use http::Method;
use reactor_web::testing::TestClient;
use reactor_web::{App, Body, Files};

use crate::support::{Folder, client, text};

/// The date of the file.
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn site(folder: &Folder) -> (TestClient, String) {
    let path = folder.write("file", "content");
    let file = File::options().write(true).open(path).expect("it was made");
    // Half a second more than its date, which headers leave out.
    let time = UNIX_EPOCH + Duration::from_millis(784_111_777_500);
    file.set_modified(time).expect("a time");
    let files = Files::new(folder.path()).cache_control("no-cache");
    let site = client(App::new().mount("/", files));
    let answer = site.get("/file");
    assert_eq!(answer.header("last-modified"), Some(DATE));
    let tag = answer.header("etag").expect("it has one").to_owned();
    (site, tag)
}

#[test]
fn conditions_are_judged_in_the_order_of_the_rfc() {
    let folder = Folder::new("conditions");
    let (site, tag) = site(&folder);
    let weak = format!("W/{tag}");
    let list = format!("\"a,b\", W/\"c\" ,{tag}");
    let weak_list = format!("\"a\",{weak}");
    let cases: &[(u16, &[(&str, &str)])] = &[
        (304, &[("if-none-match", &tag)]),
        (304, &[("if-none-match", &weak)]),
        (304, &[("if-none-match", &list)]),
        (304, &[("if-none-match", &weak_list)]),
        (304, &[("if-none-match", "*")]),
        (304, &[("if-none-match", "\"a\""), ("if-none-match", &tag)]),
        (200, &[("if-none-match", "\"a\"")]),
        (200, &[("if-none-match", "no tag")]),
        (304, &[("if-modified-since", DATE)]),
        (304, &[("if-modified-since", AFTER)]),
        (200, &[("if-modified-since", BEFORE)]),
        (200, &[("if-modified-since", "yesterday")]),
        // The tag goes before the date.
        (
            200,
            &[("if-none-match", "\"a\""), ("if-modified-since", AFTER)],
        ),
        (
            304,
            &[("if-none-match", &tag), ("if-modified-since", BEFORE)],
        ),
        (200, &[("if-match", &tag)]),
        (200, &[("if-match", &list)]),
        (200, &[("if-match", "*")]),
        // A weak tag is no strong match.
        (412, &[("if-match", &weak)]),
        (412, &[("if-match", "\"a\"")]),
        (412, &[("if-unmodified-since", BEFORE)]),
        (200, &[("if-unmodified-since", DATE)]),
        (200, &[("if-match", &tag), ("if-unmodified-since", BEFORE)]),
        (412, &[("if-match", "\"a\""), ("if-none-match", &tag)]),
        (304, &[("if-match", &tag), ("if-none-match", &tag)]),
        // Conditions go before the range.
        (304, &[("if-none-match", &tag), ("range", "bytes=0-1")]),
        (412, &[("if-match", "\"a\""), ("range", "bytes=90-")]),
        (206, &[("if-match", &tag), ("range", "bytes=0-1")]),
    ];
    for (status, headers) in cases {
        let answer = site.get_with("/file", headers);
        assert_eq!(answer.status(), *status, "{headers:?}");
        let head = site.send(Method::HEAD, "/file", headers, Body::empty());
        let expected = if *status == 206 { 200 } else { *status };
        assert_eq!(head.status(), expected, "HEAD with {headers:?}");
    }
}

#[test]
fn a_304_has_the_validators_and_no_content() {
    let folder = Folder::new("not-modified");
    let (site, tag) = site(&folder);
    let peer = site.connect();
    peer.send(format!(
        "GET /file HTTP/1.1\r\nhost: x\r\nif-none-match: {tag}\r\n\r\n"
    ));
    let got = text(&peer);
    assert!(got.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{got}");
    assert!(got.contains(&format!("etag: {tag}\r\n")), "{got}");
    assert!(got.contains("cache-control: no-cache\r\n"), "{got}");
    assert!(!got.contains("content-length"), "{got}");
    assert!(got.ends_with("\r\n\r\n"), "{got}");
}

#[test]
fn another_version_has_another_tag() {
    let folder = Folder::new("versions");
    let (site, tag) = site(&folder);
    folder.write("file", "changed");
    let answer = site.get_with("/file", &[("if-none-match", &tag)]);
    assert_eq!(answer.text(), "changed");
    assert_ne!(answer.header("etag"), Some(tag.as_str()));
}
