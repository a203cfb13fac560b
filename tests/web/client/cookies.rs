//! Cookies of a client.

use std::time::{Duration, Instant};

use http::Method;
use reactor::testing::TestReactor;
use reactor_web::Client;
use reactor_web::client::{ClientResponse, CookieJar};

use super::scripted::Script;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const SETS: &str = "HTTP/1.1 302 Go\r\nlocation: /b\r\ncontent-length: 0\r\n\
                    set-cookie: a=1; Path=/\r\nset-cookie: b=2; Path=/deep\r\n\
                    set-cookie: d=4; Domain=example.org\r\n\
                    set-cookie: e=5; Max-Age=0\r\nset-cookie: ;;;\r\n\r\n";

/// A list of public suffixes, in the format of publicsuffix.org.
const LIST: &str = "// ===BEGIN ICANN DOMAINS===\nuk\nco.uk\n// ===END ICANN DOMAINS===\n";

#[test]
fn cookies_are_kept_and_sent_where_they_belong() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[SETS, OK, OK]);
    let jar = CookieJar::new();
    let client = Client::builder().cookies(&jar).build(&reactor);
    let get = |url: &str| {
        let page = client.get(url).add_callback(ClientResponse::text);
        reactor.result_of(page).expect("an answer");
        script.take()
    };
    let sent = get("http://127.0.0.1/a");
    let (before, after) = sent.split_once("GET /b").expect("a redirect");
    assert!(!before.contains("cookie"), "{before}");
    assert!(after.contains("cookie: a=1\r\n"), "only that one: {after}");
    let sent = get("http://127.0.0.1/deep/er");
    let line = sent.lines().find(|line| line.starts_with("cookie: "));
    let mut pairs: Vec<_> = line.expect("cookies")["cookie: ".len()..]
        .split("; ")
        .collect();
    pairs.sort_unstable();
    assert_eq!(pairs, ["a=1", "b=2"]);
    assert_eq!(jar.header("http://127.0.0.2/"), None);
    assert!(!format!("{jar:?}").contains("a=1"));
}

#[test]
fn cookies_of_a_request_win_over_those_of_the_jar() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[OK]);
    let jar = CookieJar::new();
    assert!(jar.set("http://127.0.0.1/", "a=1"));
    let client = Client::builder().cookies(&jar).build(&reactor);
    let asked = client
        .request(Method::GET, "http://127.0.0.1/")
        .header("cookie", "own=2")
        .send();
    reactor.result_of(asked).expect("an answer");
    let sent = script.take();
    assert!(
        sent.contains("cookie: own=2\r\n") && !sent.contains("a=1"),
        "{sent}"
    );
}

#[test]
fn domains_are_those_of_the_server_and_no_public_ones() {
    let url = "http://www.shop.co.uk/";
    let jar = CookieJar::new();
    assert!(jar.set(url, "a=1; Domain=shop.co.uk"));
    assert!(!jar.set(url, "a=1; Domain=example.org"));
    assert!(jar.set("https://safe.example/", "c=3; Secure"));
    assert_eq!(jar.header("https://safe.example/"), Some("c=3".to_owned()));
    assert_eq!(jar.header("http://safe.example/"), None);
    // Without a list, only top-level domains are known to be public.
    assert!(jar.set(url, "b=1; Domain=co.uk"));
    let jar = CookieJar::with_public_suffixes(LIST).expect("a list");
    assert!(jar.set(url, "a=1; Domain=shop.co.uk"));
    assert!(!jar.set(url, "b=1; Domain=co.uk"));
    assert!(!jar.set(url, "b=1; Domain=uk"));
    assert_eq!(jar.header("http://shop.co.uk/"), Some("a=1".to_owned()));
}

#[test]
fn a_server_cannot_fill_the_memory() {
    let jar = CookieJar::new();
    let taken = (0..200).filter(|n| jar.set("http://a.example/", &format!("n{n}=1")));
    assert_eq!(taken.count(), 100);
    assert!(
        jar.set("http://a.example/", "n7=2"),
        "a known one may change"
    );
    for host in 0..60 {
        for n in 0..60 {
            jar.set(&format!("http://h{host}.example/"), &format!("n{n}=1"));
        }
    }
    assert_eq!(jar.len(), 3000);
    jar.clear();
    assert!(jar.is_empty());
}

#[test]
fn a_server_cannot_fill_the_memory_by_the_paths_of_one_name() {
    let (url, jar) = ("http://a.example/", CookieJar::new());
    let set = |n: u32| jar.set(url, &format!("a=1; Path=/{n}"));
    assert_eq!((0..500).filter(|n| set(*n)).count(), 100);
    assert_eq!(jar.len(), 100);
    assert!(set(7), "a known one may change");
    // Another domain or another default path is another cookie, too.
    assert!(!jar.set("http://a.example/deep/er", "a=1"));
    assert!(jar.set("http://b.a.example/", "a=1"));
    assert!(!jar.set("http://b.a.example/", "a=1; Domain=a.example"));
    assert!(jar.set(url, "a=; Path=/7; Max-Age=0"), "it is deleted");
    assert!(set(500), "there is room for one again");
    for host in 0..60 {
        for n in 0..60 {
            jar.set(
                &format!("http://h{host}.example/"),
                &format!("a=1; Path=/{n}"),
            );
        }
    }
    assert_eq!(jar.len(), 3000);
}

#[test]
fn expired_cookies_leave_their_room_to_others() {
    let (url, jar) = ("http://a.example/", CookieJar::new());
    // The clock of the jar is the system's, so the cookies of this test end at once.
    let soon = |n: u32| format!("n{n}=1; Max-Age=1");
    assert_eq!((0..200).filter(|n| jar.set(url, &soon(*n))).count(), 100);
    assert!(!jar.set(url, "other=1"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !jar.is_empty() {
        assert!(Instant::now() < deadline, "they do not expire");
        std::thread::yield_now();
    }
    assert!(jar.set(url, "other=1"));
    assert_eq!(jar.header(url), Some("other=1".to_owned()));
}
