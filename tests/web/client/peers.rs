//! Servers and proxies of other projects: nginx, Python's `http.server`, aiohttp, hypercorn, HAProxy
//! and tinyproxy. What is not installed is skipped, by name.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use deferred::{Deferred, Result, gather_results};
use http::{Method, Version};
use reactor::Reactor;
use reactor_tls::{Roots, TlsClient};
use reactor_web::client::{ClientResponse, CookieJar, Proxy};
use reactor_web::{Client, client::ClientBuilder};
use rustix::process::{Pid, Signal, kill_process};
use tests::python::has_module;
use tests::{Directory, free_port, is_there, with_listener};

/// A server of another project. Ended when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    /// nginx ends its workers at a SIGTERM; after a SIGKILL, they would stay. The others are killed.
    ends_by: Signal,
}

impl Server {
    /// Starts a server, which gets a listening socket as descriptor 3.
    fn start(command: impl FnOnce(SocketAddr) -> Command) -> Self {
        let (mut command, address) = with_listener(command);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("it starts");
        Self {
            child,
            address,
            ends_by: Signal::KILL,
        }
    }

    fn python(script: &str, args: &[&str]) -> Self {
        Self::start(|_| {
            let mut command = Command::new("python3");
            command.args(["-u", "-c", script]).args(args);
            command
        })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both err only if it has ended already.
        let _ = kill_process(Pid::from_child(&self.child), self.ends_by);
        let _ = self.child.wait();
    }
}

/// A loop with a client.
struct Asker {
    reactor: Reactor,
    client: Client,
}

impl Asker {
    fn new(change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let reactor = Reactor::new().expect("a reactor");
        let client = change(Client::builder()).build(&reactor);
        Self { reactor, client }
    }

    fn result<T: 'static>(&self, deferred: Deferred<T>) -> Result<T> {
        let in_time = deferred.add_timeout(Duration::from_secs(60), &*self.reactor);
        self.reactor.block_on(in_time)
    }

    #[track_caller]
    fn text(&self, url: &str) -> String {
        let page = self.client.get(url).add_callback(ClientResponse::text);
        self.result(page).expect("an answer")
    }

    /// What any server of the tests can do: a page at `/`, and none at `/none`.
    #[track_caller]
    fn pages(&self, base: &str, page: &str) {
        for _ in 0..10 {
            assert_eq!(self.text(&format!("{base}/")), page);
        }
        assert_eq!(self.client.idle_connections(), 1, "one connection for all");
        let head = self.result(self.client.head(format!("{base}/")));
        let head = head.expect("an answer");
        let bytes = self.result(head.bytes()).expect("no content");
        assert!(bytes.is_empty());
        let none = self.result(self.client.get(format!("{base}/none")));
        assert_eq!(none.expect("an answer").status(), 404);
        let many = (0..20).map(|_| {
            let page = self.client.get(format!("{base}/"));
            page.add_callback(ClientResponse::text)
        });
        let texts = self.result(gather_results(many)).expect("answers");
        assert!(texts.iter().all(|text| text == page));
    }

    /// A server that answers a POST to `/echo` with what it was sent.
    #[track_caller]
    fn echoes(&self, base: &str) {
        for length in [0, 1, 100_000] {
            let body = "x".repeat(length);
            let echo = self
                .client
                .request(Method::POST, format!("{base}/echo"))
                .body(body.clone())
                .send()
                .add_callback(ClientResponse::text);
            assert!(self.result(echo).expect("an echo") == body, "{length}");
        }
    }
}

#[test]
fn pythons_http_server() {
    if !is_there("python3") {
        return;
    }
    let server = Server::python(
        r#"
import http.server, socket
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
    def do_GET(self):
        if self.path == "/":
            self.answer(200, b"from Python")
        elif self.path == "/login":
            self.answer(302, b"", ("Location", "/me"), ("Set-Cookie", "name=ann; Path=/"))
        elif self.path == "/me":
            self.answer(200, self.headers.get("Cookie", "-").encode())
        else:
            self.answer(404, b"none")
    do_HEAD = do_GET
    def do_POST(self):
        self.answer(200, self.rfile.read(int(self.headers.get("Content-Length", 0))))
server = http.server.ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=3)
server.serve_forever()
"#,
        &[],
    );
    let jar = CookieJar::new();
    let asker = Asker::new(|builder| builder.cookies(&jar));
    asker.pages(&server.url(""), "from Python");
    asker.echoes(&server.url(""));
    assert_eq!(asker.text(&server.url("/login")), "name=ann");
}

#[test]
fn aiohttp() {
    if !has_module("aiohttp") {
        return;
    }
    let server = Server::python(
        r#"
import socket
from aiohttp import web
async def page(request):
    return web.Response(text="from aiohttp")
async def echo(request):
    response = web.StreamResponse()
    await response.prepare(request)
    async for piece in request.content.iter_any():
        await response.write(piece)
    return response
async def squeezed(request):
    response = web.Response(text="squeezed " * 1000)
    response.enable_compression(web.ContentCoding.gzip)
    return response
app = web.Application()
app.add_routes([web.get("/", page), web.post("/echo", echo), web.get("/gzip", squeezed)])
web.run_app(app, sock=socket.socket(fileno=3), print=None)
"#,
        &[],
    );
    let asker = Asker::new(|builder| builder);
    asker.pages(&server.url(""), "from aiohttp");
    asker.echoes(&server.url(""));
    assert_eq!(asker.text(&server.url("/gzip")), "squeezed ".repeat(1000));
}

/// A certificate for 127.0.0.1 in files, and what trusts it.
fn certificate(directory: &Directory) -> (String, String, TlsClient) {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a key");
    let (certificate_path, key_path) = (directory.path("cert.pem"), directory.path("key.pem"));
    fs::write(&certificate_path, key.cert.pem()).expect("a file");
    fs::write(&key_path, key.signing_key.serialize_pem()).expect("a file");
    let tls = TlsClient::builder()
        .roots(Roots::from_pem(key.cert.pem()).expect("roots"))
        .alpn(["h2", "http/1.1"])
        .build();
    (certificate_path, key_path, tls.expect("a client"))
}

#[test]
fn hypercorn_speaks_http2() {
    if !has_module("hypercorn") {
        return;
    }
    let directory = Directory::new("hypercorn");
    let (certificate, key, tls) = certificate(&directory);
    let app = r#"
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/":
        status, body = 200, b"from hypercorn, " + scope["http_version"].encode()
    elif scope["path"] == "/echo":
        status = 200
    else:
        status, body = 404, b"none"
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
"#;
    fs::write(directory.join("application.py"), app).expect("a file");
    let server = Server::start(|_| {
        let mut command = Command::new("python3");
        command
            .args([
                "-m",
                "hypercorn",
                "--bind",
                "fd://3",
                "--certfile",
                &certificate,
            ])
            .args(["--keyfile", &key, "application:app"])
            .env("PYTHONPATH", directory.path(""));
        command
    });
    let asker = Asker::new(|builder| builder.tls(tls));
    let base = format!("https://{}", server.address);
    asker.pages(&base, "from hypercorn, 2");
    asker.echoes(&base);
    assert_eq!(asker.client.idle_connections(), 1);
    let response = asker.result(asker.client.get(format!("{base}/")));
    assert_eq!(response.expect("an answer").version(), Version::HTTP_2);
}

/// nginx in the foreground, with the text of its `server`.
fn nginx(directory: &Directory, listen: &str, server: &str) -> Server {
    let mut server = Server::start(|address| {
        fs::write(directory.join("index.html"), "from nginx ".repeat(1000)).expect("a file");
        let text = format!(
            "daemon off;\nworker_processes 1;\npid {pid};\nerror_log stderr;\nuser root;\n\
             events {{}}\nhttp {{\n  access_log off;\n  client_body_temp_path {temp};\n  \
             proxy_temp_path {temp};\n  fastcgi_temp_path {temp};\n  uwsgi_temp_path {temp};\n  \
             scgi_temp_path {temp};\n  server {{\n    \
             listen {address} {listen};\n    root {root};\n    {server}\n  }}\n}}\n",
            pid = directory.path("nginx.pid"),
            temp = directory.path("temp"),
            root = directory.path(""),
        );
        fs::write(directory.join("nginx.conf"), text).expect("a file");
        let mut command = Command::new("nginx");
        command
            .args(["-e", "stderr", "-c", &directory.path("nginx.conf")])
            .env("NGINX", "3;");
        command
    });
    server.ends_by = Signal::TERM;
    server
}

#[test]
fn nginx_by_both_versions_and_compressed() {
    if !is_there("nginx") {
        return;
    }
    let directory = Directory::new("nginx-client");
    let (certificate, key, tls) = certificate(&directory);
    let page = "from nginx ".repeat(1000);
    let server = nginx(&directory, "", "gzip on; gzip_types *; gzip_min_length 1;");
    let asker = Asker::new(|builder| builder);
    asker.pages(&server.url(""), &page);
    drop(server);
    let secure = format!("ssl_certificate {certificate}; ssl_certificate_key {key};");
    let server = nginx(&directory, "ssl http2", &secure);
    let asker = Asker::new(|builder| builder.tls(tls));
    let base = format!("https://{}", server.address);
    asker.pages(&base, &page);
    let response = asker.result(asker.client.get(format!("{base}/")));
    assert_eq!(response.expect("an answer").version(), Version::HTTP_2);
}

#[test]
fn nginx_that_closes_each_kept_connection_loses_no_request() {
    if !is_there("nginx") {
        return;
    }
    let directory = Directory::new("nginx-closes");
    let server = nginx(&directory, "", "keepalive_requests 3;");
    let asker = Asker::new(|builder| builder);
    for _ in 0..30 {
        assert_eq!(asker.text(&server.url("/")).len(), 11_000);
    }
}

#[test]
fn haproxy_answers() {
    if !is_there("haproxy") {
        return;
    }
    let directory = Directory::new("haproxy-client");
    let server = Server::start(|_| {
        let text = "defaults\n  mode http\n  timeout client 10s\n  timeout server 10s\n  \
                    timeout connect 10s\nfrontend web\n  bind fd@3\n  \
                    http-request return status 404 content-type text/plain string none \
                    if { path /none }\n  \
                    http-request return status 200 content-type text/plain \
                    string \"from HAProxy\"\n";
        fs::write(directory.join("haproxy.cfg"), text).expect("a file");
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f", &directory.path("haproxy.cfg")]);
        command
    });
    let asker = Asker::new(|builder| builder);
    asker.pages(&server.url(""), "from HAProxy");
}

#[test]
fn tinyproxy_passes_on_and_makes_tunnels() {
    if !is_there("tinyproxy") || !is_there("nginx") {
        return;
    }
    let directory = Directory::new("tinyproxy");
    let (certificate, key, tls) = certificate(&directory);
    let page = "from nginx ".repeat(1000);
    let plain = nginx(&directory, "", "");
    let secure_directory = Directory::new("tinyproxy-tls");
    let secure = format!("ssl_certificate {certificate}; ssl_certificate_key {key};");
    let secure = nginx(&secure_directory, "ssl http2", &secure);
    // tinyproxy takes no inherited socket: the port is one that was free just now.
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let text = format!(
        "Port {}\nListen 127.0.0.1\nAllow 127.0.0.1\nMaxClients 50\nBasicAuth me secret\n\
         LogLevel Critical\n",
        address.port()
    );
    fs::write(directory.join("tinyproxy.conf"), text).expect("a file");
    let child = Command::new("tinyproxy")
        .args(["-d", "-c", &directory.path("tinyproxy.conf")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let proxy = Server {
        child: child.expect("it starts"),
        address,
        ends_by: Signal::KILL,
    };
    while std::net::TcpStream::connect(proxy.address).is_err() {
        std::thread::yield_now();
    }
    let rule = Proxy::all(&format!("http://me:secret@{}", proxy.address)).expect("a URL");
    let asker = Asker::new(|builder| builder.tls(tls).proxy(rule));
    assert_eq!(asker.text(&plain.url("/")), page);
    let base = format!("https://{}", secure.address);
    asker.pages(&base, &page);
    let wrong = Proxy::all(&format!("http://me:wrong@{}", proxy.address)).expect("a URL");
    let asker = Asker::new(|builder| builder.proxy(wrong));
    let refused = asker.result(asker.client.get(plain.url("/")));
    // 407 is what it should say.
    let status = refused.expect("an answer").status();
    assert!(status == 401 || status == 407, "{status}");
    assert!(asker.result(asker.client.get(base)).is_err());
}
