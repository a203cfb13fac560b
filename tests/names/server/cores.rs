//! One server on several reactors, which share the port.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deferred::Result;
use reactor::{Cores, ReactorHandle};
use reactor_names::hickory_proto::op::Message;
use reactor_names::hickory_proto::rr::RecordType;
use reactor_names::{DnsRequest, DnsServer, Zone};

use super::{decoded, encoded, question};

const PATIENCE: Duration = Duration::from_secs(60);

/// The zone is parsed once for all; the number of the reactor is the TTL of its answers.
fn start(count: usize) -> Result<(Cores, SocketAddr)> {
    let text = "@ 60 IN SOA ns h 1 2 3 4 60\nhost 60 IN A 192.0.2.1\n";
    let zone = Zone::parse(text, "example.org.")?;
    let address = Arc::new(Mutex::new(SocketAddr::from(([127, 0, 0, 1], 0))));
    let shared = Arc::clone(&address);
    let cores = Cores::start(count, move |reactor, core| {
        let mut address = shared.lock().expect("no panic");
        let zone = zone.clone();
        let ttl = u32::try_from(core)?;
        let answers = move |_: &ReactorHandle, _: &DnsRequest, mut response: Message| {
            zone.answer_into(&mut response);
            response.answers[0].ttl = ttl;
            deferred::succeed(response)
        };
        let server = DnsServer::new(answers).with_reuse_port(true);
        // The system chooses the port of the first; the others use the same.
        *address = server.listen(reactor, *address)?.address();
        Ok(())
    })?;
    let address = *address.lock().expect("no panic");
    Ok((cores, address))
}

#[test]
fn the_cores_share_the_port() {
    let (cores, address) = start(2).unwrap();
    // The system chooses a core by a hash of the addresses: both come up soon.
    let (mut seen, start) = (BTreeSet::new(), Instant::now());
    while seen.len() < 2 {
        assert!(start.elapsed() < PATIENCE, "only {seen:?}");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let query = question("host.example.org.", RecordType::A);
        socket.send(&encoded(&query)).unwrap();
        let mut bytes = [0; 512];
        let length = socket.recv(&mut bytes).unwrap();
        seen.insert(decoded(&bytes[..length]).answers[0].ttl);
    }
    assert_eq!(seen, BTreeSet::from([0, 1]));
    cores.stop();
    cores.join().unwrap();
}
