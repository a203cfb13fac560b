//! `Lookup`: the result of a look-up.

use hickory_proto::rr::{Name, Record};

/// The records that a [`Dns`](crate::Dns) has found.
///
/// # Examples
///
/// ```
/// use reactor_names::Lookup;
///
/// fn print(found: &Lookup) {
///     for record in found.aliases.iter().chain(&found.records) {
///         println!("{record}");
///     }
/// }
/// # let _ = print;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup {
    /// The name that was asked for: as it was given, or with a suffix of the search list.
    pub name: Name,
    /// The aliases (`CNAME`) that lead from [`name`](Self::name) to the records.
    pub aliases: Vec<Record>,
    /// The records, at least one. Their TTLs are the seconds for which they remain valid.
    pub records: Vec<Record>,
}
