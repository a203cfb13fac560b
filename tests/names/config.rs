//! `resolv.conf` and the hosts file.

use std::fs;
use std::net::SocketAddrV6;
use std::time::Duration;

use reactor::testing;
use reactor_names::{Dns, DnsConfig, decode_message, encode_message};
use tests::Directory;

use super::support::{FIRST, SECOND, Server, answer};

#[test]
fn a_resolv_conf_is_read_as_its_manual_says() {
    let text = "; comment\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nnonsense\n\
                domain ignored.example\nsearch a.example b.example\n\
                options ndots:3 timeout:2 attempts:4 rotate";
    let servers = ["192.0.2.53:53", "[2001:db8::53]:53"].map(|text| text.parse().unwrap());
    let expected = DnsConfig::new(servers)
        .search(["a.example", "b.example"])
        .ndots(3)
        .timeout(Duration::from_secs(2))
        .attempts(4)
        .rotate(true);
    assert_eq!(DnsConfig::parse(text), expected);
}

#[test]
fn an_empty_resolv_conf_is_the_server_of_this_machine() {
    assert_eq!(
        DnsConfig::parse(""),
        DnsConfig::new(["127.0.0.1:53".parse().unwrap()])
    );
}

/// Two networks may both have `fe80::1`; one on a network that is not there is left out.
#[test]
fn a_server_keeps_its_interface() {
    let parsed = DnsConfig::parse("nameserver fe80::1%1\nnameserver fe80::2%none9");
    let server = SocketAddrV6::new("fe80::1".parse().unwrap(), 53, 0, 1);
    assert_eq!(parsed, DnsConfig::new([server.into()]));
}

#[test]
fn values_beyond_their_range_are_cut() {
    let cut = DnsConfig::parse("options ndots:1000 timeout:1000 attempts:1000\nnameserver ::1");
    let expected = DnsConfig::new(["[::1]:53".parse().unwrap()])
        .ndots(15)
        .timeout(Duration::from_secs(30))
        .attempts(5);
    assert_eq!(cut, expected);
    let zero = DnsConfig::parse("options timeout:0 attempts:0\nnameserver ::1");
    let expected = DnsConfig::new(["[::1]:53".parse().unwrap()])
        .timeout(Duration::from_secs(1))
        .attempts(1);
    assert_eq!(zero, expected);
}

/// They are looked at once a second. What the old servers have said is forgotten.
#[test]
fn changed_files_are_read_again() {
    let folder = std::env::temp_dir().join(format!("reactor-names-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (resolv_conf, hosts) = (folder.join("resolv.conf"), folder.join("hosts"));
    fs::write(&resolv_conf, "nameserver 192.0.2.53").unwrap();
    testing::run(|reactor| {
        let servers = [FIRST, SECOND].map(|address| {
            Server::new(reactor, address, |asked| {
                vec![answer(
                    &asked.message,
                    &["www.example.org. 300 A 192.0.2.1"],
                )]
            })
        });
        let dns = Dns::from_files(&resolv_conf, &hosts).unwrap();
        reactor.set_resolver(dns.clone());
        let look_up = || {
            drop(
                reactor
                    .result_of(dns.lookup_a(reactor, "www.example.org"))
                    .unwrap(),
            );
        };
        look_up();
        assert_eq!(
            servers.each_ref().map(|server| server.asked().len()),
            [1, 0]
        );
        fs::write(&resolv_conf, "nameserver 198.51.100.53 # another").unwrap();
        fs::write(&hosts, "192.0.2.9 printer").unwrap();
        look_up();
        assert_eq!(
            servers.each_ref().map(|server| server.asked().len()),
            [0, 0]
        );
        reactor.advance(Duration::from_secs(1));
        look_up();
        assert_eq!(
            servers.each_ref().map(|server| server.asked().len()),
            [0, 1]
        );
        let printer = reactor.result_of(reactor.resolve("printer", 9100)).unwrap();
        assert_eq!(printer, ["192.0.2.9:9100".parse().unwrap()]);
        servers.into_iter().for_each(Server::close);
    });
    fs::remove_dir_all(&folder).unwrap();
}

/// An answer that was on its way while the servers were replaced is given, but not kept.
#[test]
fn an_answer_of_replaced_servers_is_not_kept() {
    let folder = Directory::new("names-replaced");
    let (resolv_conf, hosts) = (folder.join("resolv.conf"), folder.join("hosts"));
    fs::write(&resolv_conf, "nameserver 192.0.2.53").unwrap();
    testing::run(|reactor| {
        let old = reactor.datagram_peer(FIRST);
        let dns = Dns::from_files(&resolv_conf, &hosts).unwrap();
        let waits = dns.lookup_a(reactor, "www.example.org");
        let (question, client) = old.received().remove(0);
        fs::write(&resolv_conf, "nameserver 198.51.100.53 # another").unwrap();
        reactor.advance(Duration::from_secs(1));
        drop(dns.lookup_a(reactor, "other.example.org").cancel_on_drop());
        let right = answer(
            &decode_message(&question).unwrap(),
            &["www.example.org. 300 A 192.0.2.1"],
        );
        old.send_to(encode_message(&right, 1232).unwrap(), client);
        assert!(reactor.result_of(waits).is_ok());
        assert_eq!(dns.cached(), 0);
    });
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    assert!(Dns::from_files("/", "/nonexistent").is_err());
    assert!(Dns::from_files("/nonexistent", "/nonexistent").is_ok());
}
