//! Handshakes for a second of the server's processor time, full ones and resumed ones.
//!
//! Each is on a connection of its own, with one byte that is echoed: then the server is done with
//! the handshake, and the client has its tickets.

use std::error::Error;
use std::ffi::OsString;

use rustls::HandshakeKind;

use super::load::Connection;
use super::{Entrant, in_turn};
use crate::echo::server::Server;
use crate::stats::{Estimate, median, ratios};
use crate::table::Table;

pub(super) fn run(rounds: usize, count: usize) -> Result<(), Box<dyn Error>> {
    println!(
        "tls handshakes: for a second of the server's processor time; {rounds} rounds of {count}"
    );
    println!();
    let mut table = Table::new([
        "handshake",
        "ours",
        "tokio-rustls, 16 KiB",
        "ours to it",
        "the control",
    ]);
    let [ours, small, _] = Entrant::all()?;
    for (name, resumes) in [("full", false), ("resumed", true)] {
        let turns = [&ours, &small, &small];
        let [ours, small, control] =
            in_turn(turns, rounds, |command| rate(command, count, resumes))?;
        table.row([
            name.into(),
            format!("{:.0}", median(&mut ours.clone())),
            format!("{:.0}", median(&mut small.clone())),
            Estimate::of(&ratios(&ours, &small)).text(),
            Estimate::of(&ratios(&control, &small)).text(),
        ]);
    }
    table.print();
    Ok(())
}

fn rate(command: &[OsString], count: usize, resumes: bool) -> Result<f64, Box<dyn Error>> {
    let server = Server::start(command)?;
    let config = benches::tls_configs::client(resumes)?;
    let handshake = || -> Result<_, Box<dyn Error>> {
        let mut connection = Connection::open(server.address, &config)?;
        connection.ask(b"x", &mut [0])?;
        let kind = connection.tls.handshake_kind();
        connection.close()?;
        Ok(kind)
    };
    // The first session is the one to resume.
    handshake()?;
    let expected = match resumes {
        true => HandshakeKind::Resumed,
        false => HandshakeKind::Full,
    };
    let before = server.cpu_time()?;
    for _ in 0..count {
        if handshake()? != Some(expected) {
            return Err(format!("a handshake was not {expected:?}").into());
        }
    }
    let used = server.cpu_time()? - before;
    server.stop()?;
    Ok(count as f64 / used.as_secs_f64())
}
