//! Resident memory of TLS connections that have echoed once, and how much of it is rustls's own
//! state.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use rustls::{ClientConnection, ServerConnection};

use super::Entrant;
use super::load::Connection;
use crate::allocations;
use crate::echo::idle::resident;
use crate::echo::server::Server;
use crate::table::Table;

pub(super) fn run(count: usize) -> Result<(), Box<dyn Error>> {
    println!("tls idle: {count} connections, each of which has echoed once");
    println!();
    let rustls = state_of_rustls()?;
    let [ours, small, _] = Entrant::all()?;
    let mut table = Table::new([
        "server",
        "resident bytes a connection",
        "without rustls's own",
    ]);
    table.row([
        "rustls by itself".into(),
        format!("{rustls:.0}"),
        "0".into(),
    ]);
    for entrant in [ours, small] {
        let server = Server::start(&entrant.command)?;
        let config = benches::tls_configs::client(false)?;
        let connect = || -> Result<_, Box<dyn Error>> {
            let mut connection = Connection::open(server.address, &config)?;
            connection.ask(&[7; 64], &mut [0; 64])?;
            Ok(connection)
        };
        // What is made once, the first ones make.
        let first = (0..10).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
        let before = resident(&server)?;
        let others = (0..count)
            .map(|_| connect())
            .collect::<Result<Vec<_>, _>>()?;
        let bytes = (resident(&server)? - before) / count as f64;
        drop((first, others));
        server.stop()?;
        table.row([
            entrant.name.into(),
            format!("{bytes:.0}"),
            format!("{:.0}", bytes - rustls),
        ]);
    }
    table.print();
    Ok(())
}

/// Bytes of the heap that a server's connection of rustls holds once it has echoed.
fn state_of_rustls() -> Result<f64, Box<dyn Error>> {
    const COUNT: usize = 100;
    let server = benches::tls_configs::server_of_peers()?;
    let client = benches::tls_configs::client(false)?;
    let mut all = Vec::with_capacity(COUNT);
    let mut bytes = 0;
    for _ in 0..COUNT {
        let name = benches::tls_configs::server_name();
        let mut client = ClientConnection::new(Arc::clone(&client), name)?;
        let mut to_server = Vec::with_capacity(64 * 1024);
        // Only what the server's side does is counted.
        let (new, held, _) =
            allocations::held(|| ServerConnection::new(Arc::clone(&server)).map(Box::new));
        let mut server = new?;
        bytes += held;
        let mut is_asked = false;
        while client.wants_write() || server.wants_write() {
            to_server.clear();
            client.write_tls(&mut to_server)?;
            let mut to_client = Vec::with_capacity(64 * 1024);
            let (outcome, held, _) =
                allocations::held(|| step(&mut server, &to_server, &mut to_client));
            outcome?;
            bytes += held;
            let mut rest = &to_client[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest)?;
                client.process_new_packets()?;
            }
            if !client.is_handshaking() && !is_asked {
                is_asked = true;
                std::io::Write::write_all(&mut client.writer(), &[7; 64])?;
            }
        }
        all.push(server);
    }
    drop(black_box(all));
    Ok(bytes as f64 / COUNT as f64)
}

/// The server takes `input`, and sends what it has to, and what was sent to it.
fn step(
    server: &mut ServerConnection,
    input: &[u8],
    output: &mut Vec<u8>,
) -> Result<(), Box<dyn Error>> {
    let mut rest = input;
    let mut plain = [0; 64];
    loop {
        if !rest.is_empty() {
            server.read_tls(&mut rest)?;
        }
        server.process_new_packets()?;
        if let Ok(length) = std::io::Read::read(&mut server.reader(), &mut plain) {
            std::io::Write::write_all(&mut server.writer(), &plain[..length])?;
        }
        while server.wants_write() {
            server.write_tls(output)?;
        }
        if rest.is_empty() {
            return Ok(());
        }
    }
}
