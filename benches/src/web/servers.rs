//! The servers of each scenario, each with the peer that it is compared with.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use super::load::{Kind, Scenario};
use crate::echo::server::find;

const HYPER: &str = "web_hyper_tokio";
const AXUM: &str = "web_axum_tokio";
const IO: &str = "web_io";
const APP: &str = "web_app";
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

    /// Those that speak what `scenario` does. Twisted is among them if it is installed, and is
    /// not counted, as a tool would count the interpreter.
    pub(super) fn of(scenario: &Scenario, with_twisted: bool) -> Vec<Self> {
        let (servers, mode): (&[_], _) = match scenario.kind {
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
        if with_twisted && matches!(scenario.kind, Kind::Http1 | Kind::Json) {
            entrants.extend(Self::twisted());
        }
        entrants
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
