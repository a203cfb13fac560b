//! Ranges of a file.

use std::fs::File;
use std::time::{Duration, SystemTime};

use reactor_web::testing::{TestAnswer, TestClient};
use reactor_web::{App, Files};

use crate::support::{Folder, client};

const CONTENT: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

fn site(folder: &Folder) -> TestClient {
    folder.write("file", CONTENT);
    folder.write("empty", "");
    client(App::new().mount("/", Files::new(folder.path())))
}

#[test]
fn a_range_is_sent_with_its_place() {
    let folder = Folder::new("range");
    let site = site(&folder);
    for (range, place, content) in [
        ("bytes=0-3", "bytes 0-3/36", "0123"),
        ("bytes=30-", "bytes 30-35/36", "uvwxyz"),
        ("bytes=-3", "bytes 33-35/36", "xyz"),
        ("bytes=-100", "bytes 0-35/36", CONTENT),
        ("bytes=35-99", "bytes 35-35/36", "z"),
        ("bytes=0-0", "bytes 0-0/36", "0"),
        ("Bytes=0-0", "bytes 0-0/36", "0"),
        ("bytes=0-99999999999999999999999", "bytes 0-35/36", CONTENT),
        // One of two is there.
        ("bytes=1-2, 40-50", "bytes 1-2/36", "12"),
    ] {
        let answer = site.get_with("/file", &[("range", range)]);
        assert_eq!(answer.status(), 206, "{range}");
        assert_eq!(answer.header("content-range"), Some(place), "{range}");
        assert_eq!(answer.text(), content, "{range}");
        let length = content.len().to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
    }
}

#[test]
fn a_range_behind_the_end_is_a_416() {
    let folder = Folder::new("range-behind");
    let site = site(&folder);
    for range in ["bytes=36-", "bytes=36-40", "bytes=-0", "bytes=50-60, 70-"] {
        let answer = site.get_with("/file", &[("range", range)]);
        assert_eq!(answer.status(), 416, "{range}");
        assert_eq!(answer.header("content-range"), Some("bytes */36"));
    }
    let answer = site.get_with("/empty", &[("range", "bytes=0-")]);
    assert_eq!(answer.status(), 416);
    assert_eq!(answer.header("content-range"), Some("bytes */0"));
    assert_eq!(
        site.get_with("/empty", &[("range", "bytes=-5")]).status(),
        200
    );
}

#[test]
fn what_is_no_range_or_too_much_is_answered_with_the_whole_file() {
    let folder = Folder::new("range-none");
    let site = site(&folder);
    let many = (0..17).map(|at| format!("{at}-{at}")).collect::<Vec<_>>();
    let many = format!("bytes={}", many.join(","));
    for range in [
        "bytes=",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=--1",
        "bytes",
        "lines=0-3",
        "bytes=0-1;",
        "0-3",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=1",
        "bytes=0-0-0",
        // More than the file, and three that overlap.
        "bytes=0-,0-",
        "bytes=0-9,5-15,8-20",
        &many,
    ] {
        let answer = site.get_with("/file", &[("range", range)]);
        assert_eq!(
            (answer.status().as_u16(), answer.text()),
            (200, CONTENT),
            "{range}"
        );
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    }
}

/// The parts of an answer: place, type and content.
fn parts(answer: &TestAnswer) -> Vec<(String, String, String)> {
    let kind = answer.header("content-type").expect("it has a type");
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .expect(kind);
    let text = answer.text();
    let length = text.len().to_string();
    assert_eq!(answer.header("content-length"), Some(length.as_str()));
    let inner = text
        .strip_suffix(&format!("\r\n--{boundary}--\r\n"))
        .expect("an end");
    let separator = format!("\r\n--{boundary}\r\n");
    let pieces = inner.split(&separator).skip(1);
    let part = |piece: &str| {
        let (head, content) = piece.split_once("\r\n\r\n").expect("a head");
        let (kind, place) = head.split_once("\r\n").expect("two headers");
        let value = |line: &str| line.split_once(": ").expect("a header").1.to_owned();
        (value(place), value(kind), content.to_owned())
    };
    pieces.map(part).collect()
}

#[test]
fn several_ranges_are_parts_of_one_answer() {
    let folder = Folder::new("ranges");
    let site = site(&folder);
    let answer = site.get_with("/file", &[("range", "bytes=0-1, 10-11 ,-2, 90-")]);
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.header("content-range"), None);
    let expected = [("0-1", "01"), ("10-11", "ab"), ("34-35", "yz")].map(|(place, content)| {
        let place = format!("bytes {place}/36");
        (
            place,
            "application/octet-stream".to_owned(),
            content.to_owned(),
        )
    });
    assert_eq!(parts(&answer), expected);
}

#[test]
fn parts_of_a_long_file_come_whole() {
    let folder = Folder::new("long-ranges");
    let site = site(&folder);
    let text: String = (0..60_000).map(|line| format!("line {line:7}\n")).collect();
    folder.write("long.txt", &text);
    let answer = site.get_with("/long.txt", &[("range", "bytes=500000-, 0-299999")]);
    let parts = parts(&answer);
    assert_eq!(parts.len(), 2);
    assert!(parts[0].2 == text[500_000..]);
    assert!(parts[1].2 == text[..300_000]);
    assert_eq!(parts[0].1, "text/plain; charset=utf-8");
    let answer = site.get_with("/long.txt", &[("range", "bytes=1000-600000")]);
    assert!(answer.text() == &text[1000..=600_000]);
}

#[test]
fn if_range_sends_the_range_only_of_the_same_file() {
    let folder = Folder::new("if-range");
    let site = site(&folder);
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    set_date(&folder, an_hour_ago);
    let whole = site.get("/file");
    let tag = whole.header("etag").expect("it has one");
    let date = whole.header("last-modified").expect("it has one");
    let weak = format!("W/{tag}");
    for (condition, status) in [
        (tag, 206),
        (date, 206),
        ("\"another\"", 200),
        (&weak, 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
        ("Sun, 06 Nov 2044 08:49:37 GMT", 200),
        ("nonsense", 200),
    ] {
        let headers = [("range", "bytes=0-3"), ("if-range", condition)];
        let answer = site.get_with("/file", &headers);
        assert_eq!(answer.status(), status, "{condition}");
    }
}

/// RFC 9110, 8.8.2.2: within the second of its date, a file may change and keep the date.
#[test]
fn if_range_does_not_trust_the_date_of_a_file_that_has_just_changed() {
    let folder = Folder::new("if-range-now");
    let site = site(&folder);
    let date_of = |time: SystemTime| {
        set_date(&folder, time);
        let whole = site.get("/file");
        whole.header("last-modified").expect("a date").to_owned()
    };
    let status = |date: &str| {
        let headers = [("range", "bytes=0-3"), ("if-range", date)];
        site.get_with("/file", &headers).status().as_u16()
    };
    // The answer counts only if no second began meanwhile, which is rare.
    let in_its_second = (0..100).find_map(|_| {
        let now = SystemTime::now();
        let found = status(&date_of(now));
        (second(now) == second(SystemTime::now())).then_some(found)
    });
    assert_eq!(in_its_second, Some(200));
    let before = SystemTime::now() - Duration::from_secs(1);
    assert_eq!(status(&date_of(before)), 206);
}

/// The second of a time.
fn second(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// Sets the time at which the file was changed.
fn set_date(folder: &Folder, time: SystemTime) {
    let file = File::options().write(true).open(folder.path().join("file"));
    file.expect("it was made")
        .set_modified(time)
        .expect("a time");
}

#[test]
fn a_range_of_an_encoded_file_is_one_of_its_bytes() {
    let folder = Folder::new("encoded-range");
    folder.write("file", CONTENT);
    folder.write("file.gz", "compressed");
    let site = client(App::new().mount("/", Files::new(folder.path()).precompressed(true)));
    let headers = [("range", "bytes=0-3"), ("accept-encoding", "gzip")];
    let answer = site.get_with("/file", &headers);
    assert_eq!(answer.text(), "comp");
    assert_eq!(answer.header("content-range"), Some("bytes 0-3/10"));
}
