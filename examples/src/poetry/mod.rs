//! Poems, slow servers that recite them, and a client: for the poetry programs.

mod client;
mod modern;
mod poems;
mod server;

pub use self::client::{BrokenOff, fetch};
pub use self::modern::{Modern, NothingOld, modernize};
pub use self::poems::{POEMS, Poem};
pub use self::server::{Reciter, recite_all};
