//! Options of a `Files`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::HeaderValue;

/// How files are served.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) folder: PathBuf,
    pub(super) index: Vec<String>,
    pub(super) lists: bool,
    pub(super) shows_hidden: bool,
    pub(super) has_precompressed: bool,
    pub(super) cache_control: Option<HeaderValue>,
    /// By extension, in lower case.
    pub(super) types: BTreeMap<String, HeaderValue>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            index: vec!["index.html".to_owned()],
            lists: false,
            shows_hidden: false,
            has_precompressed: false,
            cache_control: None,
            types: BTreeMap::new(),
        }
    }
}

impl Options {
    /// The type of the file at `path`, by its extension. Text is UTF-8, unless its type was set.
    pub(super) fn content_type(&self, path: &Path) -> HeaderValue {
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or("");
        // Usually no type was set; then the extension is not copied.
        if !self.types.is_empty()
            && let Some(kind) = self.types.get(&extension.to_ascii_lowercase())
        {
            return kind.clone();
        }
        let kind = mime_guess::from_ext(extension).first_raw();
        let Some(kind) = kind else {
            return HeaderValue::from_static("application/octet-stream");
        };
        if kind.starts_with("text/") {
            let typed = HeaderValue::try_from(format!("{kind}; charset=utf-8"));
            return typed.unwrap_or_else(|_| HeaderValue::from_static(kind));
        }
        HeaderValue::from_static(kind)
    }
}
