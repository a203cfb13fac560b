//! Measurements next to peers: what each subcommand measures, and how to read it,
//! is in the package's README.

mod allocations;
mod bodies;
mod chains;
mod connects;
mod contest;
mod dispatch;
mod echo;
mod framings;
mod http_client;
mod load;
mod lookups;
mod on_tokio;
mod peers;
mod pending;
mod postfix;
mod posts;
mod protocols;
mod reads;
mod receive;
mod requests;
mod shared;
mod sockets;
mod stats;
mod table;
mod timers;
mod tls;
mod together;
mod tools;
mod web;

use std::error::Error;

use clap::{Parser, Subcommand};

use self::chains::profile;
use self::echo::{idle, per_request};

/// Measures this project next to its peers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// What a chain of callbacks costs, next to boxes and boxed futures
    Chains(contest::Options),
    /// A chain here, under executors, in Node.js and in Twisted
    Peers(contest::Options),
    /// Several Deferreds at once: gathered, taking turns, awaited
    Together(contest::Options),
    /// The heap that pending Deferreds and bodies take
    Pending,
    /// Bodies of `inline_callbacks`: making one while many are alive, and many nested
    Bodies(bodies::Options),
    /// The flavour for several threads
    Shared(contest::Options),
    /// User-space instructions of a chain (valgrind)
    Profile(profile::Options),
    /// What echo servers do and use, under several loads
    Echo(echo::Options),
    /// What a second thread brings to echo servers
    Scaling(echo::Options),
    /// System calls of the echo servers per request (strace)
    Syscalls(per_request::Options),
    /// User-space instructions of the echo servers per request (valgrind)
    Instructions(per_request::Options),
    /// Memory and processor time of connections on which nothing happens
    Idle(idle::Options),
    /// A turn of the loop over descriptors that are always ready
    Dispatch(dispatch::Options),
    /// Delayed calls: many at once, and many one after the other
    Timers(timers::Options),
    /// Calls from another thread
    Posts(posts::Options),
    /// Requests of `async` clients, one after the other and several in flight (redis-server)
    Requests(requests::Options),
    /// Connects by address and by an endpoint in a string (valgrind)
    Connects(connects::Options),
    /// Names whose answers are in the cache, next to hickory-resolver on Tokio
    Lookups(contest::Options),
    /// Input cut into frames, next to the codecs of `tokio-util` (valgrind)
    Framings(reads::Options),
    /// The framings of SMTP and telnet, next to a search and to `Lines` (valgrind)
    Protocols(reads::Options),
    /// SMTP servers that receive messages: ours and aiosmtpd
    Receive(receive::Options),
    /// TLS servers: echoes, small writes, handshakes, idle connections
    Tls(tls::Options),
    /// What a request costs web servers: hyper on `Io` and on Tokio, `App` and axum
    Web(web::Options),
    /// What a message costs WebSocket servers: `reactor-web` and tokio-tungstenite
    Sockets(sockets::Options),
    /// An HTTP client with 32 requests at once, next to reqwest
    Client(http_client::Options),
    /// All of these, for a few seconds each: that they work, no more
    Short,
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().bench {
        Bench::Chains(options) => chains::run(options),
        Bench::Peers(options) => peers::run(options),
        Bench::Together(options) => together::run(options),
        Bench::Pending => pending::run(),
        Bench::Bodies(options) => bodies::run(options),
        Bench::Shared(options) => shared::run(options),
        Bench::Profile(options) => profile::run(options),
        Bench::Echo(options) => echo::run(options),
        Bench::Scaling(options) => echo::scaling(options),
        Bench::Syscalls(options) => per_request::syscalls(options),
        Bench::Instructions(options) => per_request::instructions(options),
        Bench::Idle(options) => idle::run(options),
        Bench::Dispatch(options) => dispatch::run(options),
        Bench::Timers(options) => timers::run(options),
        Bench::Posts(options) => posts::run(options),
        Bench::Requests(options) => requests::run(options),
        Bench::Connects(options) => connects::run(options),
        Bench::Lookups(options) => lookups::run(options),
        Bench::Framings(options) => framings::run(options),
        Bench::Protocols(options) => protocols::run(options),
        Bench::Receive(options) => receive::run(options),
        Bench::Tls(options) => tls::run(options),
        Bench::Web(options) => web::run(options),
        Bench::Sockets(options) => sockets::run(options),
        Bench::Client(options) => http_client::run(options),
        Bench::Short => {
            chains::run(contest::Options::short())?;
            peers::run(contest::Options::short())?;
            together::run(contest::Options::short())?;
            pending::run()?;
            bodies::run(bodies::Options::short())?;
            shared::run(contest::Options::short())?;
            profile::run(profile::Options::short())?;
            echo::run(echo::Options::short())?;
            echo::scaling(echo::Options::short())?;
            per_request::syscalls(per_request::Options::short())?;
            per_request::instructions(per_request::Options::short())?;
            idle::run(idle::Options::short())?;
            dispatch::run(dispatch::Options::short())?;
            timers::run(timers::Options::short())?;
            posts::run(posts::Options::short())?;
            requests::run(requests::Options::short())?;
            connects::run(connects::Options::short())?;
            lookups::run(contest::Options::short())?;
            framings::run(reads::Options::short())?;
            protocols::run(reads::Options::short())?;
            receive::run(receive::Options::short())?;
            tls::run(tls::Options::short())?;
            web::run(web::Options::short())?;
            http_client::run(http_client::Options::short())?;
            sockets::run(sockets::Options::short())
        }
    }
}
