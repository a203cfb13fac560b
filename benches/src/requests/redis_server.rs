//! `redis-server`, at a port of its own, with nothing in it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running server. Dropping it ends it.
pub(super) struct RedisServer {
    process: Child,
    pub(super) address: SocketAddr,
}

impl RedisServer {
    pub(super) fn start() -> io::Result<Self> {
        // redis-server takes no port 0, so a free one is looked for here. If another program
        // takes it first, the server fails to start, and so does the bench.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let process = Command::new("redis-server")
            .args(["--port", &address.port().to_string()])
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { process, address };
        server.wait()?;
        Ok(server)
    }

    fn wait(&self) -> io::Result<()> {
        const PAUSE: Duration = Duration::from_millis(10);
        const PATIENCE: u32 = 1000;
        for _ in 0..PATIENCE {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Err(io::Error::other("redis-server does not listen"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Errs only if it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
