//! The server with programs of other projects: dig, drill, kdig, unbound, and nsd at both ends of a
//! transfer.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use deferred::sleep;
use reactor::Reactor;
use reactor_names::{
    Answers, Dns, DnsConfig, DnsPort, DnsServer, Hosts, Secondary, ZoneFile, transfer_zone,
};
use tests::{Directory, is_there};

use super::servers::nsd;
use super::transfers::Open;
use super::{TEXT, sorted, zone};
use crate::peers::Program;
use crate::support::name;

const PATIENCE: Duration = Duration::from_secs(60);

fn serve(answers: impl Answers) -> (Reactor, DnsPort) {
    let reactor = Reactor::new().unwrap();
    let port = DnsServer::new(answers).listen(&reactor, "127.0.0.1:0");
    let port = port.unwrap();
    (reactor, port)
}

/// Runs a program while the reactor runs.
fn output(reactor: &Reactor, program: &'static str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args);
    let ended = reactor.defer_to_thread(move || Ok(command.output()?));
    let output = reactor.block_on(ended).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{program}: {text}");
    text
}

/// Waits until the server at `address` has this version of the zone.
fn wait_for_version(reactor: &Reactor, address: SocketAddr, serial: u32) {
    let start = Instant::now();
    loop {
        let dns = Dns::new(DnsConfig::new([address]), Hosts::default());
        let found = reactor.block_on(dns.lookup_soa(reactor, "example.org."));
        if found.as_ref().is_ok_and(|soa| soa[0].serial == serial) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{found:?}");
        reactor
            .block_on(sleep(reactor, Duration::from_millis(50)))
            .unwrap();
    }
}

#[test]
fn dig_drill_and_kdig_get_answers_over_both_transports() {
    let clients: [(&str, &str, &[&str]); 6] = [
        ("dig", "-p", &["+norecurse"]),
        ("dig", "-p", &["+tcp", "+norecurse"]),
        ("drill", "-p", &[]),
        ("drill", "-p", &["-t"]),
        ("kdig", "-p", &[]),
        ("kdig", "-p", &["+tcp"]),
    ];
    let (reactor, port) = serve(zone());
    let number = port.address().port().to_string();
    for (program, option, more) in clients {
        if is_there(program) {
            let args = [
                &["@127.0.0.1", option, &number],
                more,
                &["www.example.org", "A"],
            ];
            let text = output(&reactor, program, &args.concat());
            assert!(
                text.contains("NOERROR") && text.contains("192.0.2.3"),
                "{text}"
            );
        }
    }
}

#[test]
fn dig_transfers_a_zone() {
    if !is_there("dig") {
        return;
    }
    let (reactor, port) = serve(Open(zone()));
    let number = port.address().port().to_string();
    let args = [
        "@127.0.0.1",
        "-p",
        &number,
        "+noall",
        "+answer",
        "example.org",
    ];
    for kind in ["AXFR", "IXFR=0"] {
        let text = output(&reactor, "dig", &[&args, &[kind][..]].concat());
        assert_eq!(text.lines().count(), zone().records().len() + 1, "{text}");
        let (first, last) = (text.lines().next(), text.lines().last());
        assert!(first == last && text.contains("SOA"), "{text}");
    }
}

#[test]
fn a_zone_is_transferred_from_nsd() {
    let Some(nsd) = nsd("  zonefile: zone\n  provide-xfr: 127.0.0.1 NOKEY\n") else {
        return;
    };
    let reactor = Reactor::new().unwrap();
    let copied = transfer_zone(&reactor, nsd.address, &name("example.org."));
    let copied = reactor.block_on(copied).unwrap();
    assert_eq!(sorted(copied.records()), sorted(zone().records()));

    let secondary = Secondary::start(&reactor, name("example.org."), [nsd.address]);
    let start = Instant::now();
    while secondary.zone().is_none() {
        assert!(start.elapsed() < PATIENCE);
        let pause = sleep(&reactor, Duration::from_millis(10));
        reactor.block_on(pause).unwrap();
    }
    assert_eq!(
        sorted(secondary.zone().unwrap().records()),
        sorted(zone().records())
    );
}

/// nsd asks for differences or for the whole zone, and gets a NOTIFY of a new version.
#[test]
fn nsd_keeps_a_copy_of_a_zone() {
    for kind in ["", "AXFR "] {
        let folder = Directory::new("nsd-copies");
        let path = folder.path("zone");
        fs::write(&path, TEXT).unwrap();
        let file = ZoneFile::open(&path, "example.org.").unwrap();
        let networks = ["127.0.0.0/8".parse().unwrap()];
        let file = Rc::new(file.allow_transfer(networks));
        let (reactor, port) = serve(Rc::clone(&file));
        let number = port.address().port();
        let options = format!(
            "  request-xfr: {kind}127.0.0.1@{number} NOKEY\n  allow-notify: 127.0.0.1 NOKEY\n"
        );
        let Some(nsd) = nsd(&options) else {
            return;
        };
        wait_for_version(&reactor, nsd.address, 1);

        let newer = TEXT.replace("hostmaster 1 7200", "hostmaster 2 7200");
        fs::write(&path, newer).unwrap();
        file.reload().unwrap();
        let zone = file.zone();
        let told = reactor_names::notify(&reactor, &zone, nsd.address);
        reactor.block_on(told).unwrap();
        wait_for_version(&reactor, nsd.address, 2);
    }
}

/// With random case of the letters (0x20), and a response that must be fetched over TCP.
#[test]
fn unbound_asks_in_random_case() {
    let (reactor, served) = serve(zone());
    let prepare = |folder: &Directory, port: u16| {
        let config = format!(
            "server:\n  interface: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  \
             directory: \"{}\"\n  so-reuseport: no\n  pidfile: \"\"\n  use-syslog: no\n  logfile: \"\"\n  \
             verbosity: 1\n  do-daemonize: no\n  module-config: \"iterator\"\n  \
             use-caps-for-id: yes\n  do-not-query-localhost: no\n\
             remote-control:\n  control-enable: no\n\
             stub-zone:\n  name: example.org\n  stub-addr: 127.0.0.1@{}\n",
            folder.path(""),
            served.address().port()
        );
        let file = folder.path("conf");
        fs::write(&file, config).unwrap();
        ["-d", "-c", &file].map(str::to_owned).into()
    };
    let Some(unbound) = Program::start("unbound", "start of service", prepare) else {
        return;
    };
    let dns = Dns::new(DnsConfig::new([unbound.address]), Hosts::default());
    for host in ["www", "web", "a.wild", "mail", "a.b.deep"] {
        let found = dns.lookup_a(&reactor, &format!("{host}.example.org."));
        assert_eq!(reactor.block_on(found).unwrap().len(), 1, "{host}");
    }
}
