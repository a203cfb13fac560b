//! Happy eyeballs (RFC 8305): tries the addresses of a name with overlap, so that a dead address
//! costs 250 ms and not a timeout.
//!
//! `schedule` decides which address is tried when, as a state machine without sockets or a clock;
//! `race` makes the attempts.

mod race;
mod schedule;

pub(crate) use self::race::race;
