//! HAProxy and nginx in front of the server. One that is not installed is skipped, by name.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tests::{Directory, is_there, with_listener};

use crate::restarts::restart_under_load;

/// A running proxy. Killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    _files: Directory,
    pub(crate) address: SocketAddr,
}

impl Proxy {
    fn start(files: Directory, command: impl FnOnce(&Directory, SocketAddr) -> Command) -> Self {
        let (mut command, address) = with_listener(|address| command(&files, address));
        let child = command.stdout(Stdio::null()).spawn().expect("it starts");
        Self {
            child,
            _files: files,
            address,
        }
    }

    /// HAProxy, which uses the connections to the server again.
    pub(crate) fn haproxy(server: SocketAddr) -> Self {
        Self::start(Directory::new("fire-haproxy"), |files, _| {
            let text = format!(
                "listen example\n  mode http\n  bind fd@3\n  http-reuse always\n  \
                 timeout connect 30s\n  timeout client 1m\n  timeout server 1m\n  \
                 server example {server}\n"
            );
            std::fs::write(files.join("haproxy.cfg"), text).expect("a file");
            let mut command = Command::new("haproxy");
            command.args(["-db", "-f", &files.path("haproxy.cfg")]);
            command
        })
    }

    /// nginx, which keeps 8 connections to the server.
    pub(crate) fn nginx(server: SocketAddr) -> Self {
        Self::start(Directory::new("fire-nginx"), |files, address| {
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("  {kind}_temp_path {};\n", files.path(kind)))
                .concat();
            let text = format!(
                "daemon off;\nworker_processes 1;\npid {pid};\nerror_log stderr crit;\nevents {{}}\n\
                 http {{\n  access_log off;\n{temporary}  \
                 upstream app {{ server {server}; keepalive 8; }}\n  \
                 server {{ listen {address}; location / {{ proxy_pass http://app; \
                 proxy_http_version 1.1; proxy_set_header Connection \"\"; \
                 proxy_request_buffering off; }} }}\n}}\n",
                pid = files.path("nginx.pid"),
            );
            std::fs::write(files.join("nginx.conf"), text).expect("a file");
            let mut command = Command::new("nginx");
            command
                .args(["-e", "stderr", "-c", &files.path("nginx.conf")])
                .env("NGINX", "3;");
            command
        })
    }
}

impl Drop for Proxy {
    /// nginx and HAProxy end their workers at a SIGTERM.
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // Errs if it has ended already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

#[test]
fn a_restart_behind_haproxy_loses_no_answer() {
    if is_there("haproxy") {
        let mut proxy = None;
        restart_under_load(|server| proxy.insert(Proxy::haproxy(server)).address);
    }
}

#[test]
fn a_restart_behind_nginx_loses_no_answer() {
    if is_there("nginx") {
        let mut proxy = None;
        restart_under_load(|server| proxy.insert(Proxy::nginx(server)).address);
    }
}
