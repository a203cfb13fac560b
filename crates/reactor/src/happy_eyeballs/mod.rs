//! Happy eyeballs (RFC 8305): begins an attempt with the next address of a name before the last
//! attempt has failed, so that an address that does not answer costs 250 ms instead of a timeout.
//!
//! `schedule` decides which address is tried when, as a state machine without sockets or a clock;
//! `race` makes the attempts.

mod race;
mod schedule;

pub(crate) use self::race::race;
