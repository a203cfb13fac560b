//! `Shared`: what the sessions of a console have in common.

use std::collections::BTreeMap;
use std::rc::Rc;

use deferred::Deferred;

use super::call::ConsoleCall;
use crate::link::InputMode;

pub(super) type Handler = Rc<dyn Fn(ConsoleCall) -> Deferred<String>>;
pub(super) type Check = Rc<dyn Fn(String) -> Deferred<bool>>;

#[derive(Clone)]
pub(super) struct Shared {
    pub(super) prompt: String,
    pub(super) commands: BTreeMap<String, Command>,
    pub(super) check: Option<Check>,
    pub(super) mode: InputMode,
}

#[derive(Clone)]
pub(super) struct Command {
    pub(super) help: String,
    pub(super) handler: Handler,
}
