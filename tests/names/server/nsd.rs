//! The same questions to a zone and to nsd, which serves the same text.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use reactor_names::hickory_proto::op::Message;
use reactor_names::hickory_proto::rr::{Record, RecordType};
use tests::{Directory, free_port, is_there};

use super::{TEXT, decoded, encoded, question, zone};

pub(super) struct Nsd {
    process: Child,
    /// Kept, since nsd writes to it to its end.
    _log: BufReader<ChildStderr>,
    socket: UdpSocket,
    _folder: Directory,
}

impl Nsd {
    /// Starts it on a free port, on another one if that was taken before nsd bound it. `zone` has the
    /// options of the zone; the file `zone` has its text.
    pub(super) fn start(zone: &str) -> Self {
        let mut started = (0..5).filter_map(|_| Self::spawn(zone));
        started.next().expect("nsd does not start")
    }

    /// `None` if it ends without listening.
    fn spawn(zone: &str) -> Option<Self> {
        let folder = Directory::new("nsd");
        let port = free_port();
        let here = folder.path("");
        let config = format!(
            "server:\n  ip-address: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  \
             zonesdir: \"{here}\"\n  database: \"\"\n  pidfile: \"{here}/pid\"\n  \
             xfrdfile: \"{here}/xfrd\"\n  zonelistfile: \"{here}/list\"\n  \
             cookie-secret-file: \"{here}/cookie\"\n  server-count: 1\n  rrl-ratelimit: 0\n\
             remote-control:\n  control-enable: no\n\
             zone:\n  name: example.org\n{zone}"
        );
        fs::write(folder.path("zone"), TEXT).expect("it is written");
        fs::write(folder.path("conf"), config).expect("it is written");
        // So that a test that hangs leaves nothing behind.
        let mut process = Command::new("timeout")
            .args(["120", "nsd", "-d", "-c", &folder.path("conf")])
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut log = BufReader::new(process.stderr.take().expect("it is piped"));
        let listens = log
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("nsd started"));
        if !listens {
            process.wait().expect("it has ended");
            return None;
        }
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect(("127.0.0.1", port)).expect("an address");
        let wait = Some(Duration::from_millis(200));
        socket.set_read_timeout(wait).expect("it is set");
        Some(Self {
            process,
            _log: log,
            socket,
            _folder: folder,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.socket.peer_addr().expect("it is connected")
    }

    /// Asks until there is an answer. What was asked twice may be answered twice, the second time
    /// while the next question waits.
    fn ask(&self, query: &Message) -> Message {
        let mut bytes = [0; 4096];
        for _ in 0..100 {
            self.socket.send(&encoded(query)).expect("nsd listens");
            while let Ok(length) = self.socket.recv(&mut bytes) {
                let response = decoded(&bytes[..length]);
                if response.queries == query.queries {
                    return response;
                }
            }
        }
        panic!("nsd does not answer");
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        // SIGTERM, at which nsd ends its children too.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.process.wait();
    }
}

fn sorted(records: &[Record]) -> Vec<String> {
    let mut records: Vec<_> = records.iter().map(Record::to_string).collect();
    records.sort();
    records
}

/// What must be equal: code, flag, answers; and the authority section where it is the answer. nsd
/// adds the zone's NS records to the others as a courtesy.
fn essence(response: &Message) -> (String, bool, Vec<String>, Vec<String>) {
    let decides = |record: &&Record| {
        let is_zone_ns = record.record_type() == RecordType::NS && record.name.iter().len() == 2;
        !is_zone_ns
    };
    let authorities: Vec<_> = response
        .authorities
        .iter()
        .filter(decides)
        .cloned()
        .collect();
    (
        response.metadata.response_code.to_string(),
        response.metadata.authoritative,
        sorted(&response.answers),
        sorted(&authorities),
    )
}

#[test]
fn answers_are_those_of_nsd() {
    if !is_there("nsd") {
        return;
    }
    let nsd = Nsd::start("  zonefile: zone\n");
    let owners = TEXT
        .lines()
        .skip(1)
        .map(|line| line.split_once(' ').expect("an owner").0);
    let mut names: Vec<String> = Vec::new();
    for owner in owners.chain(["none", "wild", "deep", "b.deep", "alias", "_tcp", "y.wild"]) {
        let full = match owner {
            "@" => "example.org.".to_owned(),
            owner => format!("{owner}.example.org."),
        };
        names.extend([format!("a.{full}"), format!("X.y.{full}"), full]);
    }
    names.push("example.com.".to_owned());
    names.sort();
    names.dedup();
    let types = [
        RecordType::A,
        RecordType::AAAA,
        RecordType::NS,
        RecordType::MX,
        RecordType::TXT,
        RecordType::CNAME,
        RecordType::SOA,
        RecordType::SRV,
        RecordType::DS,
    ];
    let zone = zone();
    let mut asked = 0;
    for name in &names {
        for record_type in types {
            let query = question(name, record_type);
            let theirs = nsd.ask(&query);
            let mut ours = Message::response(4711, query.metadata.op_code);
            ours.queries.clone_from(&query.queries);
            zone.answer_into(&mut ours);
            assert_eq!(essence(&ours), essence(&theirs), "{name} {record_type}");
            asked += 1;
        }
    }
    assert!(asked >= 500, "{asked}");
}
