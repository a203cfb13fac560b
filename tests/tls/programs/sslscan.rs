//! `sslscan`: a list of all that a server accepts.

use std::process::Command;

use tests::is_there;

use super::protocols::Site;
use super::support::{Files, Program};

/// The values of an attribute in the elements of one kind.
fn values<'a>(xml: &'a str, element: &str, attribute: &str) -> Vec<&'a str> {
    let start = format!("<{element} ");
    let attribute = format!(" {attribute}=\"");
    xml.split(&start[..])
        .skip(1)
        .filter_map(|rest| {
            let element = rest.split_once('>')?.0;
            let value = element.split_once(&attribute)?.1;
            Some(value.split_once('"')?.0)
        })
        .collect()
}

#[test]
fn sslscan_finds_nothing_weak() {
    if !is_there("sslscan") {
        return;
    }
    let files = Files::new("sslscan");
    let site = Site::plain(&files);
    let mut command = Command::new("sslscan");
    command
        .args(["--no-colour", "--xml=-", "--sni-name=localhost"])
        .arg(site.address.to_string());
    let xml = Program::start(&mut command).succeeds(&site.reactor);

    let (enabled, versions): (Vec<_>, Vec<_>) = (
        values(&xml, "protocol", "enabled"),
        values(&xml, "protocol", "version"),
    );
    let enabled = enabled
        .iter()
        .zip(&versions)
        .filter(|(enabled, _)| **enabled == "1");
    let enabled: Vec<_> = enabled.map(|(_, version)| *version).collect();
    assert_eq!(enabled, ["1.2", "1.3"], "{xml}");

    let mut suites = values(&xml, "cipher", "cipher");
    suites.sort_unstable();
    suites.dedup();
    let expected = [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    ];
    assert_eq!(suites, expected, "{xml}");

    for (element, attribute) in [
        ("renegotiation", "supported"),
        ("compression", "supported"),
        ("heartbleed", "vulnerable"),
    ] {
        let found = values(&xml, element, attribute);
        assert!(found.iter().all(|value| *value == "0"), "{element}: {xml}");
    }
}
