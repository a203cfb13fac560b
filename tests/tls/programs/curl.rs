//! `curl` as a client.

use std::process::Command;

use tests::is_there;

use super::protocols::Site;
use super::support::{Files, Program};

/// `curl` with a request to `site` by the name `name`.
fn curl(site: &Site, scheme: &str, name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let port = site.port();
    let mut command = Command::new("curl");
    command
        .args(["-sS", "--http1.1", "--max-time", "25"])
        .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
        .args(arguments)
        .arg(format!("{scheme}://{name}:{port}/"));
    let (status, output) = Program::start(&mut command).end(&site.reactor);
    (status.code(), output)
}

#[test]
fn curl_verifies_and_is_answered() {
    if !is_there("curl") {
        return;
    }
    let files = Files::new("curl");
    let site = Site::plain(&files);
    let roots = ["--cacert", &*files.path("ca.pem")];
    for versions in [
        &["--tlsv1.3"][..],
        &["--tlsv1.2", "--tls-max", "1.2"],
        &["--tlsv1.2"],
    ] {
        let (code, output) = curl(&site, "https", "localhost", &[&roots, versions].concat());
        assert_eq!(code, Some(0), "{output}");
        assert!(output.ends_with("welcome"), "{output}");
        assert!(site.ends.next(&site.reactor).is_clean());
    }
    // 60: the certificate does not verify.
    assert_eq!(curl(&site, "https", "localhost", &[]).0, Some(60));
    assert!(!site.ends.is_any());
    assert_eq!(curl(&site, "https", "example.org", &roots).0, Some(60));
}

#[test]
fn curl_with_a_certificate() {
    if !is_there("curl") {
        return;
    }
    let files = Files::new("curl-mutual");
    let site = Site::requiring_certificates(&files);
    let roots = ["--cacert", &*files.path("ca.pem")];
    let (certificate, key) = (files.path("client.pem"), files.path("client.key"));
    let own = ["--cert", &*certificate, "--key", &*key];
    let (code, output) = curl(&site, "https", "localhost", &[&roots[..], &own].concat());
    assert_eq!(code, Some(0), "{output}");
    let (code, output) = curl(&site, "https", "localhost", &roots);
    assert!(code.is_some_and(|code| code != 0), "{output}");
    assert!(output.contains("certificate required"), "{output}");
}

/// 1: the answer is no HTTP; 52 and 56: there is none.
#[test]
fn curl_without_tls_is_not_answered() {
    if !is_there("curl") {
        return;
    }
    let files = Files::new("curl-plain");
    let site = Site::plain(&files);
    let (code, output) = curl(&site, "http", "localhost", &[]);
    assert!(matches!(code, Some(1 | 52 | 56)), "{code:?} {output}");
    assert!(!output.contains("welcome"), "{output}");
}
