//! A postfix that takes mail and discards it, for the bench `receive`: in a folder of its own, on a free
//! port.

use std::error::Error;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DAEMONS: &str = "/usr/lib/postfix/sbin";

pub(crate) struct Postfix {
    master: Child,
    folder: PathBuf,
    pub(crate) port: u16,
}

impl Postfix {
    /// `None`, and a line that says so, if it is not installed or may not be started.
    pub(crate) fn start() -> Result<Option<Self>, Box<dyn Error>> {
        if !Path::new(DAEMONS).join("master").exists() || number_of(&["-u"])? != 0 {
            println!("receive: no postfix, or not root; it is left out");
            return Ok(None);
        }
        let folder = std::env::temp_dir().join(format!("postfix-{}", std::process::id()));
        for name in ["etc", "queue", "data"] {
            fs::create_dir_all(folder.join(name))?;
        }
        // Its daemons give up root, and keep their locks there.
        chown(
            folder.join("data"),
            Some(number_of(&["-u", "postfix"])?),
            None,
        )?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = folder.display();
        let config = format!(
            "compatibility_level = 3.6\nqueue_directory = {at}/queue\ndata_directory = {at}/data\n\
             daemon_directory = {DAEMONS}\ncommand_directory = /usr/sbin\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = localhost\n\
             mydestination =\nmynetworks = 127.0.0.0/8\ndefault_transport = discard:\n\
             maillog_file = {at}/log\nmaillog_file_prefixes = {at}\nalias_maps =\n\
             alias_database =\n"
        );
        fs::write(folder.join("etc/main.cf"), config)?;
        let services = format!(
            "127.0.0.1:{port} inet n - n - - smtpd\npostlog unix-dgram n - n - 1 postlogd\n\
             cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
             rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n\
             defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n\
             discard unix - - n - - discard\nproxymap unix - - n - - proxymap\n\
             anvil unix - - n - 1 anvil\nerror unix - - n - - error\nretry unix - - n - - error\n"
        );
        fs::write(folder.join("etc/master.cf"), services)?;
        let mut command = Command::new("postfix");
        command.arg("-c").arg(folder.join("etc")).arg("start-fg");
        let postfix = Self {
            master: command.stderr(Stdio::null()).spawn()?,
            folder,
            port,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err("postfix does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Some(postfix))
    }

    /// Processor time of its `smtpd`s, in nanoseconds: those that have had a connection live on for a
    /// while.
    pub(crate) fn cpu_time(&self) -> Result<f64, Box<dyn Error>> {
        let master = fs::read_to_string(self.folder.join("queue/pid/master.pid"))?;
        let of_master = format!("PPid:\t{}\n", master.trim());
        let mut sum = 0.0;
        for process in fs::read_dir("/proc")? {
            let process = process?.path();
            // Errs for what is no process, or has ended.
            let read = |name: &str| fs::read_to_string(process.join(name)).unwrap_or_default();
            let status = read("status");
            if status.starts_with("Name:\tsmtpd\n") && status.contains(&of_master) {
                let times = read("schedstat");
                sum += times.split(' ').next().unwrap_or("0").parse::<f64>()?;
            }
        }
        Ok(sum)
    }
}

/// What `id` says.
fn number_of(arguments: &[&str]) -> Result<u32, Box<dyn Error>> {
    let said = Command::new("id").args(arguments).output()?.stdout;
    Ok(String::from_utf8(said)?.trim().parse()?)
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // Errs if it has ended by itself: then there is nothing to end.
        let _ = Command::new("postfix")
            .arg("-c")
            .arg(self.folder.join("etc"))
            .arg("stop")
            .stderr(Stdio::null())
            .status();
        let _ = self.master.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
