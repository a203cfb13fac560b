//! The examples, used by clients and a proxy of other projects: curl, wget, the Python libraries
//! aiohttp, httpx, requests and treq, and nginx. What is not installed is skipped, by name.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tests::python::has_module;
use tests::{Directory, is_there, with_listener};

use crate::program::{PATIENCE, Program};

/// A folder of files, and the example that serves it.
struct Site {
    directory: Directory,
    server: Program,
    address: String,
}

impl Site {
    fn new(name: &str) -> Self {
        let directory = Directory::new(name);
        let text: String = (0..100_000)
            .map(|line| format!("line {line:6}\n"))
            .collect();
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        write("long.txt", &text);
        write("sub/a b.txt", "spaced");
        write("sub/<i>.txt", "escaped");
        write("secret/../sub/.hidden", "hidden");
        let folder = directory.to_str().expect("text").to_owned();
        let (server, address) = Program::serve_with("web_static_site", &["--folder", &folder]);
        Self {
            directory,
            server,
            address,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).expect("a file")
    }

    fn end(self) {
        self.server.send(Signal::TERM);
        self.server.end().succeeded();
    }
}

/// What a program writes to its standard output. It has to succeed.
fn output(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(arguments).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn curl_gets_ranges_resumes_and_asks_for_changes() {
    if !is_there("curl") {
        return;
    }
    let site = Site::new("curl-files");
    let text = site.text("long.txt");
    let curl = |arguments: &[&str], path: &str| {
        let url = site.url(path);
        output(
            "curl",
            &[&["-sS", "--max-time", "60"], arguments, &[&*url]].concat(),
        )
    };
    assert!(curl(&[], "/long.txt") == text);
    assert_eq!(curl(&["-r", "12-23"], "/long.txt"), text[12..24]);
    assert_eq!(curl(&["-r", "-12"], "/long.txt"), text[text.len() - 12..]);
    let parts = curl(&["-r", "0-11,24-35"], "/long.txt");
    assert!(
        parts.contains(&text[..12]) && parts.contains(&text[24..36]),
        "{parts}"
    );
    // A download that has broken off.
    let part = site.directory.path("part");
    fs::write(&part, &text[..500_000]).expect("a file");
    curl(&["-C", "-", "-o", &part], "/long.txt");
    assert!(fs::read_to_string(&part).expect("a file") == text);
    let tag = site.directory.path("tag");
    let status = ["-o", "/dev/null", "-w", "%{http_code}"];
    assert_eq!(
        curl(
            &[&status, &["--etag-save", &*tag][..]].concat(),
            "/long.txt"
        ),
        "200"
    );
    assert_eq!(
        curl(
            &[&status, &["--etag-compare", &*tag][..]].concat(),
            "/long.txt"
        ),
        "304"
    );
    let date = ["-z", &*site.directory.path("long.txt")];
    assert_eq!(curl(&[&status, &date[..]].concat(), "/long.txt"), "304");
    assert_eq!(
        curl(&[&status, &["-r", "9999999-"][..]].concat(), "/long.txt"),
        "416"
    );
    for path in [
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/sub/.hidden",
        "//etc/passwd",
    ] {
        let arguments = [&status, &["--path-as-is"][..]].concat();
        assert_eq!(curl(&arguments, path), "404", "{path}");
    }
    assert_eq!(
        curl(
            &["-I", "-w", "%{http_code}", "-o", "/dev/null"],
            "/long.txt"
        ),
        "200"
    );
    if is_there("gzip") {
        output("gzip", &["-k", &site.directory.path("long.txt")]);
        let sizes = [
            &["--compressed"][..],
            &status[..2],
            &["-w", "%{size_download}"],
        ]
        .concat();
        let size: usize = curl(&sizes, "/long.txt").parse().expect("a size");
        assert!(size < text.len() / 2, "{size}");
        assert!(curl(&["--compressed"], "/long.txt") == text);
    }
    site.end();
}

#[test]
fn wget_resumes_and_mirrors_a_list() {
    if !is_there("wget") {
        return;
    }
    let site = Site::new("wget-files");
    let text = site.text("long.txt");
    let copy = Directory::new("wget-copy");
    let to = copy.to_str().expect("text");
    fs::write(copy.join("long.txt"), &text[..1000]).expect("a file");
    output(
        "wget",
        &["-q", "-t", "1", "-c", "-P", to, &site.url("/long.txt")],
    );
    assert!(fs::read_to_string(copy.join("long.txt")).expect("a file") == text);
    // The links of the lists lead to all files, and to nothing else.
    output(
        "wget",
        &[
            "-q",
            "-t",
            "1",
            "-r",
            "-np",
            "-nH",
            "-P",
            to,
            &site.url("/sub/"),
        ],
    );
    let read = |name: &str| fs::read_to_string(copy.join(name)).expect(name);
    assert_eq!(read("sub/a b.txt"), "spaced");
    assert_eq!(read("sub/<i>.txt"), "escaped");
    assert!(!copy.join("sub/.hidden").exists());
    site.end();
}

/// A session of one of the libraries, with the calls that they have in common.
const SESSION: &str = r#"
import asyncio, email, re, sys
library = __import__(sys.argv[1])

class Answer:
    pass

class Aiohttp:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.session = self.loop.run_until_complete(self.open())

    async def open(self):
        # Cookies of addresses count, too.
        return library.ClientSession(cookie_jar=library.CookieJar(unsafe=True))

    def request(self, *args, **options):
        return self.loop.run_until_complete(self.send(*args, **options))

    async def send(self, method, url, data=None, files=None, **options):
        if files:
            data = library.FormData(data)
            for field, (name, content) in files:
                data.add_field(field, content, filename=name)
        async with self.session.request(method, url, data=data, **options) as answer:
            it = Answer()
            it.status_code, it.headers, it.content = answer.status, answer.headers, await answer.read()
            it.text = it.content.decode()
            return it

    def close(self):
        self.loop.run_until_complete(self.session.close())

session = {
    "aiohttp": lambda: Aiohttp(),
    "httpx": lambda: library.Client(follow_redirects=True),
    "requests": lambda: library.Session(),
}[sys.argv[1]]()
"#;

/// Several ranges, read by the parser of mails; a download in pieces; conditional requests.
const RANGES: &str = r#"
url, text = sys.argv[2], open(sys.argv[3], "rb").read()
def get(**headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return session.request("GET", url, headers=headers)
whole = get()
assert whole.content == text
parts = get(range="bytes=0-11,600000-600011,-12")
assert parts.status_code == 206
head = b"content-type: " + parts.headers["content-type"].encode() + b"\r\n\r\n"
parts = email.message_from_bytes(head + parts.content).get_payload()
found = [(it["content-range"], it.get_payload(decode=True)) for it in parts]
n = len(text)
assert found == [(f"bytes 0-11/{n}", text[:12]), (f"bytes 600000-600011/{n}", text[600000:600012]),
    (f"bytes {n-12}-{n-1}/{n}", text[-12:])], found
pieces = [get(range=f"bytes={at}-{at+99999}", if_range=whole.headers["etag"]) for at in range(0, n, 100000)]
assert {it.status_code for it in pieces} == {206}
assert b"".join(it.content for it in pieces) == text
assert get(if_none_match=whole.headers["etag"]).status_code == 304
assert get(if_modified_since=whole.headers["last-modified"]).status_code == 304
assert get(if_match='"another"').status_code == 412
session.close()
print("fine")
"#;

/// JSON, a form with files, and a login.
const FORMS: &str = r#"
orders, upload, login = (f"http://{address}" for address in sys.argv[2:])
receipt = session.request("POST", f"{orders}/orders", json={"item": "lämp", "count": 2})
assert receipt.text == '{"item":"lämp","total":60}', receipt.text
assert session.request("POST", f"{orders}/orders", json={"item": 1}).status_code == 400
assert session.request("GET", f"{orders}/orders").status_code == 405
files = [("picture", ("a-b.png", b"x" * 3_000_000)), ("picture", ("leer.png", b""))]
report = session.request("POST", f"{upload}/", data={"name": "Jürgen"}, files=files)
assert report.text == "name: Jürgen\npicture: a-b.png, 3000000 bytes\npicture: leer.png, 0 bytes\n", report.text
def token(page):
    assert page.status_code == 200, page.text
    return re.search("name=csrf_token value=([^>]+)>", page.text).group(1)
form = {"csrf_token": token(session.request("GET", login)), "user": "ann", "password": "secret"}
forged = session.request("POST", f"{login}/login", data=form | {"csrf_token": "no"})
assert forged.status_code == 403, forged.status_code
# A redirect to the page, with the cookie.
page = session.request("POST", f"{login}/login", data=form)
assert page.text.startswith("<p>hello, ann<form"), page.text
page = session.request("POST", f"{login}/logout", data={"csrf_token": token(page)})
assert "name=password" in page.text, page.text
session.close()
print("fine")
"#;

/// Runs a script with each of the libraries that is installed.
#[track_caller]
fn by_libraries(script: &str, arguments: &[&str]) {
    let script = [SESSION, script].concat();
    for library in ["aiohttp", "httpx", "requests"] {
        if !has_module(library) {
            continue;
        }
        let arguments = [&["60", "python3", "-c", &*script, library], arguments].concat();
        assert_eq!(output("timeout", &arguments), "fine\n", "{library}");
    }
}

#[test]
fn pythons_clients_read_several_ranges() {
    if !is_there("python3") {
        return;
    }
    let site = Site::new("python-files");
    let (url, path) = (site.url("/long.txt"), site.directory.path("long.txt"));
    by_libraries(RANGES, &[&url, &path]);
    site.end();
}

#[test]
fn pythons_clients_send_json_and_forms_and_log_in() {
    if !is_there("python3") {
        return;
    }
    let servers = ["web_json", "web_form", "web_login"].map(Program::serve);
    let addresses: Vec<&str> = servers.iter().map(|(_, address)| &**address).collect();
    by_libraries(FORMS, &addresses);
    for (server, _) in servers {
        server.send(Signal::TERM);
        server.end().succeeded();
    }
}

/// The same by treq, and a stream that is read in pieces.
const TREQ: &str = r#"
import io, re, sys
from treq.client import HTTPClient
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react
from twisted.web.client import Agent
orders, upload, login, stream = (f"http://{address}" for address in sys.argv[1:])

async def main(reactor):
    client = HTTPClient(Agent(reactor))
    receipt = await client.post(f"{orders}/orders", json={"item": "lämp", "count": 2})
    assert await receipt.text("utf-8") == '{"item":"lämp","total":60}'
    assert (await client.post(f"{orders}/orders", json={"item": 1})).code == 400
    files = {"picture": ("a-b.png", io.BytesIO(b"x" * 3_000_000))}
    report = await client.post(f"{upload}/", data={"name": "Jürgen"}, files=files)
    report = await report.text("utf-8")
    assert report == "name: Jürgen\npicture: a-b.png, 3000000 bytes\n", report
    async def token(answer):
        assert answer.code == 200, answer.code
        return re.search("name=csrf_token value=([^>]+)>", await answer.text()).group(1)
    form = {"user": "ann", "password": "secret"}
    form["csrf_token"] = await token(await client.get(login))
    forged = await client.post(f"{login}/login", data=form | {"csrf_token": "no"})
    assert forged.code == 403, forged.code
    # A redirect to the page, with the cookie.
    page = await client.post(f"{login}/login", data=form)
    assert (await page.text()).startswith("<p>hello, ann<form")
    pieces = []
    await (await client.get(f"{stream}/numbers/100000")).collect(pieces.append)
    assert len(pieces) > 1
    assert b"".join(pieces) == b"".join(b"%d\n" % number for number in range(1, 100001))
    upper = await client.put(f"{stream}/upper", data=io.BytesIO(b"a" * 1_000_000))
    assert await upper.content() == b"A" * 1_000_000
    print("fine")

react(lambda reactor: ensureDeferred(main(reactor)))
"#;

#[test]
fn treq_sends_json_and_forms_and_streams() {
    if !has_module("treq") {
        return;
    }
    let servers = ["web_json", "web_form", "web_login", "web_stream"].map(Program::serve);
    let addresses = servers.iter().map(|(_, address)| &**address);
    let arguments: Vec<&str> = ["60", "python3", "-c", TREQ]
        .into_iter()
        .chain(addresses)
        .collect();
    assert_eq!(output("timeout", &arguments), "fine\n");
    for (server, _) in servers {
        server.send(Signal::TERM);
        server.end().succeeded();
    }
}

#[test]
fn curl_sends_json_and_forms_and_logs_in() {
    if !is_there("curl") {
        return;
    }
    let directory = Directory::new("curl-forms");
    let (jar, file) = (directory.path("jar"), directory.path("picture.png"));
    fs::write(&file, vec![b'x'; 3_000_000]).expect("a file");
    let curl =
        |arguments: &[&str]| output("curl", &[&["-sS", "--max-time", "60"], arguments].concat());
    let (orders, address) = Program::serve("web_json");
    let (json, data) = (
        "content-type: application/json",
        r#"{"item":"lamp","count":2}"#,
    );
    let url = format!("http://{address}/orders");
    let receipt = curl(&["-H", json, "-d", data, &url]);
    assert_eq!(receipt, r#"{"item":"lamp","total":60}"#);
    let (upload, address) = Program::serve("web_form");
    let picture = format!("picture=@{file}");
    let url = format!("http://{address}/");
    // As long as that, curl asks with `Expect: 100-continue` first.
    let report = curl(&["-F", "name=ann", "-F", &picture, &url]);
    assert_eq!(report, "name: ann\npicture: picture.png, 3000000 bytes\n");
    let (login, address) = Program::serve("web_login");
    let url = |path: &str| format!("http://{address}{path}");
    let cookies = ["-b", &*jar, "-c", &*jar, "-L"];
    let page = curl(&[&cookies, &[&*url("/")][..]].concat());
    let token = |page: &str| {
        let (_, rest) = page.split_once("name=csrf_token value=").expect("a token");
        format!("csrf_token={}", rest.split_once('>').expect("its end").0)
    };
    let form = [
        "-d",
        "user=ann",
        "-d",
        "password=secret",
        "-d",
        &token(&page),
    ];
    let page = curl(&[&cookies, &form[..], &[&*url("/login")]].concat());
    assert!(page.starts_with("<p>hello, ann<form"), "{page}");
    let page = curl(&[&cookies, &["-d", &token(&page), &*url("/logout")][..]].concat());
    assert!(page.contains("name=password"), "{page}");
    for server in [orders, upload, login] {
        server.send(Signal::TERM);
        server.end().succeeded();
    }
}

/// nginx, which ends with this. Its workers end at a SIGTERM; after a SIGKILL, they would stay.
struct Nginx {
    child: Child,
    address: String,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Both err only if it has ended already.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// nginx before the server at `upstream`. It asks by HTTP/1.0, its default: then answers have no chunks, and
/// nginx gathers them, unless a header forbids that.
fn nginx(directory: &Directory, upstream: &str) -> Nginx {
    let (mut command, address) = with_listener(|address| {
        let path = |name: &str| directory.path(name);
        let text = format!(
            "daemon off; worker_processes 1; user root; pid {pid}; error_log stderr;\nevents {{}}\nhttp {{\n\
             client_body_temp_path {temp}; proxy_temp_path {temp}; fastcgi_temp_path {temp};\n\
             uwsgi_temp_path {temp}; scgi_temp_path {temp}; access_log off;\n\
             server {{ listen {address}; location / {{ proxy_pass http://{upstream}; }} }} }}\n",
            pid = path("nginx.pid"),
            temp = path("temp"),
        );
        fs::write(path("nginx.conf"), text).expect("a file");
        let mut command = Command::new("nginx");
        command
            .args(["-e", "stderr", "-c", &path("nginx.conf")])
            .env("NGINX", "3;");
        command
    });
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Nginx {
        child: command.spawn().expect("it starts"),
        address: address.to_string(),
    }
}

#[test]
fn nginx_passes_ranges_and_events_on() {
    if !is_there("nginx") {
        return;
    }
    let site = Site::new("nginx-files");
    let files = nginx(&site.directory, &site.address);
    let get = |address: &str, head: &str| {
        let mut socket = TcpStream::connect(address).expect("a server listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        write!(socket, "GET {head}\r\nhost: x\r\n\r\n").expect("it fits");
        socket
    };
    let mut answer = String::new();
    let head = "/long.txt HTTP/1.1\r\nconnection: close\r\nrange: bytes=12-23";
    get(&files.address, head)
        .read_to_string(&mut answer)
        .expect("text");
    assert!(answer.starts_with("HTTP/1.1 206 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nline      1\n"), "{answer}");
    let (server, upstream) = Program::serve("web_events");
    let directory = Directory::new("nginx-events");
    let events = nginx(&directory, &upstream);
    // An event comes as soon as it happens, not when a buffer is full.
    let mut socket = get(&events.address, "/events HTTP/1.1");
    let mut got = String::new();
    while !got.contains("\nid: 3\n") {
        // More than nginx gathers, so that all of it would come at once.
        let mut piece = vec![0; 64 * 1024];
        let count = match socket.read(&mut piece) {
            // A signal, such as that of a child of another test.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            count => count.expect("an event"),
        };
        assert!(count > 0, "{got}");
        got.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    assert!(!got.contains("\nid: 20\n"), "{got}");
    drop((files, events));
    server.send(Signal::TERM);
    server.end().succeeded();
    site.end();
}
