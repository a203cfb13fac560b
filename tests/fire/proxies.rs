//! HAProxy and nginx in front of the server, with the configurations of `examples/deploy`. One that
//! is not installed is skipped, by name.

use std::net::{SocketAddr, TcpListener};

use tests::certificates::Pair;
use tests::proxies::{Plain, Proxy};
use tests::{is_there, wait_for};

use crate::restarts::{Load, restart_under_load};
use crate::support::{Kind, Server};

#[test]
fn a_restart_behind_haproxy_loses_no_answer() {
    if is_there("haproxy") {
        let mut proxy = None;
        restart_under_load(|server| {
            proxy
                .insert(Proxy::haproxy(
                    &[server],
                    Plain::Serves,
                    &Pair::new("localhost"),
                ))
                .http
        });
    }
}

#[test]
fn a_restart_behind_nginx_loses_no_answer() {
    if is_there("nginx") {
        let mut proxy = None;
        restart_under_load(|server| {
            proxy
                .insert(Proxy::nginx(server, Plain::Serves, &Pair::new("localhost")))
                .http
        });
    }
}

/// A site, whose port is closed while it does not run. It has an address of loopback for itself, so
/// that no other program gets the port in between.
struct Process {
    address: SocketAddr,
    server: Server,
}

impl Process {
    fn start(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        Self {
            address: listener.local_addr().expect("an address"),
            server: Server::start(&listener, Kind::default()),
        }
    }

    fn restart(self) -> Self {
        self.server.terminate();
        self.server.wait();
        Self::start(self.address)
    }
}

/// How many requests of server `number` HAProxy waits for.
fn under_way(proxy: &Proxy, number: usize) -> u64 {
    let table = proxy.command("show stat");
    let row = format!("site,s{number},");
    let row = table.lines().find_map(|line| line.strip_prefix(&row));
    let scur = row.expect("it has this server").split(',').nth(2);
    scur.expect("a column").parse().expect("a number")
}

/// Two processes, each with a port of its own. HAProxy sends none of them a request while it is
/// restarted.
#[test]
fn a_rolling_restart_behind_haproxy_loses_no_answer() {
    if !is_there("haproxy") {
        return;
    }
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let mut processes = [1, 2].map(|last| {
        let address = SocketAddr::from(([127, high, low, last], 0));
        Some(Process::start(address))
    });
    let addresses = processes.each_ref().map(|process| {
        let process = process.as_ref().expect("it runs");
        process.address
    });
    let proxy = Proxy::haproxy(&addresses, Plain::Serves, &Pair::new("localhost"));
    let load = Load::start(proxy.http);
    for (number, process) in processes.iter_mut().enumerate() {
        let mut running = process.take().expect("it runs");
        // The load reaches it first, so that there is something to lose.
        wait_for("some connections", || running.server.figures()[0] > 1);
        proxy.command(&format!("set server site/s{number} state drain"));
        wait_for("its last answer", || under_way(&proxy, number) == 0);
        *process = Some(running.restart());
        proxy.command(&format!("set server site/s{number} state ready"));
    }
    let answers = load.end();
    assert!(answers > 0, "{answers}");
    drop(proxy);
    for process in processes.into_iter().flatten() {
        process.server.terminate();
        process.server.wait();
    }
}
