//! Options: their names, their negotiation, and the content of a subnegotiation.

mod code;
mod negotiation;
mod window_size;

pub use self::code::{Command, TelnetOption, Verb};
pub(crate) use self::code::{IAC, SB, SE};
pub use self::negotiation::{Answer, Negotiation, Side};
pub use self::window_size::WindowSize;
