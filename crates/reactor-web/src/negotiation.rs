//! `Accept-Encoding`: the content codings that a client takes (RFC 9110, 12.5.3).

use http::{HeaderMap, header};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// All of them, the one that is taken first among equals first.
    const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its name in a header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

#[cfg(feature = "compression")]
impl Coding {
    /// The one with this name in a header.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let is_named = |coding: &Self| name.eq_ignore_ascii_case(coding.name());
        let alias = name.eq_ignore_ascii_case("x-gzip").then_some(Self::Gzip);
        Self::ALL.into_iter().find(is_named).or(alias)
    }
}

/// The weights that a client gives to codings, in thousandths. 0 is: not this one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accepted {
    weights: [u16; Coding::ALL.len()],
    /// That of the content as it is. It may be sent in any case: a client that takes nothing gets
    /// what it can least complain of.
    identity: u16,
}

impl Accepted {
    /// What the headers of a request say.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        let mut named = [None; Coding::ALL.len()];
        let mut rest = None;
        let values = headers.get_all(header::ACCEPT_ENCODING).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        for element in texts.flat_map(|text| text.split(',')) {
            let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
            let weight = weight(parameters);
            let is = |known: &str| name.trim().eq_ignore_ascii_case(known);
            if is("*") {
                rest = Some(weight);
            } else if is("identity") {
                accepted.identity = weight;
            }
            for (place, coding) in named.iter_mut().zip(Coding::ALL) {
                if is(coding.name()) || (coding == Coding::Gzip && is("x-gzip")) {
                    *place = Some(weight);
                }
            }
        }
        for (weight, named) in accepted.weights.iter_mut().zip(named) {
            // `*` is for those that are not named (RFC 9110, 12.5.3).
            *weight = named.or(rest).unwrap_or(0);
        }
        accepted
    }

    /// The codings to try, the best first: those that the client takes, and does not like less than
    /// the content as it is.
    pub(crate) fn best(self) -> impl Iterator<Item = Coding> {
        let mut codings: Vec<_> = Coding::ALL.into_iter().zip(self.weights).collect();
        codings.retain(|(_, weight)| *weight > 0 && *weight >= self.identity);
        // Stable: among equals, the order stays.
        codings.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        codings.into_iter().map(|(coding, _)| coding)
    }
}

/// The weight in the parameters of an element, `q=0.5`; 1000 without one.
fn weight(parameters: &str) -> u16 {
    // RFC 9110, 12.4.2.
    let Some(value) = parameters.trim().strip_prefix(['q', 'Q']) else {
        return 1000;
    };
    let value = value.trim_start().strip_prefix('=').unwrap_or(value).trim();
    let weight = value.parse::<f32>().unwrap_or(1.0).clamp(0.0, 1.0);
    // Of a number from 0 to 1, so it fits. What is no number is a 0.
    (weight * 1000.0) as u16
}
