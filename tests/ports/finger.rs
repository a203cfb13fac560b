//! `docs/core/howto/tutorial/listings/finger/finger08.py`

use std::collections::BTreeMap;
use std::rc::Rc;

use deferred::{Deferred, Result, succeed};
use reactor::{Context, Lines, Protocol, ReactorHandle};

type Users = Rc<BTreeMap<&'static [u8], &'static [u8]>>;

struct Finger {
    users: Users,
}

impl Finger {
    fn get_user(&self, user: &[u8]) -> Deferred<&'static [u8]> {
        succeed(*self.users.get(user).unwrap_or(&b"No such user".as_slice()))
    }
}

impl Protocol for Finger {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, user: &[u8]) -> Result<()> {
        cx.when(self.get_user(user), |_, cx, message| {
            cx.send_line(message.unwrap_or(b"Internal error in server"));
            cx.lose_connection();
        });
        Ok(())
    }
}

pub(crate) fn start(reactor: &ReactorHandle) -> Result<()> {
    let users = Users::new([(b"moshez".as_slice(), b"Happy and well".as_slice())].into());
    reactor.listen_tcp("127.0.0.1:1079", move || Finger {
        users: Rc::clone(&users),
    })?;
    Ok(())
}
