//! Groups and broadcast, on this host's own interface.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reactor::{DatagramError, DatagramPort, MulticastInterface, Reactor, UdpOptions};

use crate::datagrams::Recorder;
use crate::support::{Log, reactor, result_of, turn_a_few_times, turn_until};

type Udp = Recorder<SocketAddr>;

const LOOPBACK: MulticastInterface = MulticastInterface::Address(Ipv4Addr::LOCALHOST);

/// A group that no other process uses while this one runs.
fn group(test: u8) -> IpAddr {
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    Ipv4Addr::new(239, test, high, low).into()
}

fn member(reactor: &Reactor, address: SocketAddr, log: &Log) -> DatagramPort<Udp> {
    let options = UdpOptions::new(address).listen_multiple(true);
    reactor
        .listen_udp(options, Udp::new(log))
        .expect("several may listen")
}

fn any(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

#[test]
fn all_who_have_joined_a_group_hear_what_is_sent_to_it() {
    let (reactor, group) = (reactor(), group(1));
    let logs: [Log; 3] = Default::default();
    let first = member(&reactor, any(0), &logs[0]);
    let address = any(first.address().port());
    let second = member(&reactor, address, &logs[1]);
    // Linux gives a port that has not joined what another one has joined, too.
    let sender = reactor
        .listen_udp("127.0.0.1:0", Udp::new(&logs[2]))
        .expect("a free port");
    for port in [&first, &second] {
        port.join_group(group, LOOPBACK).expect("it is a group");
    }
    assert!(first.join_group(group, LOOPBACK).is_err(), "it has joined");
    sender.set_multicast_interface(LOOPBACK).expect("it is one");
    assert_eq!(sender.multicast_ttl().expect("it is open"), 1);
    sender.set_multicast_ttl(0).expect("it is open");
    assert_eq!(sender.multicast_ttl().expect("it is open"), 0);
    let to = SocketAddr::new(group, address.port());
    sender.send_to("hello", to).expect("it fits");
    turn_until(&reactor, || {
        logs[..2].iter().all(|log| log.has("received hello"))
    });

    first.leave_group(group, LOOPBACK).expect("it has joined");
    assert!(first.leave_group(group, LOOPBACK).is_err(), "it has left");
    second.leave_group(group, LOOPBACK).expect("it has joined");
    sender.send_to("anybody?", to).expect("it fits");
    turn_a_few_times(&reactor);
    assert!(logs.iter().all(|log| !log.has("received anybody?")));

    // The loopback interface itself knows no other way.
    assert!(sender.multicast_loopback().expect("it is open"));
    sender.set_multicast_loopback(false).expect("it is open");
    assert!(!sender.multicast_loopback().expect("it is open"));
}

#[test]
fn what_is_no_group_is_refused() {
    let (reactor, log) = (reactor(), Log::default());
    let port = member(&reactor, any(0), &log);
    for wrong in ["10.0.0.1", "ff02::1"] {
        let group = wrong.parse().expect("an address");
        let error = port.join_group(group, MulticastInterface::Any);
        assert_eq!(
            error.expect_err("it is no group").kind(),
            ErrorKind::InvalidInput
        );
    }
    let error = port.set_multicast_interface(MulticastInterface::Index(1));
    assert_eq!(
        error.expect_err("it wants an address").kind(),
        ErrorKind::InvalidInput
    );
    port.set_multicast_interface(MulticastInterface::Any)
        .expect("as it was");
    assert!(port.set_multicast_ttl(256).is_err());
    result_of(&reactor, port.stop_listening()).expect("it closes");
    assert!(port.join_group(group(2), LOOPBACK).is_err());
    assert!(port.multicast_ttl().is_err());
}

#[test]
fn version_6_has_groups_too() {
    let (reactor, log) = (reactor(), Log::default());
    let port = member(&reactor, (Ipv6Addr::UNSPECIFIED, 0).into(), &log);
    let process = std::process::id() as u16;
    let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0x4242, process);
    let is_joined = || {
        let joined = std::fs::read_to_string("/proc/net/igmp6").unwrap_or_default();
        joined.contains(&format!("ff01{:020}4242{process:04x}", 0))
    };
    let group = IpAddr::from(group);
    let loopback = std::fs::read_to_string("/sys/class/net/lo/ifindex");
    let index = loopback.map_or(1, |index| index.trim().parse().expect("a number"));
    let interface = MulticastInterface::Index(index);
    port.join_group(group, interface).expect("it is a group");
    assert!(is_joined() || cfg!(not(target_os = "linux")));
    port.set_multicast_interface(interface).expect("it is one");
    assert_eq!(port.multicast_ttl().expect("it is open"), 1);
    port.set_multicast_ttl(2).expect("it is open");
    assert_eq!(port.multicast_ttl().expect("it is open"), 2);
    port.set_multicast_loopback(true).expect("it is open");
    assert!(port.multicast_loopback().expect("it is open"));
    port.leave_group(group, interface).expect("it has joined");
    assert!(!is_joined());
    let error = port.join_group(group, LOOPBACK);
    assert_eq!(
        error.expect_err("it wants a number").kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn broadcast_has_to_be_asked_for() {
    let (reactor, log) = (reactor(), Log::default());
    let port = member(&reactor, any(0), &log);
    let all: SocketAddr = ([127, 255, 255, 255], port.address().port()).into();
    assert!(!port.broadcast().expect("it is open"));
    assert!(matches!(
        port.send_to("all", all),
        Err(DatagramError::Io(error)) if error.kind() == ErrorKind::PermissionDenied
    ));
    port.set_broadcast(true).expect("it is open");
    port.send_to("all", all).expect("it was asked for");
    turn_until(&reactor, || log.has("received all"));

    let options = UdpOptions::new("127.0.0.1:0").broadcast(true);
    let sender = reactor
        .listen_udp(options, Udp::new(&Log::default()))
        .expect("a free port");
    assert!(sender.broadcast().expect("it is open"));
}
