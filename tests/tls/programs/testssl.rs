//! `testssl.sh`: known weaknesses, one after another. It takes a minute and a half.

use std::process::Command;
use std::time::{Duration, Instant};

use tests::is_there;

use super::protocols::Site;
use super::support::{Files, Program};

/// Looks into versions, suites, forward secrecy and vulnerabilities.
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
    let site = Site::plain(&files);
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
        .args(["--protocols", "--std", "--pfs", "--vulnerable"])
        .arg(site.address.to_string());
    let mut program = Program::start(&mut command);
    let deadline = Instant::now() + Duration::from_secs(600);
    while !program.has_ended() {
        assert!(Instant::now() < deadline, "{}", program.output());
        site.reactor.turn(Some(Duration::from_millis(20))).unwrap();
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
    for found in ["TLS1_2", "TLS1_3"] {
        let offered = |finding: &&Vec<&str>| finding[0] == found && finding[4].contains("offered");
        assert!(findings.iter().any(|finding| offered(&finding)), "{report}");
    }
}
