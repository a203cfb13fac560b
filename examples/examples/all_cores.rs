//! A server on all cores: one reactor per core, which share only the port.
//!
//! The system distributes the connections. Each answer has the number of its reactor.
//!
//! Twisted's counterpart: none; Twisted needs a process per core.
//!
//! ```text
//! cargo run --example all_cores -- --listen 127.0.0.1:8009
//! nc 127.0.0.1 8009
//! ```

use std::sync::{Arc, Mutex};

use clap::Parser;
use deferred::Result;
use reactor::{Context, Cores, HostPort, Lines, Protocol, ReactorHandle, TcpListenOptions};

/// Sends lines back, with the number of the reactor that does so.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8009")]
    listen: String,
    /// How many reactors there are; without it, one for each core.
    #[arg(long)]
    reactors: Option<usize>,
}

struct Echo {
    reactor: usize,
}

impl Protocol for Echo {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let said = String::from_utf8_lossy(line);
        cx.send_line(format!("reactor {}: {said}", self.reactor));
        Ok(())
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let address = Arc::new(Mutex::new(HostPort::from(args.listen)));

    // Called by each, in its thread.
    let shared = Arc::clone(&address);
    let listen = move |reactor: &ReactorHandle, number| {
        let mut address = shared.lock().expect("no panic");
        let options = TcpListenOptions::new(address.clone()).reuse_port(true);
        let port = reactor.listen_tcp(options, move || Echo { reactor: number })?;
        // If the system chose the port of the first reactor, the others use the same.
        *address = port.address().into();
        Ok(())
    };
    let cores = match args.reactors {
        Some(count) => Cores::start(count, listen)?,
        None => Cores::start_on_all(listen)?,
    };
    println!("listening on {}", address.lock().expect("no panic"));
    println!("{} reactors", cores.remotes().len());
    cores.run_until_signal()?;
    Ok(())
}
