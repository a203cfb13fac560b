//! `docs/core/examples/ptyserv.py`

use std::net::SocketAddr;

use deferred::Result;
use reactor::{
    Command, Connection, ConnectionClosed, Context, Process, ProcessContext, ProcessEnded,
    ProcessProtocol, Protocol, Raw, ReactorHandle, WindowSize,
};

#[derive(Default)]
struct FakeTelnet {
    shell: Option<Process<Shell>>,
}

impl Protocol for FakeTelnet {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        println!("connection made");
        let command = Command::new("/bin/sh").env_clear().current_dir("/tmp");
        let command = command.pty(WindowSize::default());
        let shell = Shell(cx.connection());
        self.shell = Some(cx.reactor().spawn_process(command, shell)?);
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.shell.as_ref().map(|shell| shell.write(data));
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        println!("connection lost");
        self.shell.as_ref().map(Process::lose_connection);
    }
}

struct Shell(Connection<FakeTelnet>);

impl ProcessProtocol for Shell {
    fn out_received(&mut self, _cx: &mut ProcessContext<'_, Self>, data: &[u8]) -> Result<()> {
        Ok(self.0.write(data)?)
    }

    fn process_ended(&mut self, _cx: &mut ProcessContext<'_, Self>, _ended: ProcessEnded) {
        println!("protocol connection lost");
        self.0.lose_connection();
    }
}

/// The original's port is 5823.
pub(crate) fn start(reactor: &ReactorHandle, port: u16) -> Result<SocketAddr> {
    let port = reactor.listen_tcp(("127.0.0.1", port), FakeTelnet::default)?;
    Ok(port.address())
}
