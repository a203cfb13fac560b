//! `graceful_shutdown`: the server waits for its clients, up to a limit.

use std::net::TcpStream;

use rustix::process::Signal;

use crate::program::Program;
use crate::talk::Talk;

fn job(address: &str, millis: u32) -> Talk {
    let mut job = Talk::to(address);
    job.says(&millis.to_string());
    job.hears("working");
    job
}

#[test]
fn who_is_there_is_served_and_nobody_else() {
    let (mut server, address) = Program::serve("graceful_shutdown");
    let mut jobs = [job(&address, 2_000), job(&address, 1_500)];
    server.send(Signal::TERM);
    server.prints("closing; 2 to finish");
    assert!(TcpStream::connect(&address).is_err());
    for job in &mut jobs {
        job.hears("done");
        assert_eq!(job.rest(), "");
    }
    let ended = server.end().succeeded();
    assert_eq!(ended.lines, ["all are done", "stopped by SIGTERM"]);
}

#[test]
fn nobody_is_waited_for_if_nobody_is_there() {
    let (server, address) = Program::serve("graceful_shutdown");
    let mut job = job(&address, 1);
    job.hears("done");
    assert_eq!(job.rest(), "");
    server.send(Signal::INT);
    let ended = server.end().succeeded();
    let expected = ["closing; 0 to finish", "all are done", "stopped by SIGINT"];
    assert_eq!(ended.lines, expected);
}

#[test]
fn who_takes_too_long_is_cut_off() {
    let (server, address) = Program::serve_with("graceful_shutdown", &["--patience", "1"]);
    let mut job = job(&address, 600_000);
    server.send(Signal::TERM);
    assert_eq!(job.rest(), "");
    let ended = server.end().succeeded();
    let expected = [
        "closing; 1 to finish",
        "1 are cut off",
        "stopped by SIGTERM",
    ];
    assert_eq!(ended.lines, expected);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut server, address) = Program::serve("graceful_shutdown");
    let _job = job(&address, 600_000);
    server.send(Signal::TERM);
    server.prints("closing; 1 to finish");
    server.send(Signal::TERM);
    let ended = server.end();
    assert_eq!(ended.code, Some(128 + 15), "{ended:?}");
    assert!(ended.lines.is_empty(), "{ended:?}");
}
