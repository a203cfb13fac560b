//! The resolver against servers of other projects, over loopback.

use std::cell::OnceCell;
use std::fs;
use std::io::{BufRead, BufReader, Read, sink};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use deferred::gather_results;
use reactor::Reactor;
use reactor_names::hickory_proto::rr::RecordType;
use reactor_names::{Dns, DnsConfig, Hosts, LookupErrorKind};
use rustix::process::{Pid, Signal, kill_process};
use tests::certificates::Pair;
use tests::{Directory, free_port, is_there};

use super::support::kind;

/// A zone with what the resolver treats in its own way. The text is longer than a datagram.
fn zone() -> String {
    let text = format!("\"{}\"", "x".repeat(250));
    let text = [&text[..]; 8].join(" ");
    format!(
        "$TTL 300\n@ IN SOA ns1 hostmaster 1 7200 900 1209600 60\n@ IN NS ns1\n@ IN MX 10 mail\n\
         ns1 IN A 192.0.2.53\nmail IN A 192.0.2.2\nwww IN A 192.0.2.1\nwww IN AAAA 2001:db8::1\n\
         alias IN CNAME www\nlong IN TXT {text}\n_imap._tcp IN SRV 1 2 143 mail\n"
    )
}

/// A server of another project, with a folder of its own.
pub(crate) struct Program {
    process: Child,
    pub(crate) address: SocketAddr,
    _folder: Directory,
}

impl Program {
    /// Runs the command that `prepare` makes, until its log has a line with `started`. If another
    /// program has its port, another port is tried: the server ends without that line, or goes on
    /// without one of its transports.
    pub(crate) fn start(
        name: &str,
        started: &str,
        prepare: impl Fn(&Directory, u16) -> Vec<String>,
    ) -> Option<Self> {
        if !is_there(name) {
            return None;
        }
        for _ in 0..5 {
            let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
            let folder = Directory::new(&format!("names-{name}"));
            // So that a test that hangs leaves nothing behind.
            let mut process = Command::new("timeout")
                .args(["120", name])
                .args(prepare(&folder, address.port()))
                .stderr(Stdio::piped())
                .spawn()
                .expect("it starts");
            let mut log = BufReader::new(process.stderr.take().expect("it is piped"));
            let program = Self {
                process,
                address,
                _folder: folder,
            };
            let mut said = Vec::new();
            let has_started = (log.by_ref().lines().map_while(Result::ok))
                .inspect(|line| said.push(line.clone()))
                .any(|line| line.contains(started));
            let lacks_a_transport = said.iter().any(|line| line.contains("address in use"));
            if has_started && !lacks_a_transport {
                // Else it would wait for a reader of its log.
                thread::spawn(move || std::io::copy(&mut log, &mut sink()));
                return Some(program);
            }
            println!("{name} does not have its port: {said:?}");
        }
        panic!("{name} does not start");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // `timeout` passes SIGTERM on. Errs if it has ended already.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}

/// Looks up each kind of answer; a server over TLS has everything over one connection.
fn look_up(config: DnsConfig) {
    let reactor = Reactor::new().unwrap();
    let config = config
        .timeout(Duration::from_secs(10))
        .search(["example.test"]);
    let dns = Dns::new(config, Hosts::default());
    let www = reactor.block_on(dns.lookup_a(&reactor, "WwW")).unwrap();
    assert_eq!(www[0].to_string(), "192.0.2.1");
    let alias = dns.lookup(&reactor, "alias.example.test.", RecordType::AAAA);
    let alias = reactor.block_on(alias).unwrap();
    assert_eq!((alias.aliases.len(), alias.records.len()), (1, 1));
    let mail = reactor
        .block_on(dns.lookup_mx(&reactor, "example.test"))
        .unwrap();
    assert_eq!(mail[0].exchange.to_string(), "mail.example.test.");
    let imap = dns.lookup_srv(&reactor, "_imap._tcp.example.test");
    assert_eq!(reactor.block_on(imap).unwrap()[0].port, 143);
    // Longer than a datagram: over TCP.
    let long = reactor.block_on(dns.lookup_txt(&reactor, "long")).unwrap();
    assert_eq!(long[0].txt_data.len(), 8);
    for (name, expected) in [
        ("none.example.test.", LookupErrorKind::NoSuchName),
        ("mail.example.test.", LookupErrorKind::NoRecords),
    ] {
        let failure = reactor.block_on(dns.lookup_aaaa(&reactor, name));
        assert_eq!(kind(&failure.unwrap_err()), expected, "{name}");
    }
    reactor.set_resolver(dns.clone());
    let both = reactor.block_on(reactor.resolve("alias", 80)).unwrap();
    assert_eq!(both.len(), 2);
    let many = (0..100).map(|n| dns.lookup_a(&reactor, &format!("n{n}.example.test.")));
    let many = many.map(|one| one.add_both(|found| Ok(found.is_err())));
    let many = reactor.block_on(gather_results(many)).unwrap();
    assert!(many.iter().all(|is_err| *is_err));
}

/// Over UDP, which goes on over TCP for the long text, and over TCP alone.
fn look_up_in_clear(address: SocketAddr) {
    look_up(DnsConfig::new([address]));
    look_up(DnsConfig::new([address]).use_tcp(true));
}

#[test]
fn dnsmasq_is_asked() {
    let long = vec!["x".repeat(250); 8].join(",");
    let prepare = |_: &Directory, port: u16| {
        let of_test = |text: &str| text.to_owned();
        vec![
            of_test("--keep-in-foreground"),
            of_test("--log-facility=-"),
            of_test("--conf-file=/dev/null"),
            of_test("--no-hosts"),
            of_test("--no-resolv"),
            of_test("--user=root"),
            of_test("--pid-file="),
            of_test("--bind-interfaces"),
            of_test("--listen-address=127.0.0.1"),
            format!("--port={port}"),
            of_test("--local=/test/"),
            of_test("--host-record=www.example.test,192.0.2.1,2001:db8::1"),
            of_test("--host-record=mail.example.test,192.0.2.2"),
            of_test("--cname=alias.example.test,www.example.test"),
            of_test("--mx-host=example.test,mail.example.test,10"),
            of_test("--srv-host=_imap._tcp.example.test,mail.example.test,143,1,2"),
            format!("--txt-record=long.example.test,{long}"),
        ]
    };
    if let Some(server) = Program::start("dnsmasq", "started", prepare) {
        look_up_in_clear(server.address);
    }
}

/// nsd with one zone, whose text is in the file `zone`; `options` says what nsd does with it.
pub(crate) fn nsd(origin: &str, text: &str, options: &str) -> Option<Program> {
    Program::start("nsd", "nsd started", |folder, port| {
        let here = folder.path("");
        let config = format!(
            "server:\n  ip-address: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  \
             zonesdir: \"{here}\"\n  database: \"\"\n  pidfile: \"{here}/pid\"\n  \
             xfrdfile: \"{here}/xfrd\"\n  zonelistfile: \"{here}/list\"\n  \
             cookie-secret-file: \"{here}/cookie\"\n  server-count: 1\n  rrl-ratelimit: 0\n\
             remote-control:\n  control-enable: no\n\
             zone:\n  name: {origin}\n{options}"
        );
        fs::write(folder.path("zone"), text).expect("it is written");
        let file = folder.path("conf");
        fs::write(&file, config).expect("it is written");
        vec!["-d".to_owned(), "-c".to_owned(), file]
    })
}

#[test]
fn nsd_is_asked() {
    if let Some(server) = nsd("example.test", &zone(), "  zonefile: zone\n") {
        look_up_in_clear(server.address);
    }
}

/// named with one zone, whose text is in the file `zone`.
pub(crate) fn named(origin: &str, text: &str) -> Option<Program> {
    Program::start("named", "all zones loaded", |folder, port| {
        named_with(folder, port, origin, text)
    })
}

/// The arguments of named, which does not share its port with another server of this user.
fn named_with(folder: &Directory, port: u16, origin: &str, text: &str) -> Vec<String> {
    let here = folder.path("");
    let config = format!(
        "options {{ directory \"{here}\"; pid-file none; session-keyfile none; recursion no; \
         listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; reuseport no; \
         dnssec-validation no; notify no; zero-no-soa-ttl no; }};\n\
         controls {{ }};\n\
         zone \"{origin}\" {{ type primary; file \"zone\"; }};\n"
    );
    fs::write(folder.path("zone"), text).expect("it is written");
    let file = folder.path("conf");
    fs::write(&file, config).expect("it is written");
    ["-g", "-n", "1", "-c", &file].map(str::to_owned).into()
}

#[test]
fn named_is_asked() {
    if let Some(server) = named("example.test", &zone()) {
        look_up_in_clear(server.address);
    }
}

/// unbound with the zone, which does not share its port with another server of this user.
fn unbound(folder: &Directory, port: u16, tls: &str) -> Vec<String> {
    let here = folder.path("");
    let config = format!(
        "server:\n  interface: 127.0.0.1@{port}\n  {tls}\n  do-daemonize: no\n  username: \"\"\n  \
         so-reuseport: no\n  chroot: \"\"\n  directory: \"{here}\"\n  pidfile: \"\"\n  use-syslog: no\n  logfile: \"\"\n  \
         verbosity: 1\n  num-threads: 1\n  module-config: \"iterator\"\n  local-zone: \"test.\" nodefault\n\
         remote-control:\n  control-enable: no\n\
         auth-zone:\n  name: example.test\n  zonefile: zone\n  for-downstream: yes\n  \
         for-upstream: no\n"
    );
    fs::write(folder.path("zone"), zone()).expect("it is written");
    let file = folder.path("conf");
    fs::write(&file, config).expect("it is written");
    ["-d", "-c", &file].map(str::to_owned).into()
}

#[test]
fn unbound_is_asked() {
    let prepare = |folder: &Directory, port: u16| unbound(folder, port, "");
    if let Some(server) = Program::start("unbound", "start of service", prepare) {
        look_up_in_clear(server.address);
    }
}

#[test]
fn unbound_is_asked_over_tls() {
    let pair = Pair::new("dns.test");
    let prepare = |folder: &Directory, port: u16| {
        fs::write(folder.path("pem"), &pair.certificate).expect("it is written");
        fs::write(folder.path("key"), &pair.key).expect("it is written");
        let (pem, key) = (folder.path("pem"), folder.path("key"));
        let tls =
            format!("tls-port: {port}\n  tls-service-pem: \"{pem}\"\n  tls-service-key: \"{key}\"");
        unbound(folder, port, &tls)
    };
    if let Some(server) = Program::start("unbound", "start of service", prepare) {
        look_up(DnsConfig::over_tls(&pair.client(), [(server.address, "dns.test")]).unwrap());
    }
}

/// named goes on without TCP where TCP has the port in use, and unbound ends.
#[test]
fn a_server_whose_port_is_taken_gets_another_one() {
    type Prepare = fn(&Directory, u16) -> Vec<String>;
    let servers: [(_, _, Prepare); 2] = [
        ("named", "all zones loaded", |folder, port| {
            named_with(folder, port, "example.test", &zone())
        }),
        ("unbound", "start of service", |folder, port| {
            unbound(folder, port, "")
        }),
    ];
    for (name, started, prepare) in servers {
        let taken = OnceCell::new();
        let server = Program::start(name, started, |folder, port| {
            taken.get_or_init(|| TcpListener::bind(("127.0.0.1", port)).expect("it is free"));
            prepare(folder, port)
        });
        if let Some(server) = server {
            let taken = taken.get().expect("it was tried").local_addr().unwrap();
            assert_ne!(server.address, taken, "{name}");
            look_up_in_clear(server.address);
        }
    }
}
