//! A group that everybody hears who has joined it: two members on this host, which hear
//! each other and themselves.
//!
//! Twisted's counterpart: `MulticastPingPong` of "UDP Networking".
//!
//! ```text
//! cargo run --example multicast
//! ```

use std::net::{Ipv4Addr, SocketAddr};

use reactor::{
    DatagramContext, DatagramPort, DatagramProtocol, MulticastInterface, Reactor, ReactorHandle,
    UdpOptions,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(228, 0, 0, 5);

/// Members on other hosts would use the interface that leads there.
const INTERFACE: MulticastInterface = MulticastInterface::Address(Ipv4Addr::LOCALHOST);

struct Member {
    name: &'static str,
    heard: usize,
}

impl DatagramProtocol for Member {
    type Address = SocketAddr;

    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
        cx.port().join_group(GROUP.into(), INTERFACE)?;
        cx.port().set_multicast_interface(INTERFACE)?;
        println!("{} has joined", self.name);
        Ok(())
    }

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        _: SocketAddr,
    ) -> deferred::Result<()> {
        println!("{} hears: {}", self.name, String::from_utf8_lossy(data));
        self.heard += 1;
        if self.heard == 2 {
            cx.port().leave_group(GROUP.into(), INTERFACE)?;
            cx.stop_listening();
        }
        Ok(())
    }
}

/// Several may listen on the port: it is where the group is heard.
fn join(
    reactor: &ReactorHandle,
    port: u16,
    name: &'static str,
) -> Result<DatagramPort<Member>, Box<dyn std::error::Error>> {
    let options = UdpOptions::new(("0.0.0.0", port)).listen_multiple(true);
    Ok(reactor.listen_udp(options, Member { name, heard: 0 })?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let reactor = Reactor::new()?;
    let ann = join(&reactor, 0, "ann")?;
    let group = SocketAddr::from((GROUP, ann.address().port()));
    let bob = join(&reactor, group.port(), "bob")?;

    ann.send_to("hello, all", group)?;
    bob.send_to("hello, ann", group)?;
    while !(ann.is_gone() && bob.is_gone()) {
        reactor.turn(None)?;
    }
    Ok(())
}
