//! `MemoryMail`: users with their accounts in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use deferred::{Deferred, fail, succeed};

use super::account::MemoryAccount;
use crate::store::account::{Account, Login};
use crate::store::error::MailboxError;

/// Mail in memory, for tests and trials: a [`Login`] to accounts whose messages are lost when the
/// process ends.
///
/// # Examples
///
/// ```
/// use reactor_mail::{Login, MailboxName, MemoryMail, NewMessage};
///
/// let mail = MemoryMail::new().with_account("bob", "sesame");
/// let account = mail.login("bob", "sesame").into_result().unwrap().unwrap();
/// let inbox = account.open(&MailboxName::inbox()).into_result().unwrap().unwrap();
/// inbox.append(NewMessage::new("Subject: hi\r\n\r\n")).ignore();
/// ```
#[derive(Clone, Default)]
pub struct MemoryMail {
    /// Password and account by name.
    accounts: BTreeMap<String, (String, Rc<MemoryAccount>)>,
}

impl MemoryMail {
    /// A store without accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an account, which has an empty INBOX.
    #[must_use]
    pub fn with_account(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        let account = Rc::new(MemoryAccount::new());
        self.accounts
            .insert(name.into(), (password.into(), account));
        self
    }

    /// The account of a user, without a check of the password.
    pub fn account(&self, name: &str) -> Option<Rc<dyn Account>> {
        let (_, account) = self.accounts.get(name)?;
        Some(Rc::<MemoryAccount>::clone(account))
    }
}

impl Login for MemoryMail {
    fn login(&self, name: &str, password: &str) -> Deferred<Rc<dyn Account>> {
        match self.accounts.get(name) {
            Some((expected, account)) if expected == password => {
                succeed(Rc::<MemoryAccount>::clone(account))
            }
            _ => fail(MailboxError::WrongLogin),
        }
    }
}

impl fmt::Debug for MemoryMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.accounts.keys()).finish()
    }
}
