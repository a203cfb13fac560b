//! `Proof`: the header `Authorization` of digest authentication.

use http::Method;
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;

use super::algorithm::{Algorithm, DigestSecret};
use crate::middleware::quoted::unquote;

/// The parameters of the header.
pub(super) struct Proof {
    pub(super) user: String,
    pub(super) realm: String,
    pub(super) uri: String,
    pub(super) nonce: String,
    pub(super) algorithm: Algorithm,
    /// The number of the request with this nonce, and its digits.
    pub(super) count: u32,
    count_text: String,
    client_nonce: String,
    response: String,
}

impl Proof {
    /// Parses the value of the header. `None` if it is another scheme, or a part is missing.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let params = params(rest)?;
        let get = |wanted: &str| {
            let found = params.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str())
        };
        // Without `qop`, requests have no numbers (RFC 2069), so that a proof could be used again.
        if get("qop")? != "auth" || get("userhash").is_some_and(|value| value != "false") {
            return None;
        }
        // Exactly 8 digits (RFC 7616, 3.4). The proof is made of them as they were sent, so they
        // are kept beside the number.
        let count_text = get("nc").filter(|digits| digits.len() == 8)?;
        let user = match get("username") {
            Some(user) => user.to_owned(),
            // RFC 8187: a charset, a language, and percent-encoding.
            None => {
                let encoded = get("username*")?.strip_prefix("UTF-8''")?;
                percent_decode_str(encoded).decode_utf8().ok()?.into_owned()
            }
        };
        Some(Self {
            user,
            realm: get("realm")?.to_owned(),
            uri: get("uri")?.to_owned(),
            nonce: get("nonce")?.to_owned(),
            algorithm: Algorithm::of(get("algorithm"))?,
            count: u32::from_str_radix(count_text, 16).ok()?,
            count_text: count_text.to_owned(),
            client_nonce: get("cnonce")?.to_owned(),
            response: get("response")?.to_ascii_lowercase(),
        })
    }

    /// Whether this proof is right for `secret` and a request with `method`. Takes as long for a
    /// user that does not exist.
    pub(super) fn is_right(&self, method: &Method, secret: Option<&DigestSecret>) -> bool {
        let stranger = DigestSecret::password("");
        let hashed = secret
            .unwrap_or(&stranger)
            .hash(self.algorithm, &self.user, &self.realm);
        let exists = secret.is_some() && hashed.is_some();
        let request = self.algorithm.hash(&[method.as_str(), &self.uri]);
        let expected = self.algorithm.hash(&[
            &hashed.unwrap_or_default(),
            &self.nonce,
            &self.count_text,
            &self.client_nonce,
            "auth",
            &request,
        ]);
        bool::from(expected.as_bytes().ct_eq(self.response.as_bytes())) && exists
    }
}

/// The parameters of a header, `name=value, name="value"`; names in lower case. `None` if a name is
/// there twice, or the text has another form.
fn params(mut text: &str) -> Option<Vec<(String, String)>> {
    let mut params: Vec<(String, String)> = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        if text.is_empty() {
            return Some(params);
        }
        let (name, rest) = text.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        // If a name has two values, a proxy may have checked the other one.
        if params.iter().any(|(known, _)| *known == name) {
            return None;
        }
        let (value, rest) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find([',', ' ', '\t']).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        params.push((name, value));
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_are_parsed_or_refused_whole() {
        let parsed = params(r#"a=b, C = "d, \"e\\",, f="""#).unwrap();
        let expected = [("a", "b"), ("c", "d, \"e\\"), ("f", "")];
        assert_eq!(
            parsed,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        for wrong in ["a", "a=\"b", "a=\"b\\", "a=b, a=c"] {
            assert!(params(wrong).is_none(), "{wrong}");
        }
    }

    /// RFC 7616, 3.9.1.
    #[test]
    fn the_example_of_the_rfc_is_right() {
        for (algorithm, response) in [
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ] {
            let header = format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
                 uri=\"/dir/index.html\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
                 cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
                 response=\"{response}\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let proof = Proof::parse(&header).unwrap();
            let secret = DigestSecret::password("Circle of Life");
            assert!(proof.is_right(&Method::GET, Some(&secret)), "{algorithm}");
            assert!(!proof.is_right(&Method::POST, Some(&secret)), "{algorithm}");
            let other = DigestSecret::password("circle of life");
            assert!(!proof.is_right(&Method::GET, Some(&other)), "{algorithm}");
            assert!(!proof.is_right(&Method::GET, None), "{algorithm}");
        }
    }
}
