//! `testssl.sh`: known weaknesses of a web site, one after another. It takes a minute and a half.

use std::process::Command;
use std::time::{Duration, Instant};

use reactor::{Listen, Reactor};
use reactor_tls::TlsServer;
use reactor_web::App;
use reactor_web::middleware::SecurityHeaders;
use tests::is_there;

use super::support::{Files, Program};

/// Looks into versions, suites, forward secrecy, vulnerabilities and headers.
#[test]
fn testssl_finds_nothing_weak() {
    // Debian's name, and the upstream one.
    let Some(testssl) = ["testssl", "testssl.sh"]
        .into_iter()
        .find(|name| is_there(name))
    else {
        return;
    };
    let files = Files::new("testssl");
    let tls = TlsServer::builder()
        .identity(files.server.identity())
        .alpn(["h2", "http/1.1"]);
    let endpoint = tls.build().expect("a certificate");
    let endpoint = endpoint.endpoint("tcp:0:interface=127.0.0.1");
    let year = Duration::from_secs(365 * 24 * 3600);
    let site = App::new()
        .get("/", |_| "hello\n")
        .wrap(SecurityHeaders::new().hsts(year, true))
        .into_site()
        .expect("an app");
    let reactor = Reactor::new().expect("a reactor");
    let port = reactor.block_on(endpoint.listen(&reactor, site));
    let address = port.expect("a free port").address().to_string();
    let report = files.path("report.csv");
    let mut command = Command::new(testssl);
    command
        .args([
            "--quiet",
            "--color",
            "0",
            "--warnings",
            "off",
            "--csvfile",
            &report,
        ])
        .args(["--protocols", "--std", "--pfs", "--vulnerable", "--headers"])
        .arg(address);
    let mut program = Program::start(&mut command);
    let deadline = Instant::now() + Duration::from_secs(600);
    while !program.has_ended() {
        assert!(Instant::now() < deadline, "{}", program.output());
        reactor.turn(Some(Duration::from_millis(20))).unwrap();
    }

    let report = std::fs::read_to_string(report).expect("its report");
    let findings: Vec<Vec<_>> = report
        .lines()
        .skip(1)
        .map(|line| line.trim_matches('"').split("\",\"").collect())
        .collect();
    assert!(findings.len() > 30, "{report}");
    let severities = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];
    let is_bad = |finding: &&Vec<&str>| severities.contains(&finding[3]);
    let bad: Vec<_> = findings.iter().filter(is_bad).collect();
    assert!(bad.is_empty(), "{bad:?}");
    for (id, found) in [("HSTS_time", "OK"), ("HTTP_status_code", "INFO")] {
        let is_so = |finding: &&Vec<&str>| finding[0] == id && finding[3] == found;
        assert!(findings.iter().any(|finding| is_so(&finding)), "{report}");
    }
    for found in ["TLS1_2", "TLS1_3"] {
        let offered = |finding: &&Vec<&str>| finding[0] == found && finding[4].contains("offered");
        assert!(findings.iter().any(|finding| offered(&finding)), "{report}");
    }
}
