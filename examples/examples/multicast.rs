//! Multicast: one question, two listeners on one port, in one group.
//!
//! The group is joined and sent to through the loopback interface, so that nothing leaves
//! this host.
//!
//! Twisted's counterpart: `MulticastServer.py` and `MulticastClient.py`.
//!
//! ```text
//! cargo run --example multicast
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use deferred::{Deferred, Result, Trigger};
use reactor::{DatagramContext, DatagramProtocol, MulticastInterface, Reactor, UdpOptions};

const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 255, 42, 98));
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const LOOPBACK: MulticastInterface = MulticastInterface::Address(Ipv4Addr::LOCALHOST);

struct Listener {
    name: &'static str,
}

impl DatagramProtocol for Listener {
    type Address = SocketAddr;

    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        Ok(cx.port().join_group(GROUP, LOOPBACK)?)
    }

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        from: SocketAddr,
    ) -> Result<()> {
        println!("{} heard: {}", self.name, String::from_utf8_lossy(data));
        // To the sender, not to the group.
        Ok(cx.send_to(format!("{} is here", self.name), from)?)
    }
}

struct Speaker {
    group: SocketAddr,
    /// Number of answers that have not come yet.
    awaited: usize,
    over: Trigger<()>,
}

impl DatagramProtocol for Speaker {
    type Address = SocketAddr;

    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        cx.port().set_multicast_interface(LOOPBACK)?;
        Ok(cx.send_to("who is there?", self.group)?)
    }

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        _from: SocketAddr,
    ) -> Result<()> {
        println!("answer: {}", String::from_utf8_lossy(data));
        self.awaited -= 1;
        if self.awaited == 0 {
            cx.stop_listening();
            self.over.callback(())?;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let reactor = Reactor::new()?;
    let shared = |port| UdpOptions::new((ANYWHERE, port)).listen_multiple(true);
    let first = reactor.listen_udp(shared(0), Listener { name: "ann" })?;
    let port = first.address().port();
    reactor.listen_udp(shared(port), Listener { name: "bob" })?;

    let (over, is_over) = Deferred::pair();
    let speaker = Speaker {
        group: SocketAddr::new(GROUP, port),
        awaited: 2,
        over,
    };
    reactor.listen_udp((ANYWHERE, 0), speaker)?;
    // Datagrams may be lost.
    reactor.block_on(is_over.add_timeout(Duration::from_secs(10), &reactor))?;
    Ok(())
}
