//! Happy eyeballs (RFC 8305): the addresses of a name, tried so that a dead one costs 250 ms and
//! not a timeout.
//!
//! `schedule` says which address comes when, and knows no socket and no clock; `race` makes the
//! attempts that it asks for.

mod race;
mod schedule;

pub(crate) use self::race::race;
