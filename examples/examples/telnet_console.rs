//! An echo server with a console, which looks into the loop and has a command of its own.
//!
//! Twisted's counterpart: `manhole_telnet` of `twisted.conch`.
//!
//! ```text
//! cargo run --example telnet_console
//! telnet 127.0.0.1 2323
//! ```

use std::cell::Cell;
use std::rc::Rc;

use deferred::Result;
use reactor::{Context, Protocol, Raw, Reactor};
use reactor_telnet::Console;

struct Echo {
    is_muted: Rc<Cell<bool>>,
}

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        if !self.is_muted.get() {
            cx.write(data);
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let echo = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let console = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:2323".to_owned());

    let reactor = Reactor::new()?;
    let is_muted = Rc::new(Cell::new(false));
    let commands = Console::new("echo> ").command("mute", "on|off: whether nothing is echoed", {
        let is_muted = Rc::clone(&is_muted);
        move |call| {
            is_muted.set(call.required(0, "on or off")? == "on");
            Ok(format!("muted: {}", is_muted.get()))
        }
    });
    let echo = reactor.listen_tcp(echo, move || Echo {
        is_muted: Rc::clone(&is_muted),
    })?;
    let console = reactor.listen_tcp(console, commands)?;
    println!(
        "echo on {}, console on {}",
        echo.address(),
        console.address()
    );
    reactor.run()?;
    Ok(())
}
