//! `Credentials`: a name and a password.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A name and a password, as a client has sent them. The output of `Debug` has no password.
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::Credentials;
///
/// let login = Credentials::new("ann", "secret");
/// assert!(login.matches("ann", "secret"));
/// assert!(!login.matches("ann", "Secret"));
/// assert_eq!(format!("{login:?}"), r#"Credentials { user: "ann", .. }"#);
/// ```
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// A name and a password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            password: password.into(),
        }
    }

    /// The name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password. Compare it by [`matches`](Self::matches), or by a function for hashed
    /// passwords (Argon2, bcrypt). Such a function takes long on purpose, so call it in another
    /// thread.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Whether name and password are these. The time that it takes does not depend on where they
    /// differ.
    pub fn matches(&self, user: &str, password: &str) -> bool {
        // Both are compared, so that the time does not tell which of them was wrong.
        bool::from(same(&self.user, user) & same(&self.password, password))
    }
}

/// Whether two texts are equal, in a time that does not depend on where they differ. Hashes are
/// compared, which have one length, so that the time does not depend on the lengths of the texts,
/// either.
fn same(one: &str, other: &str) -> subtle::Choice {
    Sha256::digest(one)
        .as_slice()
        .ct_eq(Sha256::digest(other).as_slice())
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
