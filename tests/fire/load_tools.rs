//! Load by programs of other projects: wrk, ab, h2load, nghttp, slowhttptest. What is not installed is
//! skipped, by name.

use std::net::SocketAddr;
use std::process::Command;

use tests::{is_there, listener, wait_for};

use crate::support::{Kind, Server};

/// Runs a program against a server, which has to be as before afterwards; gives what it prints. `None` if
/// it is not installed.
#[track_caller]
fn output(program: &str, arguments: impl FnOnce(SocketAddr) -> Vec<String>) -> Option<String> {
    output_of(program, Kind::default(), arguments)
}

/// As [`output`], against a server of `kind`.
#[track_caller]
fn output_of(
    program: &str,
    kind: Kind,
    arguments: impl FnOnce(SocketAddr) -> Vec<String>,
) -> Option<String> {
    if !is_there(program) {
        return None;
    }
    let (listener, address) = listener();
    let mut server = Server::start(&listener, kind);
    let arguments = arguments(address);
    let output = Command::new("timeout")
        .args(["60", program])
        .args(&arguments)
        .output()
        .expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{program}: {text}");
    wait_for("all connections are over", || server.figures()[0] == 0);
    server.terminate();
    server.wait();
    println!("{program}: {text}");
    Some(text)
}

fn words(text: String) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The number before or behind `label`.
#[track_caller]
fn number_behind(text: &str, label: &str) -> u64 {
    let (_, rest) = text.split_once(label).unwrap_or_else(|| panic!("{text}"));
    let digits = rest.trim_start().split(|it: char| !it.is_ascii_digit());
    let number = digits.into_iter().next().expect("one part");
    number.parse().unwrap_or_else(|_| panic!("{label}: {text}"))
}

#[test]
fn wrk_sees_no_error() {
    let run = |address| words(format!("-t1 -c32 -d1s http://{address}/"));
    if let Some(text) = output("wrk", run) {
        assert!(text.contains(" requests in "), "{text}");
        // It names them only if there are some.
        assert!(!text.contains("Non-2xx"), "{text}");
        assert!(!text.contains("Socket errors"), "{text}");
    }
}

#[test]
fn ab_sees_no_error() {
    for options in ["-k -n 5000 -c 16", "-n 500 -c 16"] {
        let run = |address| words(format!("-q {options} http://{address}/"));
        let Some(text) = output("ab", run) else {
            return;
        };
        assert_eq!(number_behind(&text, "Failed requests:"), 0, "{text}");
        assert!(!text.contains("Non-2xx"), "{text}");
        if options.starts_with("-k") {
            assert_eq!(number_behind(&text, "Keep-Alive requests:"), 5000);
        }
    }
}

#[test]
fn h2load_sees_no_error() {
    for path in ["", "large"] {
        let run = |address| words(format!("-n 2000 -c 8 -m 16 http://{address}/{path}"));
        if let Some(text) = output("h2load", run) {
            assert!(
                text.contains("2000 succeeded, 0 failed, 0 errored"),
                "{text}"
            );
            assert!(text.contains("status codes: 2000 2xx"), "{text}");
        }
    }
}

#[test]
fn nghttp_gets_an_answer() {
    let run = |address| words(format!("-v http://{address}/"));
    if let Some(text) = output("nghttp", run) {
        assert!(text.contains(":status: 200"), "{text}");
        assert!(text.contains("hello"), "{text}");
    }
}

/// What slowhttptest says of 100 slow clients, for 11 s at most. They are more than the server has
/// descriptors for, and it cuts each of them off after a second, or a bit more.
#[track_caller]
fn slow_clients(options: &str, path: &str) -> Option<String> {
    let kind = Kind {
        descriptors: Some(60),
        patience: 1,
        ..Kind::default()
    };
    let run = |address| {
        words(format!(
            "{options} -u http://{address}{path} -c 100 -r 100 -l 11 -p 2"
        ))
    };
    let text = output_of("slowhttptest", kind, run)?;
    // It tells at the beginning, and every five seconds, whether a client of its own gets an answer.
    let mut states = text.lines().filter(|it| it.contains("service available:"));
    assert!(states.all(|state| state.contains("YES")), "{text}");
    Some(text)
}

#[test]
fn heads_that_do_not_end_are_cut_off() {
    if let Some(text) = slow_clients("-H -i 1", "/") {
        assert!(text.contains("No open connections left"), "{text}");
    }
}

/// They come in pieces, with pauses that are longer than the time for the next bytes.
#[test]
fn bodies_that_stop_are_cut_off() {
    if let Some(text) = slow_clients("-B -i 4", "/read") {
        assert!(text.contains("No open connections left"), "{text}");
    }
}

/// The tool does not notice an end that is behind an answer that it does not read.
#[test]
fn answers_that_are_not_read_leave_the_site_available() {
    if let Some(text) = slow_clients("-X -w 10 -y 20 -n 4", "/huge") {
        assert_eq!(text.matches("service available:").count(), 3, "{text}");
    }
}
