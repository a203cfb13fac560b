//! A chat over a UNIX socket, whose clients can pass open files to one another.
//!
//! An open file goes through the socket to the server, and from there to all clients, even to
//! those without permission to open it.
//!
//! Twisted's counterpart: `sendfd.py`.
//!
//! ```text
//! cargo run --example unix_chat -- --listen /tmp/chat
//! cargo run --example unix_chat_guest -- /tmp/chat ann
//! ```

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Parser;
use deferred::Result;
use reactor::{Connection, Context, Lines, Protocol, Reactor, UnixListenOptions};

/// A chat room at a UNIX socket.
#[derive(Parser)]
struct Args {
    /// The socket to listen on: a path, or an abstract name that begins with `@`.
    #[arg(long, default_value = "/tmp/chat")]
    listen: PathBuf,
}

/// The connections of all clients; each line goes to all of them, its sender included.
type Room = Rc<RefCell<Vec<Connection<Guest>>>>;

struct Guest {
    room: Room,
    /// Comes before the line that it was sent with.
    file: Option<OwnedFd>,
}

impl Protocol for Guest {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.room.borrow_mut().push(cx.connection());
        Ok(())
    }

    fn descriptor_received(&mut self, _cx: &mut Context<'_, Self>, file: OwnedFd) -> Result<()> {
        self.file = Some(file);
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let line = [line, b"\r\n"].concat();
        let file = self.file.take();
        let tell = |guest: &Connection<Self>| -> Result<()> {
            match &file {
                Some(file) => guest.send_descriptor(file.try_clone()?, &line)?,
                None => guest.write(&line)?,
            }
            Ok(())
        };
        // Drops the handles of closed connections.
        self.room.borrow_mut().retain(|guest| tell(guest).is_ok());
        Ok(())
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let room = Room::default();
    // Only this user may connect, and a socket file left by a crash is replaced.
    let socket = UnixListenOptions::new(args.listen).mode(0o600).lock(true);
    let port = reactor.listen_unix(socket, move || Guest {
        room: Rc::clone(&room),
        file: None,
    })?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
