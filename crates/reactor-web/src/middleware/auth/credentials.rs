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

    /// The password. To be compared by [`matches`](Self::matches), or by a function for hashed
    /// passwords (Argon2, bcrypt), which takes long on purpose: in a thread, then.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Whether both are these. It takes as long whatever the difference is.
    pub fn matches(&self, user: &str, password: &str) -> bool {
        // Both are compared, so that the time does not tell which of them was wrong.
        bool::from(same(&self.user, user) & same(&self.password, password))
    }
}

/// Whether two texts are equal, in a time that does not depend on where they differ. The hashes
/// have one length, so that it does not depend on that of the texts, either.
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
