//! Poetry, first rung: sockets that the loop watches. Everything else is done by hand.
//!
//! What it gains over sockets that block: three poems come in at once, in one thread.
//! Whichever has something to read is read; nobody waits for anybody else.
//!
//! Twisted's counterpart: `twisted-client-1` of the introduction by Dave Peticolas.
//!
//! ```text
//! cargo run --example poetry_1_descriptors
//! ```

#[path = "poetry/poems.rs"]
mod poems;
#[path = "poetry/server.rs"]
mod server;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use deferred::Result;
use reactor::{Descriptor, Reactor};
use rustix::io::Errno;

use crate::server::recite_all;

/// The poems that are still coming in, by title.
type Incoming = Rc<RefCell<BTreeMap<&'static str, Descriptor>>>;

/// Reads what is there into `poem`; says whether there may be more.
fn read(title: &str, poem: &mut Vec<u8>, socket: BorrowedFd<'_>) -> bool {
    let mut piece = [0; 1024];
    match rustix::io::read(socket, &mut piece) {
        Ok(0) => println!("{title}: complete, {} bytes", poem.len()),
        Ok(length) => {
            println!("{title}: {length} bytes");
            poem.extend(&piece[..length]);
            return true;
        }
        Err(Errno::AGAIN | Errno::INTR) => return true,
        Err(error) => println!("{title}: broken off after {} bytes: {error}", poem.len()),
    }
    false
}

fn main() -> Result<()> {
    let reactor = Reactor::new()?;
    let incoming = Incoming::default();
    for (poem, server) in recite_all(&reactor)? {
        let socket = TcpStream::connect(server)?;
        socket.set_nonblocking(true)?;

        let title = poem.title;
        let mut text = Vec::new();
        let (others, handle) = (Rc::clone(&incoming), reactor.handle());
        let reader = reactor.add_reader(socket, move |socket| {
            if read(title, &mut text, socket) {
                return;
            }
            if let Some(reader) = others.borrow_mut().remove(title) {
                reader.remove();
            }
            if others.borrow().is_empty() {
                let _ = handle.stop();
            }
        })?;
        incoming.borrow_mut().insert(title, reader);
    }
    reactor.run()?;
    println!("that was all");
    Ok(())
}
