//! `proxy_protocol`, behind a header sent by hand and behind HAProxy, if it is installed.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use tests::{Directory, is_there, with_listener};

use crate::program::Program;
use crate::talk::Talk;

#[test]
fn clients_have_the_address_of_the_header() {
    let (server, address) = Program::serve("proxy_protocol");
    let mut balancer = Talk::to(&address);
    balancer.says("PROXY TCP4 203.0.113.9 192.0.2.1 50000 80");
    balancer.hears("you are 203.0.113.9:50000");
    assert_eq!(balancer.rest(), "");

    let mut without = Talk::to(&address);
    without.says("hello");
    assert!(without.rest_of_anything().is_empty());

    server.send(Signal::TERM);
    server.end();

    let (_server, address) = Program::serve_with("proxy_protocol", &["--from", "192.0.2.7"]);
    let mut stranger = Talk::to(&address);
    assert!(stranger.rest_of_anything().is_empty());
}

/// HAProxy in the foreground, which passes connections on to one server. Killed when dropped.
pub(crate) struct HaProxy {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl HaProxy {
    /// `None` if it is not installed.
    pub(crate) fn start(directory: &Directory, server: &str, options: &str) -> Option<Self> {
        if !is_there("haproxy") {
            return None;
        }
        let configuration = directory.path("haproxy.cfg");
        let text = format!(
            "listen example\n  mode tcp\n  bind fd@3\n  timeout connect 30s\n  \
             timeout client 1m\n  timeout server 1m\n  server example {server} {options}\n"
        );
        fs::write(&configuration, text).expect("a file");
        let (mut command, address) = with_listener(|_| {
            let mut command = Command::new("haproxy");
            command.args(["-db", "-f", &configuration]);
            command
        });
        let child = command.stdout(Stdio::null()).spawn().expect("it starts");
        Some(Self { child, address })
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        // Errs if it has ended already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn haproxy_in_front() {
    let directory = Directory::new("haproxy");
    let (_server, server) = Program::serve("proxy_protocol");
    for options in ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl"] {
        let Some(haproxy) = HaProxy::start(&directory, &server, options) else {
            return;
        };
        let socket = TcpStream::connect(haproxy.address).expect("it listens");
        let own = socket.local_addr().expect("an address");
        Talk::over(socket).hears(&format!("you are {own}"));
    }
}
