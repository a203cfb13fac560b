//! `requests`: a client that awaits one answer after the other, and one with several in
//! flight: an `async` body over a `ByteStream` here, a task over a `TcpStream` under Tokio.
//!
//! The servers are other processes; the client's processor time and system calls are counted.

mod on_tokio;
mod ours;
mod redis_server;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use rustix::time::{ClockId, clock_gettime};

use self::redis_server::RedisServer;
use crate::echo::server::{self, Server};
use crate::stats::{Estimate, ratios};
use crate::table::Table;
use crate::tools::{self, Counts};

/// How to measure requests.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A few seconds in all: shows that it works, not how fast it is
    #[arg(long)]
    short: bool,
    /// Rounds: in each, every contender runs once
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Requests of one contender in a round
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// Runs this contender once, `ours` or `tokio`: what a tool counts
    #[arg(long, requires = "case", requires = "server")]
    only_run: Option<String>,
    /// The case of that run
    #[arg(long)]
    case: Option<String>,
    /// The server of that run
    #[arg(long)]
    server: Option<SocketAddr>,
}

impl Options {
    /// What continuous integration runs.
    pub(crate) fn short() -> Self {
        Self {
            short: true,
            rounds: 3,
            requests: 500,
            only_run: None,
            case: None,
            server: None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    /// 32 bytes that are echoed.
    Stream,
    /// `GET`, by the client of the crate `redis` that is shared by all.
    Redis { in_flight: usize },
}

const CASES: [(&str, Case); 3] = [
    ("stream", Case::Stream),
    ("redis1", Case::Redis { in_flight: 1 }),
    ("redis50", Case::Redis { in_flight: 50 }),
];

/// What is asked of the echo server.
const MESSAGE: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

/// Tells what was used of the processor.
type Times = fn() -> Duration;

type Contender = fn(Case, SocketAddr, usize, Times) -> Result<Duration, Box<dyn Error>>;

const CONTENDERS: [(&str, Contender); 2] = [("ours", ours::run), ("tokio", on_tokio::run)];

/// The client has no runtime of Tokio's to ask for the time.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None)
}

/// What this thread has used of the processor; it is all that a contender has.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = if options.short {
        Options::short()
    } else {
        options
    };
    if let (Some(contender), Some(case), Some(address)) =
        (&options.only_run, &options.case, options.server)
    {
        let case = CASES.iter().find(|(name, _)| name == case);
        let contender = CONTENDERS.iter().find(|(name, _)| name == contender);
        let ((_, case), (_, run)) = case.zip(contender).ok_or("no such case or contender")?;
        // Callgrind does not get along with how `rustix` asks for the time.
        run(*case, address, options.requests, || Duration::ZERO)?;
        return Ok(());
    }
    println!(
        "requests: processor time of the client for one of {}; {} rounds",
        options.requests, options.rounds
    );
    println!();
    let servers = Servers::start()?;
    times(&options, &servers)?;
    if tools::is_installed("strace") {
        syscalls(&options, &servers)?;
    } else {
        println!("requests: strace is not installed: their system calls are left out");
    }
    Ok(())
}

/// Those that there are.
struct Servers {
    echo: Option<Server>,
    redis: Option<RedisServer>,
}

impl Servers {
    fn start() -> Result<Self, Box<dyn Error>> {
        let echo = match server::built_of(&[server::EPOLL]).first() {
            Some((_, path)) => Some(Server::start(&[path.clone().into_os_string()])?),
            None => None,
        };
        let redis = if tools::is_installed("redis-server") {
            Some(RedisServer::start()?)
        } else {
            println!("redis-server is not installed: its cases are left out");
            None
        };
        Ok(Self { echo, redis })
    }

    fn of(&self, case: Case) -> Option<SocketAddr> {
        match case {
            Case::Stream => self.echo.as_ref().map(|server| server.address),
            Case::Redis { .. } => self.redis.as_ref().map(|server| server.address),
        }
    }

    fn cases(&self) -> impl Iterator<Item = (&'static str, Case, SocketAddr)> {
        CASES
            .iter()
            .filter_map(|&(name, case)| Some((name, case, self.of(case)?)))
    }
}

fn times(options: &Options, servers: &Servers) -> Result<(), Box<dyn Error>> {
    let mut table = Table::new(["case", "ours, µs", "ours to Tokio", "Tokio to itself"]);
    for (name, case, address) in servers.cases() {
        let contenders = [ours::run as Contender, on_tokio::run, on_tokio::run];
        let mut times = [const { Vec::new() }; 3];
        for round in 0..=options.rounds {
            for (times, run) in times.iter_mut().zip(contenders) {
                let time = run(case, address, options.requests, cpu_time)?;
                // The first round warms up.
                if round > 0 {
                    times.push(time.as_secs_f64() * 1e6 / options.requests as f64);
                }
            }
        }
        let [ours, tokio, again] = times;
        table.row([
            name.into(),
            format!("{:.2}", Estimate::of(&ours).median),
            Estimate::of(&ratios(&ours, &tokio)).text(),
            Estimate::of(&ratios(&again, &tokio)).text(),
        ]);
    }
    table.print();
    Ok(())
}

/// Groups of system calls, whose names differ with the C library and the kernel.
const GROUPS: [(&str, &[&str]); 4] = [
    ("waits", &["epoll_wait", "epoll_pwait", "epoll_pwait2"]),
    // Sockets are not read from by these.
    ("eventfd", &["read", "write"]),
    (
        "socket",
        &[
            "recvfrom", "sendto", "readv", "writev", "recvmsg", "sendmsg",
        ],
    ),
    ("timerfd", &["timerfd_settime"]),
];

fn syscalls(options: &Options, servers: &Servers) -> Result<(), Box<dyn Error>> {
    let requests = options.requests.min(2000);
    println!("requests: system calls of the client for {requests}, by strace -c -f");
    println!();
    let [waits, eventfd, socket, timerfd] = GROUPS.map(|(name, _)| name);
    let mut table = Table::new(["client, case", waits, eventfd, socket, timerfd, "others"]);
    for (name, _, address) in servers.cases() {
        for (contender, _) in CONTENDERS {
            let count = |requests| count_of(contender, name, address, requests);
            let (few, many) = (count(requests)?, count(2 * requests)?);
            let of = |names: &[&str]| -> u64 {
                let sum = |counts: &Counts| names.iter().filter_map(|&name| counts.get(name)).sum();
                let (few, many): (u64, u64) = (sum(&few), sum(&many));
                many.saturating_sub(few)
            };
            let known: Vec<&str> = GROUPS
                .iter()
                .flat_map(|(_, names)| *names)
                .copied()
                .collect();
            let others: Vec<&str> = many
                .keys()
                .map(String::as_str)
                .filter(|name| !known.contains(name))
                .collect();
            let [waits, eventfd, socket, timerfd] = GROUPS.map(|(_, names)| of(names).to_string());
            let others = of(&others).to_string();
            let client = format!("{contender}, {name}");
            table.row([client, waits, eventfd, socket, timerfd, others]);
        }
    }
    table.print();
    Ok(())
}

/// The system calls of a process with so many requests.
fn count_of(
    contender: &str,
    case: &str,
    address: SocketAddr,
    requests: usize,
) -> Result<Counts, Box<dyn Error>> {
    let (address, requests) = (address.to_string(), requests.to_string());
    tools::STRACE.count_self(&[
        "requests",
        "--only-run",
        contender,
        "--case",
        case,
        "--server",
        &address,
        "--requests",
        &requests,
    ])
}
