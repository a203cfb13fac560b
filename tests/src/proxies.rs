//! nginx and HAProxy in front of a server, with the configurations of `examples/deploy`.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

use crate::certificates::Pair;
use crate::{Directory, listener, redirected};

/// A running proxy. Ended when dropped.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    files: Directory,
    /// Where it listens without TLS.
    pub http: SocketAddr,
    /// Where it listens with TLS.
    pub https: SocketAddr,
}

/// What is listened to without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// As in the configuration: a redirect to HTTPS.
    Redirects,
    /// The site, as with TLS.
    Serves,
}

/// The configuration with `from` replaced, which has to be in it.
fn replace(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "no {from:?} in\n{text}");
    *text = text.replace(from, to);
}

/// A file of `examples/deploy`, with `pair` as its certificate.
fn configuration(name: &str, files: &Directory, pair: &Pair) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/deploy");
    let mut text = fs::read_to_string(folder.join(name)).expect("a file");
    let Pair { certificate, key } = pair;
    fs::write(files.join("site.pem"), format!("{certificate}{key}")).expect("a file");
    fs::write(files.join("fullchain.pem"), certificate).expect("a file");
    fs::write(files.join("privkey.pem"), key).expect("a file");
    replace(&mut text, "/etc/ssl/site/", &files.path(""));
    text
}

impl Proxy {
    /// Starts a proxy that gets its ports as descriptors 3 and 4: so they are open before it runs.
    fn start(
        files: Directory,
        command: impl FnOnce(&Directory, SocketAddr, SocketAddr) -> Command,
    ) -> Self {
        let ((plain, http), (encrypted, https)) = (listener(), listener());
        let command = command(&files, http, https);
        let mut shell = redirected(&command, "3<&0 4<&1 0</dev/null 1>/dev/null");
        shell
            .stdin(OwnedFd::from(plain))
            .stdout(OwnedFd::from(encrypted));
        Self {
            child: shell.spawn().expect("it starts"),
            files,
            http,
            https,
        }
    }

    /// HAProxy, which shares requests out between `servers`.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be started.
    pub fn haproxy(servers: &[SocketAddr], plain: Plain, pair: &Pair) -> Self {
        Self::start(Directory::new("haproxy"), |files, _, _| {
            let mut text = configuration("haproxy.cfg", files, pair);
            replace(&mut text, "/run/haproxy.sock", &files.path("admin"));
            replace(&mut text, "bind :80\n", "bind fd@3\n");
            replace(&mut text, "bind :443 ", "bind fd@4 ");
            if plain == Plain::Serves {
                let redirect = "    http-request redirect scheme https unless { ssl_fc }\n";
                replace(&mut text, redirect, "");
            }
            replace(&mut text, "    server one 127.0.0.1:8081\n", "");
            replace(&mut text, "    server two 127.0.0.1:8082\n", "");
            for (number, server) in servers.iter().enumerate() {
                text += &format!("    server s{number} {server}\n");
            }
            fs::write(files.join("haproxy.cfg"), text).expect("a file");
            let mut command = Command::new("haproxy");
            command.args(["-db", "-f", &files.path("haproxy.cfg")]);
            command
        })
    }

    /// What HAProxy answers to a command.
    ///
    /// # Panics
    ///
    /// Panics if it is not HAProxy, or does not run yet.
    pub fn command(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(self.files.path("admin")).expect("HAProxy runs");
        writeln!(socket, "{command}").expect("it fits");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("text");
        answer
    }

    /// nginx in front of `server`.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be started.
    pub fn nginx(server: SocketAddr, plain: Plain, pair: &Pair) -> Self {
        Self::start(Directory::new("nginx"), |files, http, https| {
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("{kind}_temp_path {};\n", files.path(kind)))
                .concat();
            let mut text = configuration("nginx.conf", files, pair);
            if plain == Plain::Serves {
                let redirect =
                    "        return 301 https://$host$request_uri;\n    }\n    server {\n";
                replace(&mut text, redirect, "");
            }
            replace(
                &mut text,
                "http {\n",
                &format!("http {{\naccess_log off;\n{temporary}"),
            );
            replace(&mut text, "listen 80;", &format!("listen {http};"));
            replace(&mut text, "listen 443 ", &format!("listen {https} "));
            replace(&mut text, "127.0.0.1:8080", &server.to_string());
            let text = format!(
                "daemon off;\nworker_processes 1;\npid {};\nerror_log stderr crit;\n{text}",
                files.path("nginx.pid"),
            );
            fs::write(files.join("nginx.conf"), text).expect("a file");
            let mut command = Command::new("nginx");
            command
                .args(["-e", "stderr", "-c", &files.path("nginx.conf")])
                .env("NGINX", "3;4;");
            command
        })
    }

    /// The path of the certificate that it has, in PEM.
    pub fn certificate(&self) -> String {
        self.files.path("fullchain.pem")
    }
}

impl Drop for Proxy {
    /// nginx and HAProxy end their workers at a SIGTERM.
    fn drop(&mut self) {
        // Errs if it has ended already.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
