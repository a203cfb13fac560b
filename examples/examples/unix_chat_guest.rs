//! A client of `unix_chat`: each line of standard input is a message, and `/show FILE` sends an
//! open file.
//!
//! Standard input and output are a connection like any other. The client opens the file and
//! sends the descriptor; files of other clients come in the same way.
//!
//! Twisted's counterpart: `stdiodemo.py` and `recvfd.py`.
//!
//! ```text
//! cargo run --example unix_chat -- --listen /tmp/chat
//! cargo run --example unix_chat_guest -- /tmp/chat ann
//! ```

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use deferred::{Deferred, Result, Trigger};
use reactor::{Connection, ConnectionClosed, Context, Lines, Protocol, ReactorHandle, react};

/// Joins a chat room.
#[derive(Parser)]
struct Args {
    /// The socket of the room.
    socket: PathBuf,
    /// Your name in the chat.
    name: String,
}

/// The connection to the server, which sends the lines of all clients.
struct Room {
    file: Option<File>,
    left: Trigger<()>,
}

impl Protocol for Room {
    type Framing = Lines;

    fn descriptor_received(&mut self, _cx: &mut Context<'_, Self>, file: OwnedFd) -> Result<()> {
        self.file = Some(file.into());
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        println!("{}", String::from_utf8_lossy(line));
        if let Some(file) = self.file.take() {
            // All receivers share one file position, so read without moving it.
            let mut beginning = [0; 60];
            let length = file.read_at(&mut beginning, 0)?;
            println!(
                "  {}",
                String::from_utf8_lossy(&beginning[..length]).trim_end()
            );
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        // Errs only if it has been fired already, which nothing else does.
        let _ = self.left.callback(());
    }
}

struct Keyboard {
    name: String,
    room: Connection<Room>,
}

impl Protocol for Keyboard {
    type Framing = Lines;

    fn connection_made(&mut self, _cx: &mut Context<'_, Self>) -> Result<()> {
        Ok(self.room.send_line(format!("{} is here", self.name))?)
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let (name, line) = (&self.name, String::from_utf8_lossy(line));
        let Some(path) = line.strip_prefix("/show ") else {
            return Ok(self.room.send_line(format!("{name}: {line}"))?);
        };
        match File::open(path) {
            Ok(file) => {
                let line = format!("{name} shows {path}\r\n");
                self.room.send_descriptor(file, line)?;
            }
            Err(error) => println!("{path}: {error}"),
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        self.room.lose_connection();
    }
}

/// Fires when the guest has left.
fn visit(reactor: &ReactorHandle, Args { socket, name }: Args) -> Deferred<()> {
    let (left, has_left) = Deferred::pair();
    let handle = reactor.clone();
    reactor
        .connect_unix(socket, Room { file: None, left })
        .add_callback(move |room| Ok(handle.stdio(Keyboard { name, room })?))
        .add_callback(|_keyboard| has_left)
}

fn main() -> ExitCode {
    let args = Args::parse();
    react(|reactor| visit(reactor, args))
}
