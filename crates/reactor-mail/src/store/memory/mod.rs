//! Store in memory: for tests, and as an example of a store.

mod account;
mod mailbox;
mod users;

pub use self::users::MemoryMail;
