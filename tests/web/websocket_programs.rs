//! WebSockets against programs of other projects, over real sockets. A program that is not
//! installed is skipped, by name: `pip install websockets`, and `npm install ws undici` in a
//! folder that `NODE_PATH` names.

use std::process::{Command, Output};

use deferred::Failure;
use reactor::{Listen, Reactor};
use reactor_web::App;
use reactor_web::ws::{
    CloseCode, CloseEvent, WebSocket, WebSocketClient, WebSocketOptions, WebSocketProtocol,
    on_message,
};
use tests::is_there;

/// An app that echoes at `/echo`, closes with 4001 at `/close`, and shouts after a raw upgrade
/// at `/raw`.
pub(crate) fn app() -> App {
    let options = WebSocketOptions::default()
        .with_deflate(true)
        .with_subprotocols(["chat.v2"])
        .with_max_message(20 * 1024 * 1024)
        .with_max_frame(20 * 1024 * 1024);
    App::new()
        .get("/echo", move |req| {
            let echo = on_message(|ws, message| Ok(ws.send(message)?));
            req.websocket_with(&options, echo)
        })
        .get("/close", |req| {
            req.websocket(on_message(|ws, _| {
                ws.close(CloseCode(4001), "as you wish");
                Ok(())
            }))
        })
        .get("/raw", |req| {
            let raw = req.upgrade().add_callback(|io| {
                io.connection().write("raw bytes\n")?;
                Ok(())
            });
            raw.log_error().ignore();
            let headers = [("connection", "upgrade"), ("upgrade", "raw")];
            (http::StatusCode::SWITCHING_PROTOCOLS, (headers, ()))
        })
}

/// A site of this app; its address.
fn site(reactor: &Reactor) -> String {
    let site = app().into_site().expect("an app");
    let listening = "tcp:0:interface=127.0.0.1".listen(reactor, site);
    let port = reactor.block_on(listening).expect("a port");
    port.address().to_string()
}

/// Runs a program to its end, beside the loop.
#[track_caller]
pub(crate) fn run(reactor: &Reactor, mut command: Command) -> String {
    let running = reactor.defer_to_thread(move || Ok::<Output, Failure>(command.output()?));
    let output = reactor.block_on(running).expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}{errors}", output.status);
    text
}

pub(crate) fn python(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["60", "python3", "-u", "-c", script]);
    command.args(arguments);
    command
}

fn node(script: &str, address: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["60", "node", "-e", script, address]);
    command
}

/// Whether the program has the module, which is skipped by name if not.
pub(crate) fn has(program: &str, argument: &str, imports: &str) -> bool {
    if !is_there(program) {
        return false;
    }
    let output = Command::new(program).args([argument, imports]).output();
    let has = output.is_ok_and(|output| output.status.success());
    if !has {
        tests::skip(format_args!("{program} cannot do {imports:?}"));
    }
    has
}

/// Talks to the site at the address in its argument.
pub(crate) const PYTHON_CLIENT: &str = r#"
import asyncio, sys, websockets
print(websockets.__version__, file=sys.stderr)
address = sys.argv[1]

async def main():
    for compression in ("deflate", None):
        async with websockets.connect(f"ws://{address}/echo", compression=compression,
                subprotocols=["chat.v1", "chat.v2"], max_size=None) as ws:
            assert ws.subprotocol == "chat.v2"
            for size in (0, 1, 125, 126, 65535, 65536, 1 << 20, 10 << 20):
                text = ("hellö " * (size // 6 + 1))[:size]
                await ws.send(text)
                assert await ws.recv() == text, size
                data = bytes(range(256)) * (size // 256)
                await ws.send(data)
                assert await ws.recv() == data, size
            await ws.send(["one ", "two ", "three"])
            assert await ws.recv() == "one two three"
            await asyncio.wait_for(await ws.ping(b"?"), 10)
            # Pipelined.
            for number in range(1000):
                await ws.send(str(number))
            for number in range(1000):
                assert await ws.recv() == str(number)
    async with websockets.connect(f"ws://{address}/close") as ws:
        await ws.send("now")
        try:
            await ws.recv()
            assert False
        except websockets.ConnectionClosed as error:
            assert error.rcvd.code == 4001 and error.rcvd.reason == "as you wish", error
    try:
        await websockets.connect(f"ws://{address}/echo", origin="http://evil.example")
        assert False
    except websockets.InvalidStatus as error:
        assert error.response.status_code == 403
    guests = await asyncio.gather(*(websockets.connect(f"ws://{address}/echo") for _ in range(50)))
    await asyncio.gather(*(guest.send("hi") for guest in guests))
    assert await asyncio.gather(*(guest.recv() for guest in guests)) == ["hi"] * 50
    await asyncio.gather(*(guest.close() for guest in guests))
    print("all right")

asyncio.run(main())
"#;

#[test]
fn pythons_client_talks_to_ours() {
    if !has("python3", "-c", "import websockets") {
        return;
    }
    let reactor = Reactor::new().expect("a reactor");
    let address = site(&reactor);
    assert_eq!(
        run(&reactor, python(PYTHON_CLIENT, &[&address])),
        "all right\n"
    );
}

#[test]
fn nodes_clients_talk_to_ours() {
    let reactor = Reactor::new().expect("a reactor");
    let address = site(&reactor);
    for (imports, compresses) in [
        ("require('ws')", true),
        ("require('undici').WebSocket", false),
    ] {
        if !has("node", "-e", imports) {
            continue;
        }
        let script = r#"
const WebSocket = IMPORTS;
const ws = new WebSocket(`ws://${process.argv[1]}/echo`, ['chat.v2']);
ws.binaryType = 'arraybuffer';
const texts = ['', 'hellö', 'x'.repeat(126), 'y'.repeat(1 << 20)];
let at = 0;
ws.onopen = () => {
  if (ws.protocol !== 'chat.v2') process.exit(2);
  if (COMPRESSES && !ws.extensions.includes('permessage-deflate')) process.exit(3);
  ws.send(texts[0]);
};
ws.onmessage = event => {
  if (event.data instanceof ArrayBuffer) {
    if (event.data.byteLength !== 70000) process.exit(4);
    ws.close(4999, 'done');
    return;
  }
  if (event.data !== texts[at]) process.exit(5);
  at += 1;
  if (at < texts.length) ws.send(texts[at]); else ws.send(new Uint8Array(70000));
};
ws.onerror = event => { console.error(event.message || event); process.exit(6); };
ws.onclose = event => {
  console.log(event.code, event.wasClean);
};
"#;
        let script = script.replace("IMPORTS", imports);
        let script = script.replace("COMPRESSES", if compresses { "true" } else { "false" });
        let output = run(&reactor, node(&script, &address));
        assert_eq!(output, "4999 true\n", "{imports}");
    }
}

/// Asks for messages of all sizes, and closes when the last one has come back.
struct Asking {
    sizes: Vec<usize>,
    ended: Option<deferred::Trigger<CloseEvent>>,
}

impl WebSocketProtocol for Asking {
    fn on_open(&mut self, ws: &WebSocket) -> deferred::Result<()> {
        Ok(ws.send_text("ö".repeat(self.sizes[0]))?)
    }

    fn on_text(&mut self, ws: &WebSocket, text: &str) -> deferred::Result<()> {
        assert!(text == "ö".repeat(self.sizes[0]));
        Ok(ws.send_binary(vec![7; self.sizes[0]])?)
    }

    fn on_binary(&mut self, ws: &WebSocket, data: &[u8]) -> deferred::Result<()> {
        assert!(data == vec![7; self.sizes.remove(0)]);
        if self.sizes.is_empty() {
            ws.close(CloseCode(4321), "done");
            return Ok(());
        }
        self.on_open(ws)
    }

    fn on_close(&mut self, _: &WebSocket, event: &CloseEvent) {
        if let Some(ended) = self.ended.take() {
            let _ = ended.callback(event.clone());
        }
    }
}

/// Our client talks to a server, which prints its port, echoes, and ends after one client.
#[track_caller]
fn talk_to(command: Command, is_deflating: bool) {
    talk_by(command, is_deflating, |_, port| {
        WebSocketClient::new(&format!("ws://127.0.0.1:{port}/a?b=c"))
    });
}

/// The same by the client that `client` makes for the port of the server.
#[track_caller]
pub(crate) fn talk_by(
    mut command: Command,
    is_deflating: bool,
    client: impl FnOnce(&Reactor, &str) -> deferred::Result<WebSocketClient>,
) {
    use std::io::{BufRead, BufReader};
    let mut server = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let port = lines.next().expect("a line").expect("text");
    let reactor = Reactor::new().expect("a reactor");
    let (trigger, ended) = deferred::Deferred::pair();
    let asking = Asking {
        sizes: vec![0, 1, 125, 126, 300, 65_535, 65_536, 200_000],
        ended: Some(trigger),
    };
    let options = WebSocketOptions::default().with_deflate(is_deflating);
    let client = client(&reactor, &port)
        .and_then(|client| client.with_header("x-test", "1"))
        .expect("a URL")
        .with_options(options.with_subprotocols(["echo"]));
    let ws = reactor
        .block_on(client.connect(&reactor, asking))
        .expect("it opens");
    assert_eq!(
        (ws.subprotocol(), ws.is_deflating()),
        (Some("echo"), is_deflating)
    );
    let event = reactor.block_on(ended).expect("it ends");
    assert_eq!(
        (event.code, event.is_clean),
        (CloseCode(4321), true),
        "{event}"
    );
    // Beside the loop: the server ends when its connection does, which may lead through the loop.
    let waiting = reactor.defer_to_thread(move || Ok(server.wait()?));
    let status = reactor.block_on(waiting).expect("a child");
    assert!(status.success(), "{status}");
}

/// Echoes, with compression if its first argument says so, and TLS if files of a certificate and a
/// key follow.
pub(crate) const PYTHON_SERVER: &str = r#"
import asyncio, ssl, sys, websockets
async def main():
    done = asyncio.get_running_loop().create_future()
    async def echo(ws):
        assert ws.request.path == "/a?b=c" and ws.request.headers["x-test"] == "1"
        try:
            async for message in ws:
                await ws.send(message)
        except websockets.ConnectionClosedError:
            pass  # the code is neither 1000 nor 1001
        assert ws.close_code == 4321 and ws.close_reason == "done"
        done.set_result(None)
    compression = "deflate" if sys.argv[1] == "deflate" else None
    context = None
    if sys.argv[2:]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*sys.argv[2:])
        context.set_alpn_protocols(["http/1.1"])
    async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["echo"],
            compression=compression, ssl=context) as server:
        print(server.sockets[0].getsockname()[1])
        await done
asyncio.run(main())
"#;

#[test]
fn our_client_talks_to_pythons() {
    if !has("python3", "-c", "import websockets") {
        return;
    }
    talk_to(python(PYTHON_SERVER, &["deflate"]), true);
    talk_to(python(PYTHON_SERVER, &["plain"]), false);
}

#[test]
fn our_client_talks_to_nodes() {
    if !has("node", "-e", "require('ws')") {
        return;
    }
    let script = r#"
const { WebSocketServer } = require('ws');
const server = new WebSocketServer({
  port: 0, host: '127.0.0.1', perMessageDeflate: process.argv[1] === 'deflate',
  handleProtocols: () => 'echo',
}, () => console.log(server.address().port));
server.on('connection', ws => {
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
  ws.on('close', code => { server.close(); process.exitCode = code === 4321 ? 0 : 1; });
});
"#;
    talk_to(node(script, "deflate"), true);
    talk_to(node(script, "plain"), false);
}

#[test]
fn curl_gets_the_bytes_behind_an_upgrade() {
    if !is_there("curl") {
        return;
    }
    let reactor = Reactor::new().expect("a reactor");
    let address = site(&reactor);
    let mut command = Command::new("curl");
    // It takes the bytes behind a 101 for an answer of HTTP/0.9.
    command.args(["-sS", "-i", "--http1.1", "--http0.9", "--max-time", "20"]);
    command.args(["-H", "connection: upgrade", "-H", "upgrade: raw"]);
    command.arg(format!("http://{address}/raw"));
    let output = run(&reactor, command);
    assert!(
        output.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{output}"
    );
    assert!(output.ends_with("\r\n\r\nraw bytes\n"), "{output}");
}
