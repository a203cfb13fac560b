//! `telnet_console` and `telnet_client`: one talks to the other.

use rustix::process::Signal;

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
