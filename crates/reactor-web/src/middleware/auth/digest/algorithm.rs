//! The hash functions of digest authentication, and the secrets of users.

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::random::hex;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Sha256,
    Md5,
}

impl Algorithm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// The algorithm with this name; MD5 if the header names none.
    pub(super) fn of(name: Option<&str>) -> Option<Self> {
        let is = |known: Self| name.is_some_and(|name| name.eq_ignore_ascii_case(known.name()));
        match name {
            Some(_) if is(Self::Sha256) => Some(Self::Sha256),
            Some(_) if is(Self::Md5) => Some(Self::Md5),
            // RFC 7616, 3.3.
            None => Some(Self::Md5),
            Some(_) => None,
        }
    }

    /// The hash of the parts with colons between them, as hexadecimal digits.
    pub(super) fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Md5 => hex(&Md5::digest(text)),
        }
    }
}

/// A user's password, or a hash in its place: [`DigestAuth`](super::DigestAuth) checks proofs with
/// it.
///
/// # Examples
///
/// The hash can be kept in place of the password. It is that of `user:realm:password`, as
/// `htdigest` writes it for MD5, and is as secret as the password for that realm:
///
/// ```
/// use reactor_web::middleware::DigestSecret;
///
/// let secret = DigestSecret::sha256("7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
/// assert_eq!(format!("{secret:?}"), "DigestSecret(..)");
/// ```
#[derive(Clone)]
pub struct DigestSecret(Kind);

#[derive(Clone)]
enum Kind {
    Password(String),
    Hashed(Algorithm, String),
}

impl DigestSecret {
    /// The password itself.
    pub fn password(password: impl Into<String>) -> Self {
        Self(Kind::Password(password.into()))
    }

    /// The SHA-256 of `user:realm:password`, as hexadecimal digits.
    pub fn sha256(hash: impl Into<String>) -> Self {
        Self(Kind::Hashed(
            Algorithm::Sha256,
            hash.into().to_ascii_lowercase(),
        ))
    }

    /// The MD5 of `user:realm:password`, as hexadecimal digits. A client that uses SHA-256 cannot
    /// log in with it.
    pub fn md5(hash: impl Into<String>) -> Self {
        Self(Kind::Hashed(
            Algorithm::Md5,
            hash.into().to_ascii_lowercase(),
        ))
    }

    /// The hash of user, realm and password; `None` if it is known for another algorithm only.
    pub(super) fn hash(&self, algorithm: Algorithm, user: &str, realm: &str) -> Option<String> {
        match &self.0 {
            Kind::Password(password) => Some(algorithm.hash(&[user, realm, password])),
            // One hash cannot be computed from the other.
            Kind::Hashed(known, hash) => (*known == algorithm).then(|| hash.clone()),
        }
    }
}

impl fmt::Debug for DigestSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestSecret(..)")
    }
}
