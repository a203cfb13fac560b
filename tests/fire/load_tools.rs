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
    if !is_there(program) {
        return None;
    }
    let (listener, address) = listener();
    let mut server = Server::start(&listener, Kind::default());
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

/// Many slow clients for six seconds, and a probe beside them.
#[track_caller]
fn leaves_the_site_available(options: &str, path: &str) {
    let run = |address| {
        words(format!(
            "{options} -u http://{address}{path} -c 100 -r 100 -i 1 -l 6 -p 2"
        ))
    };
    if let Some(text) = output("slowhttptest", run) {
        // It tells the state at the beginning, and every five seconds.
        let states: Vec<_> = text
            .lines()
            .filter(|line| line.contains("service available:"))
            .collect();
        assert!(states.len() >= 2, "{text}");
        assert!(states.iter().all(|state| state.contains("YES")), "{text}");
    }
}

#[test]
fn heads_that_do_not_end_leave_the_site_available() {
    leaves_the_site_available("-H", "/");
}

#[test]
fn bodies_that_do_not_end_leave_the_site_available() {
    leaves_the_site_available("-B", "/read");
}

#[test]
fn answers_that_are_not_read_leave_the_site_available() {
    leaves_the_site_available("-X -w 10 -y 20", "/large");
}
