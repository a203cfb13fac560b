//! A folder of files as answers: types, folders, lists, encoded files, reading.

use std::fs::{self, File};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Method};
use reactor_web::testing::TestClient;
use reactor_web::{App, Body, Files, Handler, Request};

use crate::support::{Folder, client, text};

/// More than is read at once.
const LARGE: usize = 1_000_000;

fn site(folder: &Folder) -> TestClient {
    client(App::new().mount("/", Files::new(folder.path())))
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}

#[test]
fn files_have_the_types_of_their_extensions() {
    let folder = Folder::new("types");
    for (name, kind) in [
        ("page.html", "text/html; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("code.js", "text/javascript; charset=utf-8"),
        ("data.JSON", "application/json"),
        ("picture.png", "image/png"),
        ("module.wasm", "application/wasm"),
        ("no-extension", "application/octet-stream"),
        ("of.unknown-extension", "application/octet-stream"),
    ] {
        folder.write(name, "content");
        let answer = site(&folder).get(&format!("/{name}"));
        assert_eq!(answer.header("content-type"), Some(kind), "{name}");
        assert_eq!(answer.text(), "content");
        assert_eq!(answer.header("content-length"), Some("7"));
    }
}

#[test]
fn a_type_can_be_set_and_so_can_caching() {
    let folder = Folder::new("settings");
    folder.write("old.HTML", "x");
    let files = Files::new(folder.path())
        .content_type("html", "text/html; charset=latin1")
        .cache_control("max-age=60");
    let answer = client(App::new().mount("/", files)).get("/old.HTML");
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=latin1")
    );
    assert_eq!(answer.header("cache-control"), Some("max-age=60"));
}

#[test]
fn a_long_file_comes_whole_and_in_order() {
    let folder = Folder::new("long");
    let content = bytes(LARGE);
    folder.write("long", &content);
    folder.write("empty", "");
    let site = site(&folder);
    assert_eq!(site.get("/long").bytes(), content);
    let empty = site.get("/empty");
    assert_eq!((empty.status().as_u16(), empty.bytes()), (200, &b""[..]));
    assert_eq!(empty.header("content-length"), Some("0"));
}

#[test]
fn a_head_has_the_length_and_nothing_else() {
    let folder = Folder::new("head");
    folder.write("long", bytes(LARGE));
    let peer = site(&folder).connect();
    peer.send("HEAD /long HTTP/1.1\r\nhost: x\r\nrange: bytes=0-1\r\n\r\n");
    let got = text(&peer);
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    assert!(got.contains("content-length: 1000000\r\n"), "{got}");
    assert!(got.ends_with("\r\n\r\n"), "{got}");
}

#[test]
fn other_methods_are_refused() {
    let folder = Folder::new("methods");
    folder.write("file", "x");
    let site = site(&folder);
    let answer = site.post("/file", "new");
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    let answer = site.send(Method::OPTIONS, "/file", &[], Body::empty());
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn a_folder_is_its_index_and_has_a_slash() {
    let folder = Folder::new("index");
    folder.write("index.html", "front");
    folder.write("sub/index.html", "sub");
    folder.write("bare/file", "x");
    let site = client(
        App::new()
            .mount("/", Files::new(folder.path()))
            .mount("/deep/down", Files::new(folder.path())),
    );
    assert_eq!(site.get("/").text(), "front");
    assert_eq!(site.get("/sub/").text(), "sub");
    assert_eq!(site.get("/deep/down/").text(), "front");
    for (path, location) in [
        ("/sub?x=1", "/sub/?x=1"),
        ("/deep/down", "/deep/down/"),
        ("/deep/down/sub", "/deep/down/sub/"),
        ("/bare", "/bare/"),
    ] {
        let answer = site.get(path);
        assert_eq!(answer.status(), 308, "{path}");
        assert_eq!(answer.header("location"), Some(location));
    }
    // No index, no list; and a file is no folder.
    assert_eq!(site.get("/bare/").status(), 404);
    assert_eq!(site.get("/index.html/").status(), 404);
}

#[test]
fn the_first_index_that_is_there_is_sent() {
    let folder = Folder::new("indices");
    folder.write("b.html", "b");
    folder.write("c.html", "c");
    let files = Files::new(folder.path()).index(["a.html", "b.html", "c.html"]);
    assert_eq!(client(App::new().mount("/", files)).get("/").text(), "b");
}

#[test]
fn a_list_has_folders_first_and_is_escaped() {
    let folder = Folder::new("list");
    folder.write("<script>&.txt", "x");
    folder.write("javascript:alert(1)", "x");
    folder.write("b.txt", bytes(1536));
    folder.write("z/file", "x");
    folder.write(".hidden", "x");
    let site = client(App::new().mount("/", Files::new(folder.path()).listing(true)));
    let answer = site.get("/");
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let page = answer.text();
    assert!(!page.contains("<script>"), "{page}");
    assert!(
        page.contains("<a href=\"./%3Cscript%3E%26.txt\">&lt;script&gt;&amp;.txt</a>"),
        "{page}"
    );
    assert!(
        page.contains("<a href=\"./javascript%3Aalert%281%29\">"),
        "{page}"
    );
    assert!(page.contains("b.txt</a><td>1.5 KiB<td>"), "{page}");
    assert!(!page.contains("hidden"), "{page}");
    let place = |name: &str| page.find(name).expect(name);
    assert!(place("./z/") < place("./b.txt"), "{page}");
    assert_eq!(site.get("/%3Cscript%3E%26.txt").text(), "x");
    // The title is what the request says.
    let folder = Folder::new("list-title");
    folder.write("<b>/file", "x");
    let site = client(App::new().mount("/", Files::new(folder.path()).listing(true)));
    let page = site.get("/%3Cb%3E/");
    assert!(
        page.text().contains("<h1>/&lt;b&gt;/</h1>"),
        "{}",
        page.text()
    );
}

#[test]
fn an_encoded_file_is_sent_to_a_client_that_takes_it() {
    let folder = Folder::new("encoded");
    folder.write("app.js", "plain");
    folder.write("app.js.gz", "gzip");
    folder.write("app.js.br", "brotli");
    let site = client(App::new().mount("/", Files::new(folder.path()).precompressed(true)));
    let get = |accepted: &str| {
        let answer = site.get_with("/app.js", &[("accept-encoding", accepted)]);
        assert_eq!(
            answer.header("content-type"),
            Some("text/javascript; charset=utf-8")
        );
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        answer
    };
    for (accepted, coding, content) in [
        ("gzip, deflate, br, zstd", Some("br"), "brotli"),
        ("gzip, br;q=0.5", Some("gzip"), "gzip"),
        ("gzip;q=0.5, br;q=0.8", Some("br"), "brotli"),
        ("x-gzip", Some("gzip"), "gzip"),
        ("zstd", None, "plain"),
        ("*", Some("br"), "brotli"),
        ("*, br;q=0", Some("gzip"), "gzip"),
        ("gzip;q=0, br;q=0.000", None, "plain"),
        ("identity, gzip;q=0.5", None, "plain"),
        ("deflate", None, "plain"),
        ("", None, "plain"),
    ] {
        let answer = get(accepted);
        assert_eq!(answer.header("content-encoding"), coding, "{accepted}");
        assert_eq!(answer.text(), content, "{accepted}");
    }
    let tags: Vec<_> = ["br", "gzip", ""]
        .map(|accepted| {
            get(accepted)
                .header("etag")
                .expect("there is one")
                .to_owned()
        })
        .into();
    assert!(tags[0] != tags[1] && tags[1] != tags[2], "{tags:?}");
    // Unless it is older, or does not stand for itself.
    let old = File::options()
        .write(true)
        .open(folder.path().join("app.js.br"));
    let old = old.expect("it is there");
    old.set_modified(UNIX_EPOCH + Duration::from_secs(1))
        .expect("a time");
    assert_eq!(get("br").text(), "plain");
    assert_eq!(site.get("/app.js.gz").text(), "gzip");
    assert_eq!(site.get("/app.js.gz").header("content-encoding"), None);
}

#[test]
fn a_file_that_becomes_shorter_ends_the_connection() {
    let folder = Folder::new("shorter");
    let path = folder.write("long", bytes(10 * LARGE));
    let site = site(&folder);
    let peer = site.connect();
    peer.set_reading(false);
    peer.send("GET /long HTTP/1.1\r\nhost: x\r\n\r\n");
    fs::write(&path, "short").expect("it can be written");
    peer.set_reading(true);
    let got = peer.received();
    assert!(got.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(got.len() < 10 * LARGE, "{}", got.len());
    assert!(peer.is_closed());
}

#[test]
fn a_file_that_is_replaced_by_renaming_is_sent_as_it_was() {
    let folder = Folder::new("renamed");
    let content = bytes(2 * LARGE);
    let path = folder.write("long", &content);
    let site = site(&folder);
    let peer = site.connect();
    peer.set_reading(false);
    peer.send("GET /long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let new = folder.write("new", "new");
    fs::rename(&new, &path).expect("it can be renamed");
    peer.set_reading(true);
    assert!(peer.received().ends_with(&content));
    assert_eq!(site.get("/long").text(), "new");
}

#[test]
fn a_client_that_does_not_read_stops_the_reading_of_the_file() {
    let folder = Folder::new("backpressure");
    folder.write("long", bytes(10 * LARGE));
    let site = site(&folder);
    let peer = site.connect();
    peer.set_reading(false);
    peer.send("GET /long HTTP/1.1\r\nhost: x\r\n\r\n");
    site.advance(Duration::from_secs(1));
    // The file may be cut off now behind what was read; a second of it was not read.
    let file = File::options()
        .write(true)
        .open(folder.path().join("long"))
        .expect("a file");
    file.set_len(LARGE as u64).expect("a length");
    peer.set_reading(true);
    assert!(peer.received().len() < 2 * LARGE);
    assert!(peer.is_closed());
}

#[test]
fn a_client_that_goes_ends_the_reading() {
    let folder = Folder::new("gone");
    folder.write("long", bytes(10 * LARGE));
    let site = site(&folder);
    let peer = site.connect();
    peer.set_reading(false);
    peer.send("GET /long HTTP/1.1\r\nhost: x\r\n\r\n");
    peer.reset();
    assert_eq!(site.site().connections(), 0);
    assert!(site.reactor().leftovers().delayed_calls.is_empty());
}

#[test]
fn a_folder_that_is_not_there_is_an_error_when_the_app_is_served() {
    let folder = Folder::new("missing");
    let file = folder.write("file", "x");
    for (path, why) in [
        (folder.path().join("none"), "the files of "),
        (file, "is no folder"),
    ] {
        let refused = App::new().mount("/", Files::new(path)).into_site();
        let failure = refused.expect_err("it is not there");
        assert!(failure.to_string().contains(why), "{failure}");
    }
}

#[test]
fn a_folder_can_be_switched_while_the_server_runs() {
    let folder = Folder::new("switched");
    folder.write("one/file", "one");
    folder.write("two/file", "two");
    let current = folder.path().join("current");
    let link = |to: &str| {
        let new = folder.path().join("new");
        std::os::unix::fs::symlink(to, &new).expect("a link");
        fs::rename(&new, &current).expect("it can be renamed");
    };
    link("one");
    let site = client(App::new().mount("/", Files::new(&current)));
    assert_eq!(site.get("/file").text(), "one");
    link("two");
    assert_eq!(site.get("/file").text(), "two");
}

#[test]
fn a_handler_sends_a_file_and_adds_headers() {
    let folder = Folder::new("send-file");
    let path = folder.write("report.pdf", bytes(LARGE));
    let missing = folder.path().join("missing");
    let app = App::new()
        .get("/report", move |req| {
            req.send_file(&path).add_callback(|mut response| {
                let value = HeaderValue::from_static("attachment");
                response.headers_mut().insert("content-disposition", value);
                Ok(response)
            })
        })
        .get("/async", {
            let path = folder.path().join("report.pdf");
            move |req: Request| {
                let path = path.clone();
                async move { req.send_file(path).await }
            }
        })
        .get("/missing", move |req| req.send_file(&missing))
        .get("/folder", |req| req.send_file("/"));
    let site = client(app);
    let answer = site.get("/report");
    assert_eq!(answer.bytes().len(), LARGE);
    assert_eq!(answer.header("content-type"), Some("application/pdf"));
    assert_eq!(answer.header("content-disposition"), Some("attachment"));
    let part = site.get_with("/async", &[("range", "bytes=0-9")]);
    assert_eq!((part.status().as_u16(), part.bytes().len()), (206, 10));
    // The handler is wrong, not the client.
    assert_eq!(site.get("/missing").status(), 500);
    assert_eq!(site.get("/folder").status(), 500);
}

#[test]
fn a_file_that_answers_a_change_has_no_range_and_no_304() {
    let folder = Folder::new("send-file-post");
    let path = folder.write("report.txt", "a report");
    let get = path.clone();
    let app = App::new()
        .get("/", move |req| req.send_file(&get))
        .post("/", move |req| req.send_file(&path));
    let site = client(app);
    let tag = site.get("/").header("etag").expect("it has one").to_owned();
    let later = "Fri, 31 Dec 2100 23:59:59 GMT";
    // The header, and the status for GET, HEAD and POST (RFC 9110, 14.2, 13.1.2 and 13.1.3).
    let cases: &[(&str, &str, [u16; 3])] = &[
        ("range", "bytes=0-3", [206, 200, 200]),
        ("range", "bytes=100-", [416, 200, 200]),
        ("if-none-match", "*", [304, 304, 412]),
        ("if-none-match", &tag, [304, 304, 412]),
        ("if-none-match", "\"other\"", [200, 200, 200]),
        ("if-modified-since", later, [304, 304, 200]),
        ("if-match", &tag, [200, 200, 200]),
        ("if-match", "\"other\"", [412, 412, 412]),
        ("if-unmodified-since", later, [200, 200, 200]),
        ("x", "none", [200, 200, 200]),
    ];
    for (name, value, expected) in cases {
        let statuses = [Method::GET, Method::HEAD, Method::POST].map(|method| {
            let answer = site.send(method, "/", &[(name, value)], Body::empty());
            answer.status().as_u16()
        });
        assert_eq!(statuses, *expected, "{name}: {value}");
    }
}

#[test]
fn times_that_no_header_can_have_do_no_harm() {
    let folder = Folder::new("times");
    let path = folder.write("file", "x");
    let set = |time: SystemTime| {
        let file = File::options().write(true).open(&path).expect("a file");
        file.set_modified(time).is_ok()
    };
    let site = client(App::new().mount("/", Files::new(folder.path()).listing(true)));
    let year = Duration::from_secs(366 * 24 * 3600);
    for time in [
        UNIX_EPOCH - year,
        UNIX_EPOCH + 8500 * year,
        SystemTime::now() + year,
    ] {
        if !set(time) {
            continue;
        }
        let answer = site.get("/file");
        assert_eq!(answer.text(), "x");
        assert_eq!(answer.header("last-modified"), None);
        assert!(answer.header("etag").is_some());
        assert_eq!(site.get("/").status(), 200);
    }
}

#[test]
fn files_may_be_a_fallback() {
    let folder = Folder::new("fallback");
    folder.write("a/file", "x");
    let files = Files::new(folder.path());
    let app = App::new()
        .get("/a/{name}", |_| "route")
        .fallback(move |req| files.handle(req));
    let site = client(app);
    assert_eq!(site.get("/a/file").text(), "route");
    assert_eq!(site.get("/b").status(), 404);
    folder.write("b", "y");
    assert_eq!(site.get("/b").text(), "y");
}
