//! Mail in memory: for tests, and as the model of a store.

mod account;
mod mailbox;
mod users;

pub use self::users::MemoryMail;
