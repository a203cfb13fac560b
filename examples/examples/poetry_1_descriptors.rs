//! Poetry, step 1: sockets that the loop watches. Everything else is done by hand.
//!
//! Gain over blocking sockets: one thread reads three poems at once, each as its bytes come.
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

use std::cell::Cell;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::rc::Rc;

use deferred::Result;
use reactor::Reactor;

use crate::server::recite_all;

/// Reads the available bytes into `poem`; returns whether there may be more.
fn read(title: &str, poem: &mut Vec<u8>, mut socket: impl Read) -> bool {
    let mut piece = [0; 1024];
    match socket.read(&mut piece) {
        Ok(0) => println!("{title}: complete, {} bytes", poem.len()),
        Ok(length) => {
            println!("{title}: {length} bytes");
            poem.extend(&piece[..length]);
            return true;
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
        Err(error) => println!("{title}: broken off after {} bytes: {error}", poem.len()),
    }
    false
}

fn main() -> Result<()> {
    let reactor = Reactor::new()?;
    let incoming = Rc::new(Cell::new(0));
    for (poem, server) in recite_all(&reactor)? {
        let socket = TcpStream::connect(server)?;
        socket.set_nonblocking(true)?;

        let title = poem.title;
        let mut text = Vec::new();
        let (others, handle) = (Rc::clone(&incoming), reactor.handle());
        reactor.add_reader(socket, move |mut socket| {
            if read(title, &mut text, &mut socket) {
                return;
            }
            socket.remove();
            others.set(others.get() - 1);
            if others.get() == 0 {
                handle.stop();
            }
        })?;
        incoming.set(incoming.get() + 1);
    }
    reactor.run()?;
    println!("that was all");
    Ok(())
}
