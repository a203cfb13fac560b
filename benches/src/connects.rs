//! `connects`: what an endpoint in a string adds to a connect by address: user-space instructions
//! (Callgrind) and allocations.

use std::error::Error;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use reactor::endpoint::{Connect, EndpointParser};
use reactor::{Connection, Protocol, Raw, Reactor};

use crate::allocations;
use crate::table::Table;
use crate::tools;

/// How to measure connects.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works
    #[arg(long)]
    short: bool,
    /// Connect in this way and do nothing else, for a profiler: the name of a row
    #[arg(long, value_name = "CONTENDER", requires_all = ["to", "connects"])]
    only_run: Option<String>,
    /// The server of that run
    #[arg(long)]
    to: Option<SocketAddr>,
    /// Connects of that run, one after the other
    #[arg(long)]
    connects: Option<usize>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            only_run: None,
            to: None,
            connects: None,
        }
    }
}

struct Quiet;

impl Protocol for Quiet {
    type Framing = Raw;
}

/// Connects once.
type Connecting = Box<dyn Fn(&Reactor) -> deferred::Result<Connection<Quiet>>>;

/// Makes it, with what is done once for all connects.
type Contender = fn(SocketAddr) -> deferred::Result<Connecting>;

const CONTENDERS: [(&str, Contender); 3] = [
    ("address", by_address),
    ("string, parsed once", by_parsed_string),
    ("string", by_string),
];

fn by_address(to: SocketAddr) -> deferred::Result<Connecting> {
    Ok(Box::new(move |reactor| {
        reactor.block_on(reactor.connect_tcp(to, Quiet))
    }))
}

fn by_parsed_string(to: SocketAddr) -> deferred::Result<Connecting> {
    let endpoint = EndpointParser::new().client(&text(to))?;
    Ok(Box::new(move |reactor| {
        reactor.block_on(endpoint.connect(reactor, Quiet))
    }))
}

fn by_string(to: SocketAddr) -> deferred::Result<Connecting> {
    let endpoint = text(to);
    Ok(Box::new(move |reactor| {
        reactor.block_on(endpoint.connect(reactor, Quiet))
    }))
}

fn text(to: SocketAddr) -> String {
    format!("tcp:{}:{}", to.ip(), to.port())
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    if let (Some(name), Some(to), Some(connects)) =
        (&options.only_run, options.to, options.connects)
    {
        let found = CONTENDERS.iter().find(|(contender, _)| contender == name);
        let (_, contender) = found.ok_or("no such contender")?;
        let (reactor, connect) = (Reactor::new()?, contender(to)?);
        let connections: Result<Vec<_>, _> = (0..connects).map(|_| connect(&reactor)).collect();
        connections?;
        // Without the end of the connections, which would be counted.
        std::process::exit(0);
    }
    println!(
        "connects: a connect by address, and by an endpoint in a string, which is parsed once or for each"
    );
    println!();
    let to = listen()?;
    let has_valgrind = tools::is_installed("valgrind");
    if !has_valgrind {
        println!("connects: valgrind is not installed; the instructions are left out");
    }
    let mut table = Table::new(["connect", "instructions", "to address", "allocations"]);
    let mut first = None;
    for (name, contender) in CONTENDERS {
        let [count, ratio] = if has_valgrind {
            let count = instructions(name, to)?;
            let first = *first.get_or_insert(count);
            [format!("{count:.0}"), format!("{:.2}", count / first)]
        } else {
            [(); 2].map(|()| String::from("-"))
        };
        let allocations = allocations_of(contender, to)?;
        table.row([name.into(), count, ratio, format!("{allocations:.1}")]);
    }
    table.print();
    Ok(())
}

/// A server whose connections do nothing until the client ends them.
fn listen() -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                // Errs if the client resets the connection: that is an end, too.
                let _ = { stream }.read(&mut [0]);
            });
        }
    });
    Ok(address)
}

/// Of one connect, without what comes only with the first ones.
fn allocations_of(contender: Contender, to: SocketAddr) -> Result<f64, Box<dyn Error>> {
    const CONNECTS: usize = 64;
    let (reactor, connect) = (Reactor::new()?, contender(to)?);
    let mut connections = Vec::with_capacity(2 * CONNECTS);
    let mut connect_all = || -> deferred::Result<()> {
        for _ in 0..CONNECTS {
            connections.push(connect(&reactor)?);
        }
        Ok(())
    };
    connect_all()?;
    let (outcome, _, count) = allocations::held(connect_all);
    outcome?;
    Ok(count as f64 / CONNECTS as f64)
}

fn instructions(name: &str, to: SocketAddr) -> Result<f64, Box<dyn Error>> {
    const FEW: usize = 20;
    const MANY: usize = 220;
    let to = to.to_string();
    let of = |connects: usize| {
        let connects = connects.to_string();
        tools::own_instructions(&[
            "connects",
            "--only-run",
            name,
            "--to",
            &to,
            "--connects",
            &connects,
        ])
    };
    Ok((of(MANY)? - of(FEW)?) / (MANY - FEW) as f64)
}
