//! PROXY headers, cut at each byte, and bad ones.

use proptest::prelude::*;
use reactor::filter::proxy_protocol::{
    BadProxyHeader, NotAllowed, ProxyHeader, ProxyProtocol, ProxyVersion,
};
use reactor::testing::FilterDriver;
use reactor::{Address, UnixAddress};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

fn driver() -> FilterDriver {
    FilterDriver::with_peer(ProxyProtocol::from_any().filter(), sender()).unwrap()
}

fn sender() -> Address {
    Address::from(SocketAddr::from(([127, 0, 0, 1], 4000)))
}

/// The header in `bytes`, whatever way they are cut, and the peer after it.
fn read_in_each_cut(bytes: &[u8]) -> (ProxyHeader, Address) {
    let mut found = None;
    let whole = [bytes, b"rest"].concat();
    for cut in 0..=whole.len() {
        let mut driver = driver();
        for part in [&whole[..cut], &whole[cut..]] {
            if !part.is_empty() {
                driver.receive(part).unwrap();
            }
        }
        assert!(driver.is_open());
        assert_eq!(driver.delivered(), b"rest", "cut at {cut}");
        let header = driver.info::<ProxyHeader>().unwrap();
        let peer = driver.peer().clone();
        let this = (header, peer);
        assert_eq!(found.get_or_insert_with(|| this.clone()), &this);
    }
    let mut driver = driver();
    for (index, byte) in whole.iter().enumerate() {
        assert_eq!(driver.is_open(), index >= bytes.len());
        driver.receive([*byte]).unwrap();
    }
    assert_eq!(driver.delivered(), b"rest");
    found.unwrap()
}

fn error_of(bytes: &[u8]) -> &'static str {
    let failure = driver().receive(bytes).unwrap_err();
    let bad = failure.downcast_ref::<BadProxyHeader>().unwrap();
    assert_eq!(bad.sender, sender());
    bad.what
}

#[test]
fn version_1_of_both_families() {
    let line = b"PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\n";
    let (header, peer) = read_in_each_cut(line);
    assert_eq!(header.version, ProxyVersion::V1);
    assert_eq!(peer.to_string(), "203.0.113.9:50000");
    assert_eq!(header.destination.unwrap().to_string(), "192.0.2.1:443");

    let line = b"PROXY TCP6 2001:db8::9 2001:db8::1 50000 443\r\n";
    let (_, peer) = read_in_each_cut(line);
    assert_eq!(peer.to_string(), "[2001:db8::9]:50000");
}

#[test]
fn version_1_of_an_unknown_origin() {
    let long = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
    for line in [&b"PROXY UNKNOWN\r\n"[..], long] {
        let (header, peer) = read_in_each_cut(line);
        assert_eq!(header.source, None);
        assert_eq!(peer, sender());
    }
}

#[test]
fn version_2_of_each_family() {
    let body = b"\xcb\x00\x71\x09\xc0\x00\x02\x01\xc3\x50\x01\xbb";
    let (header, peer) = read_in_each_cut(&binary(0x21, 0x11, body));
    assert_eq!(header.version, ProxyVersion::V2);
    assert_eq!(peer.to_string(), "203.0.113.9:50000");

    let mut body = [0; 36];
    (body[15], body[31], body[33], body[35]) = (9, 1, 7, 80);
    let (header, peer) = read_in_each_cut(&binary(0x21, 0x21, &body));
    assert_eq!(peer.to_string(), "[::9]:7");
    assert_eq!(header.destination.unwrap().to_string(), "[::1]:80");

    let mut body = [0; 216];
    body[..4].copy_from_slice(b"/run");
    body[108..113].copy_from_slice(b"\0name");
    let (header, peer) = read_in_each_cut(&binary(0x21, 0x31, &body));
    assert_eq!(peer, Address::from(UnixAddress::from("/run")));
    let name = UnixAddress::Abstract(b"name".to_vec());
    assert_eq!(header.destination, Some(Address::from(name)));
}

#[test]
fn version_2_of_the_sender_itself() {
    let body = b"\xcb\x00\x71\x09\xc0\x00\x02\x01\xc3\x50\x01\xbb";
    // What belongs to no connection, or to a family that is not specified.
    for (command, family, body) in [(0x20, 0x11, &body[..]), (0x20, 0, b""), (0x21, 0, b"x")] {
        let (header, peer) = read_in_each_cut(&binary(command, family, body));
        assert_eq!(header.source, None);
        assert_eq!(peer, sender());
    }
}

#[test]
fn version_2_with_extensions() {
    let mut body = b"\xcb\x00\x71\x09\xc0\x00\x02\x01\xc3\x50\x01\xbb".to_vec();
    body.extend(b"\x01\x00\x02h2\x04\x00\x00");
    let (header, _) = read_in_each_cut(&binary(0x21, 0x11, &body));
    let expected = [(1, b"h2".to_vec()), (4, Vec::new())];
    assert_eq!(header.extensions, expected);
    body.pop();
    let cut_off = "the addresses or extensions are cut off";
    assert_eq!(error_of(&binary(0x21, 0x11, &body)), cut_off);
}

#[test]
fn bad_headers_are_refused() {
    let none = "expected a PROXY header at the beginning of the connection";
    assert_eq!(error_of(b"GET / HTTP/1.1\r\n"), none);
    assert_eq!(error_of(b"\r\n\r\n\0\r\nQUIZ"), none);
    let line = "expected `PROXY TCP4`, `TCP6` with two addresses and two ports, or `UNKNOWN`";
    for bad in [
        "PROXY TCP4 203.0.113.9 192.0.2.1 50000\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 50000 443 1\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 50000 70000\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 050 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 +50 443\r\n",
        "PROXY TCP4 ::1 ::1 50000 443\r\n",
        "PROXY TCP6 203.0.113.9 192.0.2.1 50000 443\r\n",
        "PROXY TCP4  203.0.113.9 192.0.2.1 50000 443\r\n",
        "PROXY UDP4 203.0.113.9 192.0.2.1 50000 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\n",
        "PROXY \r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 50000 443 \u{ff}\r\n",
    ] {
        assert_eq!(error_of(bad.as_bytes()), line, "{bad:?}");
    }
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat();
    assert_eq!(error_of(&long), "the line is longer than 107 bytes");
    assert_eq!(
        error_of(&binary(0x11, 0x11, b"")),
        "expected version 2 behind the binary signature"
    );
    assert_eq!(
        error_of(&binary(0x22, 0x11, b"")),
        "expected the command LOCAL or PROXY"
    );
    assert_eq!(
        error_of(&binary(0x21, 0x11, &[0; 5000])[..16]),
        "the addresses and extensions are longer than 4 KiB"
    );
}

#[test]
fn one_that_does_not_come_is_refused() {
    let mut driver = driver();
    driver.receive("PROXY").unwrap();
    driver.advance(Duration::from_millis(4999)).unwrap();
    let late = driver.advance(Duration::from_millis(1)).unwrap_err();
    assert!(late.message().contains("in time"), "{late}");

    let mut driver = self::driver();
    driver.receive("PROXY UNKNOWN\r\n").unwrap();
    driver.advance(Duration::from_secs(60)).unwrap();

    let mut driver = self::driver();
    driver.receive("PROXY UNKNOWN\r").unwrap();
    assert!(driver.receive_end().unwrap_err().is::<BadProxyHeader>());
}

#[test]
fn only_those_that_are_allowed_may_send_one() {
    let balancer = IpAddr::from([192, 0, 2, 7]);
    let proxy = ProxyProtocol::from_addresses([balancer]);
    let from = |ip: IpAddr| FilterDriver::with_peer(proxy.filter(), SocketAddr::new(ip, 1).into());
    assert!(from(balancer).is_ok());
    let IpAddr::V4(v4) = balancer else {
        unreachable!("it is written so above")
    };
    assert!(from(v4.to_ipv6_mapped().into()).is_ok());
    let refused = from(IpAddr::from([192, 0, 2, 8])).unwrap_err();
    assert!(refused.is::<NotAllowed>());
    assert!(refused.message().contains("192.0.2.8"), "{refused}");

    let by_path = ProxyProtocol::from_senders(|peer| peer.as_unix().is_some());
    let unix = Address::from(UnixAddress::Unnamed);
    assert!(FilterDriver::with_peer(by_path.filter(), unix).is_ok());
    assert!(FilterDriver::with_peer(by_path.filter(), sender()).is_err());
}

proptest! {
    #[test]
    fn whatever_comes_is_a_header_or_an_error(
        start in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 1.2.3.4 ", SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x20"]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cut in 0..200usize,
    ) {
        let all = [start, &bytes].concat();
        let outcome = |parts: &[&[u8]]| {
            let mut driver = driver();
            let mut result = Ok(());
            for part in parts.iter().filter(|part| !part.is_empty()) {
                result = driver.receive(part).map_err(|failure| failure.message());
                if result.is_err() {
                    break;
                }
            }
            (result, driver.peer().clone(), driver.is_open())
        };
        let cut = cut.min(all.len());
        prop_assert_eq!(outcome(&[&all]), outcome(&[&all[..cut], &all[cut..]]));
    }
}
