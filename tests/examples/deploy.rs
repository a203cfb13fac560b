//! `web_deploy`, with the configurations of `examples/deploy`: behind nginx and HAProxy, with a
//! socket of systemd, on its own with TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tests::certificates::Pair;
use tests::proxies::{Plain, Proxy};
use tests::{Directory, free_port, is_there, listener, skip, wait_for};

use crate::browser::Browser;
use crate::build::binary;
use crate::program::{PATIENCE, Program};

/// A site on a socket that it is given, as by systemd. It waits until the site says that it serves.
struct Site {
    program: Program,
    notified: UnixDatagram,
    _files: Directory,
}

impl Site {
    fn start(listener: &TcpListener, args: &[&str]) -> Self {
        let files = Directory::new("deploy");
        let path = files.path("notify");
        let notified = UnixDatagram::bind(&path).expect("a socket");
        notified.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let given = OwnedFd::from(listener.try_clone().expect("a descriptor"));
        let args = [&["--listen", "systemd:index=0"], args].concat();
        let environment = [("NOTIFY_SOCKET", path.as_str())];
        let site = Self {
            program: Program::start_with_socket_in("web_deploy", given, &args, &environment),
            notified,
            _files: files,
        };
        assert_eq!(site.notification(), "READY=1");
        site
    }

    /// What it tells systemd next.
    fn notification(&self) -> String {
        let mut buffer = [0; 100];
        let count = self.notified.recv(&mut buffer).expect("it tells something");
        String::from_utf8_lossy(&buffer[..count]).trim().to_owned()
    }

    /// Ends it; gives its log of requests.
    fn end(self) -> Vec<String> {
        self.program.send(Signal::TERM);
        let ended = self.program.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.lines
    }
}

/// The head and the content that curl gets.
fn curl(args: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--max-time", "60"])
        .args(["--retry", "20", "--retry-connrefused", "--noproxy", "*"])
        .args(args)
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// What both proxies have to do with a site behind them.
fn check(proxy: &Proxy, site: Site) {
    let certificate = proxy.certificate();
    let url = |scheme, address: SocketAddr| format!("{scheme}://localhost:{}/", address.port());
    let (plain, encrypted) = (url("http", proxy.http), url("https", proxy.https));

    let answer = curl(&[&plain]).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 30"), "{answer}");
    assert!(
        answer.contains("\r\nlocation: https://localhost"),
        "{answer}"
    );

    // The client is believed nothing of what it says of itself.
    let lie = ["--header", "X-Forwarded-For: 192.0.2.1"];
    for version in ["--http2", "--http1.1"] {
        let args = [&lie[..], &[version, "--cacert", &certificate, &encrypted]].concat();
        let answer = curl(&args);
        assert!(
            answer.ends_with("\r\n\r\nyou are 127.0.0.1, by https\n"),
            "{answer}"
        );
        assert!(
            answer.contains("strict-transport-security: max-age="),
            "{answer}"
        );
    }
    let log = site.end();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log.iter().all(|line| line.contains("127.0.0.1")), "{log:?}");
}

#[test]
fn nginx_in_front() {
    if is_there("nginx") && is_there("curl") {
        let (listener, address) = listener();
        let site = Site::start(&listener, &["--proxy", "127.0.0.1"]);
        check(
            &Proxy::nginx(address, Plain::Redirects, &Pair::new("localhost")),
            site,
        );
    }
}

#[test]
fn haproxy_in_front() {
    if is_there("haproxy") && is_there("curl") {
        let (listener, address) = listener();
        let site = Site::start(&listener, &["--proxy", "127.0.0.1"]);
        check(
            &Proxy::haproxy(&[address], Plain::Redirects, &Pair::new("localhost")),
            site,
        );
    }
}

/// A peer that is no proxy is not believed.
#[test]
fn without_a_proxy_no_header_is_believed() {
    let (listener, address) = listener();
    let site = Site::start(&listener, &[]);
    let mut client = connect(address);
    let answer = ask(
        &mut client,
        "x-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: https\r\n",
    );
    assert!(answer.ends_with("you are 127.0.0.1, by http\n"), "{answer}");
    drop(client);
    site.end();
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("it listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a socket");
    client
}

/// The answer to a request over a kept connection.
fn ask(client: &mut TcpStream, headers: &str) -> String {
    write!(client, "GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n").expect("it fits");
    let (mut answer, mut buffer) = (String::new(), [0; 4096]);
    while !answer.ends_with("http\n") {
        let count = client.read(&mut buffer).expect("an answer");
        assert_ne!(count, 0, "it ended after {answer:?}");
        answer += str::from_utf8(&buffer[..count]).expect("text");
    }
    answer
}

/// What `systemctl start web@green` and `systemctl stop web@blue` do.
#[test]
fn one_process_takes_over_from_the_other() {
    let (listener, address) = listener();
    let blue = Site::start(&listener, &[]);
    let mut kept = connect(address);
    assert!(!ask(&mut kept, "").contains("connection: close"));

    let green = Site::start(&listener, &[]);
    blue.program.send(Signal::TERM);
    let answer = ask(&mut connect(address), "");
    assert!(answer.ends_with("by http\n"), "{answer}");
    // A client that has kept its connection is still answered, and told to go.
    let mut answer = ask(&mut kept, "");
    while !answer.contains("connection: close") {
        answer = ask(&mut kept, "");
    }
    assert_eq!(kept.read(&mut [0; 1]).expect("the end"), 0);
    let ended = blue.program.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    green.end();
}

/// With a certificate of its own, which is read again at a SIGHUP.
#[test]
fn on_its_own_with_tls() {
    if !is_there("curl") {
        return;
    }
    let files = Directory::new("deploy-tls");
    let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
    let renew = || {
        let pair = Pair::new("localhost");
        fs::write(&key, pair.key).expect("a file");
        fs::write(&certificate, pair.certificate).expect("a file");
    };
    renew();
    let (listener, address) = listener();
    let site = Site::start(&listener, &["--certificate", &certificate, "--key", &key]);
    let url = format!("https://localhost:{}/", address.port());
    let get = |version| curl(&[version, "--cacert", &certificate, &url]);
    for (version, status) in [("--http2", "HTTP/2 200"), ("--http1.1", "HTTP/1.1 200 OK")] {
        let answer = get(version);
        assert!(answer.starts_with(status), "{answer}");
        assert!(
            answer.contains("strict-transport-security: max-age="),
            "{answer}"
        );
        assert!(
            answer.ends_with("you are 127.0.0.1, by https\n"),
            "{answer}"
        );
    }

    // curl trusts the new certificate alone: it is answered once the site has it.
    renew();
    site.program.send(Signal::HUP);
    let has_it = || {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--noproxy", "*", "--cacert", &certificate, &url]);
        curl.stdout(Stdio::null())
            .status()
            .expect("it runs")
            .success()
    };
    wait_for("the new certificate", has_it);
    site.end();
}

/// A browser chooses HTTP/2.
#[test]
fn a_browser_speaks_http2_over_tls() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let files = Directory::new("deploy-browser");
    let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
    let pair = Pair::new("localhost");
    fs::write(&key, pair.key).expect("a file");
    fs::write(&certificate, pair.certificate).expect("a file");
    let (listener, address) = listener();
    let site = Site::start(&listener, &["--certificate", &certificate, "--key", &key]);
    let page = browser.open(&format!("https://{address}/"));
    assert_eq!(browser.text(&page).trim(), "you are 127.0.0.1, by https");
    let version = "performance.getEntriesByType('navigation')[0].nextHopProtocol";
    assert_eq!(browser.value(&page, version), "h2");
    drop(browser);
    site.end();
}

/// A part of systemd opens the port, and starts the site for the first client.
#[test]
fn systemd_hands_its_socket_over() {
    const ACTIVATE: &str = "systemd-socket-activate";
    if !is_there(ACTIVATE) {
        return;
    }
    let address = format!("127.0.0.1:{}", free_port());
    let mut systemd = Command::new(ACTIVATE)
        .arg(format!("--listen={address}"))
        .arg(binary("web_deploy"))
        .args(["--listen", "systemd:index=0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut client = None;
    wait_for("it listens", || {
        client = TcpStream::connect(&address).ok();
        client.is_some()
    });
    let mut client = client.expect("it is there");
    client.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let answer = ask(&mut client, "");
    assert!(answer.ends_with("you are 127.0.0.1, by http\n"), "{answer}");
    // It has become the site.
    kill_process(Pid::from_child(&systemd), Signal::TERM).expect("it runs");
    assert!(systemd.wait().expect("a child").success());
}

/// systemd finds no fault with the units.
#[test]
fn the_units_are_valid() {
    if !is_there("systemd-analyze") {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/deploy");
    let files = Directory::new("units");
    for unit in ["web.socket", "web@.service"] {
        let text = fs::read_to_string(folder.join(unit)).expect("a file");
        // A program that exists.
        let text = text.replace("/usr/local/bin/web_deploy", "/bin/true");
        fs::write(files.join(unit), text).expect("a file");
    }
    fs::copy(files.join("web@.service"), files.join("web@blue.service")).expect("a copy");
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args([files.path("web.socket"), files.path("web@blue.service")])
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    // It also loads what the units need, which a container may not have.
    let ours: Vec<_> = errors.lines().filter(|line| line.contains("web")).collect();
    assert!(ours.is_empty(), "{errors}");
    if !output.status.success() {
        skip(format_args!(
            "systemd-analyze cannot load its own units: {errors}"
        ));
    }
}
