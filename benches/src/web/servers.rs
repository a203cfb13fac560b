//! The servers of each scenario, each with the peer that it is compared with.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs, io};

use super::load::{Kind, Scenario};
use crate::echo::server::find;
use crate::tools;

const HYPER: &str = "web_hyper_tokio";
const AXUM: &str = "web_axum_tokio";
const IO: &str = "web_io";
pub(super) const APP: &str = "web_app";
const SERVE_DIR: &str = "web_servedir_tokio";
const FILES: &str = "web_files";
const NGINX: &str = "nginx";
pub(super) const TWISTED: &str = "Twisted.web";

/// A server, and how it is started.
pub(super) struct Entrant {
    pub(super) name: &'static str,
    pub(super) peer: &'static str,
    pub(super) command: Vec<OsString>,
}

impl Entrant {
    /// The server `name`, with what it is started with before its port, if it is built.
    fn new(name: &'static str, peer: &'static str, mode: &str) -> Option<Self> {
        let mode = Some(mode).filter(|mode| !mode.is_empty());
        let command = [find(name)?.into()].into_iter().chain(mode.map(Into::into));
        Some(Self {
            name,
            peer,
            command: command.collect(),
        })
    }

    /// Those that speak what `scenario` does. Twisted and nginx are among them if they are
    /// installed, and are not counted: a tool would count the interpreter.
    pub(super) fn of(scenario: &Scenario, with_others: bool) -> Vec<Self> {
        let folder;
        let (servers, mode): (&[_], _) = match scenario.kind {
            Kind::File => {
                folder = match folder_of_files() {
                    Ok(folder) => folder,
                    Err(error) => {
                        println!("web: no folder of files can be made: {error}");
                        return Vec::new();
                    }
                };
                let servers = &[(SERVE_DIR, SERVE_DIR), (FILES, SERVE_DIR)];
                (servers, folder.to_str().unwrap_or_default())
            }
            Kind::Http1 => (
                &[(HYPER, HYPER), (IO, HYPER), (AXUM, AXUM), (APP, AXUM)],
                "",
            ),
            Kind::Json => (&[(AXUM, AXUM), (APP, AXUM)], ""),
            Kind::Http2 => (
                &[(HYPER, HYPER), (IO, HYPER), (AXUM, AXUM), (APP, AXUM)],
                "h2",
            ),
            Kind::Https => (&[(HYPER, HYPER), (IO, HYPER), (APP, HYPER)], "tls"),
        };
        let mut entrants: Vec<_> = servers
            .iter()
            .filter_map(|(name, peer)| Self::new(name, peer, mode))
            .collect();
        if entrants.len() < servers.len() {
            println!("web: some servers are not built (cargo build --release -p benches)");
        }
        if with_others && matches!(scenario.kind, Kind::Http1 | Kind::Json) {
            entrants.extend(Self::twisted());
        }
        if with_others && scenario.kind == Kind::File {
            entrants.extend(Self::nginx(mode));
        }
        entrants
    }

    /// nginx, if it and Python are installed.
    fn nginx(folder: &str) -> Option<Self> {
        let probe = Command::new("nginx")
            .arg("-v")
            .stderr(Stdio::null())
            .status();
        if !probe.is_ok_and(|status| status.success()) || !tools::is_installed("python3") {
            return None;
        }
        let script = include_str!("nginx_server.py");
        Some(Self {
            name: NGINX,
            peer: SERVE_DIR,
            command: ["python3", "-c", script, folder].map(Into::into).into(),
        })
    }

    fn twisted() -> Option<Self> {
        let probe = Command::new("python3")
            .args(["-c", "import twisted.web.server"])
            .stderr(Stdio::null())
            .status();
        if !probe.is_ok_and(|status| status.success()) {
            return None;
        }
        let script = include_str!("twisted_server.py");
        Some(Self {
            name: TWISTED,
            peer: APP,
            command: ["python3", "-c", script].map(Into::into).into(),
        })
    }
}

/// The folder with the file that is sent.
fn folder_of_files() -> io::Result<PathBuf> {
    let folder = env::temp_dir().join("benches-web-files");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("1m"), benches::web_body("/1m"))?;
    Ok(folder)
}
