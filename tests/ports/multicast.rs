//! `docs/core/howto/listings/udp`: `MulticastServer.py`, `MulticastClient.py` and
//! `MulticastCommon.py`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use deferred::Result;
use reactor::options::UdpOptions;
use reactor::{DatagramContext, DatagramProtocol, MulticastInterface, ReactorHandle};

const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// The original's is the system's default.
const INTERFACE: MulticastInterface = MulticastInterface::Address(Ipv4Addr::LOCALHOST);
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(228, 0, 0, 5));

pub(crate) type Print = Rc<dyn Fn(String)>;

struct MulticastPingPong {
    print: Print,
}

impl DatagramProtocol for MulticastPingPong {
    type Address = SocketAddr;

    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        // Above 1, so that it crosses routers.
        cx.port().set_multicast_ttl(5)?;
        Ok(cx.port().join_group(GROUP, INTERFACE)?)
    }

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        from: SocketAddr,
    ) -> Result<()> {
        let text = String::from_utf8_lossy(data);
        (self.print)(format!("Datagram {text} received from {from}"));
        if data == b"Client: Ping" {
            // To the sender alone, not to the group.
            cx.send_to("Server: Pong", from)?;
        }
        Ok(())
    }
}

struct MulticastPingClient {
    print: Print,
    group: SocketAddr,
}

impl DatagramProtocol for MulticastPingClient {
    type Address = SocketAddr;

    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        cx.port().set_multicast_interface(INTERFACE)?;
        cx.port().join_group(GROUP, INTERFACE)?;
        Ok(cx.send_to("Client: Ping", self.group)?)
    }

    fn datagram_received(
        &mut self,
        _cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        from: SocketAddr,
    ) -> Result<()> {
        let text = String::from_utf8_lossy(data);
        (self.print)(format!("Datagram {text} received from {from}"));
        Ok(())
    }
}

/// The original's port is 9999.
pub(crate) fn serve(reactor: &ReactorHandle, port: u16, print: Print) -> Result<u16> {
    let options = UdpOptions::new((ANYWHERE, port)).listen_multiple(true);
    let port = reactor.listen_udp(options, MulticastPingPong { print })?;
    Ok(port.address().port())
}

pub(crate) fn ping(reactor: &ReactorHandle, port: u16, print: Print) -> Result<()> {
    let group = SocketAddr::new(GROUP, port);
    let options = UdpOptions::new((ANYWHERE, port)).listen_multiple(true);
    reactor.listen_udp(options, MulticastPingClient { print, group })?;
    Ok(())
}
