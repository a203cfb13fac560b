//! `telnet_console` and `telnet_client`: one talks to the other.

use rustix::process::Signal;
use tests::python;

use crate::program::Program;

#[test]
fn a_console_mutes_an_echo_and_lists_its_connections() {
    let arguments = ["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"];
    let mut server = Program::start("telnet_console", &arguments);
    let (echo, console) = (server.line(), server.line());
    let echo = echo.strip_prefix("listening on ").expect("an address");
    let console = console.strip_prefix("console on ").expect("an address");

    let mut guest = Program::start_to_type("netcat", &[&format!("tcp:{echo}")]);
    guest.types("hello");
    assert_eq!(guest.line(), "hello");

    let mut client = Program::start_to_type("telnet_client", &[console]);
    for (typed, expected) in [
        ("connections", "Echo"),
        ("mute on", "muted: true"),
        ("mute off", "muted: false"),
        ("quit", "quit"),
    ] {
        client.types(typed);
        while !client.line().contains(expected) {}
    }
    guest.types("are you there");
    assert_eq!(guest.line(), "are you there");
    guest.finishes();
    server.send(Signal::TERM);
    server.end().succeeded();
    client.end().succeeded();
}

/// A server of telnetlib3, which negotiates before it asks.
const SERVER: &str = r"
import asyncio, telnetlib3

async def shell(reader, writer):
    writer.write('your name?\r\n')
    name = ''
    while not name.endswith(('\r', '\n')):
        name += await reader.read(1)
    writer.write(f'hello {name.strip()}\r\n')
    await writer.drain()
    writer.close()

async def main():
    server = await telnetlib3.create_server(
        host='127.0.0.1', port=0, shell=shell, encoding='utf8', connect_maxwait=2.0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.wait_closed()

asyncio.run(asyncio.wait_for(main(), 60))
";

#[test]
fn the_client_talks_to_a_server_of_another_project() {
    let Some(server) = python::Server::start("telnetlib3", SERVER, &[]) else {
        return;
    };
    let address = format!("127.0.0.1:{}", server.port);
    let mut client = Program::start_to_type("telnet_client", &[&address]);
    client.prints("your name?");
    client.types("gr\u{fc}n");
    client.prints("hello gr\u{fc}n");
    client.end().succeeded();
}
