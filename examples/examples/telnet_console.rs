//! An echo server with a console, which looks into the loop and has a command of its own.
//!
//! Twisted's counterpart: `manhole_telnet` of `twisted.conch`.
//!
//! ```text
//! cargo run --example telnet_console -- --listen 127.0.0.1:8000 --console 127.0.0.1:2323
//! telnet 127.0.0.1 2323
//! ```

use std::cell::Cell;
use std::rc::Rc;

use clap::Parser;
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

/// An echo server with a console.
#[derive(Parser)]
struct Args {
    /// The address and port of the echo; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: String,
    /// The address and port of the console.
    #[arg(long, default_value = "127.0.0.1:2323")]
    console: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let is_muted = Rc::new(Cell::new(false));
    let console = Console::new("echo> ").command("mute", "on|off: whether nothing is echoed", {
        let is_muted = Rc::clone(&is_muted);
        move |call| {
            is_muted.set(call.required(0, "on or off")? == "on");
            Ok(format!("muted: {}", is_muted.get()))
        }
    });
    let new = move || Echo {
        is_muted: Rc::clone(&is_muted),
    };
    let echo = reactor.listen_tcp(args.listen, new)?;
    let console = reactor.listen_tcp(args.console, console)?;
    println!("listening on {}", echo.address());
    println!("console on {}", console.address());
    reactor.run_until_signal()?;
    Ok(())
}
