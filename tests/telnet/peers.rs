//! Programs of other projects: `telnet` of inetutils under a terminal, and telnetlib3.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use reactor::Reactor;
use reactor_telnet::{Console, InputMode, Telnet};
use tests::{is_there, skip};

use crate::support::Recorder;

/// Serves until the program has ended; gives what it wrote.
fn talk(reactor: &Reactor, mut program: Child) -> String {
    let remote = reactor.remote();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        let mut output = program.stdout.take().expect("a pipe");
        let read = output.read_to_string(&mut text);
        let ended = program.wait();
        remote
            .call_from_thread(|handle| handle.stop())
            .expect("it runs");
        read.and(ended).expect("it ends");
        text
    });
    reactor.run().expect("it runs");
    reader.join().expect("it has read all")
}

#[test]
fn the_client_of_inetutils_gets_an_editor() {
    if !is_there("telnet") || !is_there("script") {
        return;
    }
    let reactor = Reactor::new().expect("a reactor");
    let console = Console::new("> ");
    let port = reactor
        .listen_tcp("127.0.0.1:0", console)
        .expect("it listens");
    let command = format!("telnet 127.0.0.1 {}", port.address().port());
    let mut program = Command::new("script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut keys = program.stdin.take().expect("a pipe");
    // Typed ahead: an arrow goes left, Tab completes.
    keys.write_all(b"help coun\t\x0dqut\x1b[Di\x0d")
        .expect("it reads");
    let text = talk(&reactor, program);
    drop(keys);
    assert!(text.contains("counters  what the loop has done"), "{text}");
    assert!(text.contains("Connection closed by foreign host"), "{text}");
}

const CLIENT: &str = r"
import asyncio, sys, telnetlib3

async def main():
    reader, writer = await telnetlib3.open_connection(
        '127.0.0.1', int(sys.argv[1]), cols=132, rows=43, term='xterm', encoding='utf8',
        force_binary=True)
    async def until(text):
        seen = ''
        while text not in seen:
            piece = await reader.read(1024)
            assert piece, seen
            seen += piece
        print(seen)
    writer.write('gr\u00fc\u00df dich\r\n')
    await until('<gr\u00fc\u00df dich>')
    writer.write('bye\r\n')
    while await reader.read(1024):
        pass

asyncio.run(asyncio.wait_for(main(), 60))
";

#[test]
fn telnetlib3_tells_its_window() {
    let mut has = Command::new("python3");
    has.args(["-c", "import telnetlib3"]);
    if !has
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        return skip(format_args!("no telnetlib3"));
    }
    let reactor = Reactor::new().expect("a reactor");
    let recorder = Recorder::default();
    let log = recorder.clone();
    let new = move || Telnet::new(recorder.clone()).with_input_mode(InputMode::Editor);
    let port = reactor.listen_tcp("127.0.0.1:0", new).expect("it listens");
    let program = Command::new("python3")
        .args(["-c", CLIENT, &port.address().port().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let text = talk(&reactor, program);
    let log = log.take();
    assert!(text.contains("<gr\u{fc}\u{df} dich>"), "{text}");
    assert!(log.contains(&"window 132x43".to_owned()), "{log:?}");
}
