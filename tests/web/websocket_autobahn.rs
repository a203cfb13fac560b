//! WebSockets against the conformance suite of the Autobahn project, `wstest`, which plays a client
//! for our server and a server for our client. It is skipped where `wstest` is not installed: it
//! needs Python 2.7 (`pip install autobahntestsuite`).

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use deferred::{Deferred, Trigger};
use reactor::{Listen, Reactor, ReactorHandle};
use reactor_web::App;
use reactor_web::ws::{
    CloseCode, CloseEvent, WebSocket, WebSocketClient, WebSocketOptions, WebSocketProtocol,
    on_message,
};
use serde_json::{Value, json};
use tests::{Directory, free_port, is_there, wait_for};

/// The limits of 1 MiB are below what some cases send.
fn options() -> WebSocketOptions {
    WebSocketOptions::default()
        .with_deflate(true)
        .with_max_message(20 * 1024 * 1024)
        .with_max_frame(20 * 1024 * 1024)
        .with_max_fragments(100_000)
}

/// `wstest` in one of its modes.
fn wstest(mode: &str, config: &Value, folder: &Path) -> Command {
    let spec = folder.join("spec.json");
    std::fs::write(&spec, config.to_string()).expect("a file");
    let mut command = Command::new("wstest");
    command.args(["-m", mode, "-u", "0", "-s"]).arg(spec);
    command
}

/// The cases that run: all, if `AUTOBAHN=all` is set, which takes some minutes; else those that do not
/// measure speed, and a few of compression.
fn cases() -> Value {
    if std::env::var("AUTOBAHN").is_ok_and(|which| which == "all") {
        return json!(["*"]);
    }
    json!([
        "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "12.1.1", "13.1.1"
    ])
}

/// Asserts that each case of the reports has passed. Those that want us to compress with a window of less
/// than 32 KiB, which we do not offer and decline, are `UNIMPLEMENTED`: sections 13.3, 13.4 (client) and
/// 13.5 (server).
#[track_caller]
fn assert_passed(folder: &Path) {
    let index = std::fs::read_to_string(folder.join("index.json")).expect("a report");
    let index: Value = serde_json::from_str(&index).expect("JSON");
    let agents = index.as_object().expect("agents");
    let mut passed = 0;
    let mut failed = Vec::new();
    for (case, report) in agents.values().filter_map(Value::as_object).flatten() {
        for part in ["behavior", "behaviorClose"] {
            match report[part].as_str() {
                Some("OK" | "INFORMATIONAL") => passed += 1,
                Some("UNIMPLEMENTED") if wants_small_window(case) => {}
                other => failed.push(format!("{case}: {part} is {other:?}")),
            }
        }
    }
    failed.sort();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed > 400, "only {passed} checks were made");
    eprintln!("{passed} checks have passed");
}

fn wants_small_window(case: &str) -> bool {
    ["13.3.", "13.4.", "13.5."]
        .iter()
        .any(|section| case.starts_with(section))
}

#[test]
fn our_server_passes() {
    if !is_there("wstest") {
        return;
    }
    let reactor = Reactor::new().expect("a reactor");
    let options = options();
    let app = App::new().get("/", move |req| {
        req.websocket_with(&options, on_message(|ws, message| Ok(ws.send(message)?)))
    });
    let site = app.into_site().expect("an app");
    let port = reactor
        .block_on("tcp:0:interface=127.0.0.1".listen(&reactor, site))
        .expect("a port");
    let folder = Directory::new("autobahn");
    let config = json!({
        "outdir": &*folder,
        "servers": [{"agent": "reactor-web", "url": format!("ws://{}/", port.address())}],
        "cases": cases(),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    crate::websocket_programs::run(&reactor, wstest("fuzzingclient", &config, &folder));
    assert_passed(&folder);
}

/// Ends when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Both err if it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Echoes until the server closes.
struct Echo(Option<Trigger<CloseEvent>>);

impl WebSocketProtocol for Echo {
    fn on_text(&mut self, ws: &WebSocket, text: &str) -> deferred::Result<()> {
        Ok(ws.send_text(text)?)
    }

    fn on_binary(&mut self, ws: &WebSocket, data: &[u8]) -> deferred::Result<()> {
        Ok(ws.send_binary(data)?)
    }

    fn on_close(&mut self, _: &WebSocket, event: &CloseEvent) {
        if let Some(ended) = self.0.take() {
            let _ = ended.callback(event.clone());
        }
    }
}

/// Hands over the text of the only message.
struct Asking(Option<Trigger<String>>);

impl WebSocketProtocol for Asking {
    fn on_text(&mut self, ws: &WebSocket, text: &str) -> deferred::Result<()> {
        if let Some(asked) = self.0.take() {
            let _ = asked.callback(text.to_owned());
        }
        ws.close(CloseCode::NORMAL, "");
        Ok(())
    }
}

fn connect(
    reactor: &ReactorHandle,
    url: &str,
    protocol: impl WebSocketProtocol,
) -> Deferred<WebSocket> {
    let client = WebSocketClient::new(url).expect("a URL");
    client.with_options(options()).connect(reactor, protocol)
}

#[test]
fn our_client_passes() {
    if !is_there("wstest") {
        return;
    }
    let reactor = Reactor::new().expect("a reactor");
    let folder = Directory::new("autobahn");
    let port = free_port();
    let url = format!("ws://127.0.0.1:{port}");
    let config = json!({
        "outdir": &*folder,
        "url": url,
        "options": {"failByDrop": false},
        "cases": cases(),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    let mut command = wstest("fuzzingserver", &config, &folder);
    let server = command.stdout(Stdio::null()).spawn().expect("it starts");
    let _server = Server(server);
    wait_for("the port of wstest", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let (trigger, asked) = Deferred::pair();
    let asking = Asking(Some(trigger));
    reactor
        .block_on(connect(&reactor, &format!("{url}/getCaseCount"), asking))
        .expect("it opens");
    let count: u32 = reactor
        .block_on(asked)
        .expect("a message")
        .parse()
        .expect("a number");
    for case in 1..=count {
        let (trigger, ended) = Deferred::pair();
        let url = format!("{url}/runCase?case={case}&agent=reactor-web");
        let opened = reactor.block_on(connect(&reactor, &url, Echo(Some(trigger))));
        if opened.is_ok() {
            reactor.block_on(ended).expect("it closes");
        }
    }
    let (trigger, ended) = Deferred::pair();
    let url = format!("{url}/updateReports?agent=reactor-web");
    reactor
        .block_on(connect(&reactor, &url, Echo(Some(trigger))))
        .expect("it opens");
    reactor.block_on(ended).expect("it closes");
    assert_passed(&folder);
}
