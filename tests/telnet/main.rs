//! Telnet: framing, negotiation, lines, the editor, and the protocols on top, on the memory network.

mod console;
mod editor;
mod framing;
mod lines;
mod negotiation;
mod options;
mod peers;
mod support;
mod transports;
