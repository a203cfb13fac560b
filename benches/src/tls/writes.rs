//! A thousand writes of a byte in one handler, next to one write of a thousand bytes: processor
//! time of the server, and bytes on the wire.

use std::error::Error;

use super::load::Connection;
use super::{WRITES, command};
use crate::echo::server::Server;
use crate::stats::{Estimate, median, ratios};
use crate::table::Table;

const ANSWERS: usize = 1000;

pub(super) fn run(rounds: usize) -> Result<(), Box<dyn Error>> {
    println!("tls writes: for an answer of 1000 bytes; {rounds} rounds of {ANSWERS} answers");
    println!();
    let mut times = [Vec::new(), Vec::new()];
    let mut bytes = [0.0; 2];
    for _ in 0..rounds {
        for (index, question) in [b"o", b"m"].into_iter().enumerate() {
            let (time, on_the_wire) = measure(question)?;
            times[index].push(time);
            bytes[index] = on_the_wire;
        }
    }
    let [one, many] = times;
    let mut table = Table::new(["writes", "CPU, us", "to one", "bytes on the wire", "to one"]);
    for (name, times, bytes_of_this) in [("1", &one, bytes[0]), ("1000", &many, bytes[1])] {
        table.row([
            name.into(),
            format!("{:.2}", median(&mut times.clone())),
            Estimate::of(&ratios(times, &one)).text(),
            format!("{bytes_of_this:.1}"),
            format!("{:.3}", bytes_of_this / bytes[0]),
        ]);
    }
    table.print();
    Ok(())
}

/// Microseconds and bytes on the wire, for one answer.
fn measure(question: &[u8]) -> Result<(f64, f64), Box<dyn Error>> {
    let server = Server::start(&command(WRITES, &[])?)?;
    let config = benches::tls_configs::client(false)?;
    let mut connection = Connection::open(server.address, &config)?;
    let mut answer = [0; 1000];
    connection.ask(question, &mut answer)?;
    let (time, received) = (server.cpu_time()?, connection.received);
    for _ in 0..ANSWERS {
        connection.ask(question, &mut answer)?;
    }
    let used = server.cpu_time()? - time;
    let on_the_wire = connection.received - received;
    drop(connection);
    server.stop()?;
    let answers = ANSWERS as f64;
    Ok((
        used.as_secs_f64() * 1e6 / answers,
        on_the_wire as f64 / answers,
    ))
}
