//! Server-sent events: to one client, and the same to many.

mod event;
mod feed;
mod sender;

pub use self::event::Event;
pub use self::feed::EventFeed;
pub use self::sender::{EventSender, Events};
