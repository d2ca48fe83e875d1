//! The text of `nix path-info --recursive --json`, in each shape that Nix has given it.
//!
//! - Nix up to 2.18: a list of objects with `path`;
//! - since 2.19 (and `--json-format 1`): an object keyed by path, `null` for a path that is not valid;
//! - `--json-format 2` (Nix 2.33): `{"version": 2, "storeDir": …, "info": {…}}` keyed by base name, with
//!   references as base names and hashes as objects; later versions also split signatures.
//!
//! A field is read by what it is, not by the version, since point releases mixed the forms: a path may
//! be absolute or a base name, a hash a string or an object, wherever it stands. Unknown keys are
//! ignored, a newer version than is known is refused. Follows the Nix manual, "Store object info JSON".

use serde_json::{Map, Value};

use super::closure::PathInfo;
use super::nar_hash::{self, HashFormat, NarHash};
use super::nix_base32;
use super::store_path::{self, STORE_DIR, StorePath};

/// The newest version of the format whose fields are known.
const NEWEST_VERSION: u64 = 3;

/// Why a text is not path info.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not JSON.
    #[error("the output of nix path-info is not JSON")]
    Json(#[source] serde_json::Error),
    /// The document is neither a list nor an object.
    #[error("expected a list or an object of path infos")]
    Shape,
    /// The document is of a version that did not exist when this was written.
    #[error("expected path info JSON of version 1 to {NEWEST_VERSION}, found version {found}")]
    Version {
        /// The version it says.
        found: Value,
    },
    /// The document describes another store.
    #[error("expected paths of {STORE_DIR}, found those of {found}")]
    StoreDir {
        /// The store directory it says.
        found: Value,
    },
    /// Nix does not know the path.
    #[error("{path} is not valid in the store: it was never built or copied there")]
    Invalid {
        /// The path, as the document calls it.
        path: String,
    },
    /// A field is missing or of another kind than it must be.
    #[error("{path}: {key}: expected {expected}")]
    Field {
        /// Whose info it is, as the document calls it.
        path: String,
        /// The field.
        key: &'static str,
        /// What should stand there.
        expected: &'static str,
    },
    /// A path is malformed.
    #[error("{path}: {key} is malformed")]
    Path {
        /// Whose info it is, as the document calls it.
        path: String,
        /// The field.
        key: &'static str,
        /// What is wrong with it.
        source: store_path::Error,
    },
    /// The NAR hash is malformed.
    #[error("{path}: narHash is malformed")]
    Hash {
        /// Whose info it is, as the document calls it.
        path: String,
        /// What is wrong with it.
        source: nar_hash::Error,
    },
}

/// Reads all infos, in the order of the text.
pub fn parse(text: &str) -> Result<Vec<PathInfo>, Error> {
    match serde_json::from_str(text).map_err(Error::Json)? {
        Value::Array(items) => items.iter().map(listed).collect(),
        Value::Object(map) => keyed(&map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(Error::Shape),
    }
}

/// One info of a list, which names its own path.
fn listed(item: &Value) -> Result<PathInfo, Error> {
    let map = item.as_object().ok_or(Error::Shape)?;
    let path = map.get("path").and_then(Value::as_str).ok_or(Error::Shape)?;
    if map.get("valid") == Some(&Value::Bool(false)) {
        return Err(Error::Invalid { path: path.to_owned() });
    }
    Fields { path, map }.info()
}

/// All infos of an object, either under `info` or beside the header's fields.
fn keyed(document: &Map<String, Value>) -> Result<Vec<PathInfo>, Error> {
    header(document)?;
    let infos = match document.get("info") {
        Some(info) => info.as_object().ok_or(Error::Shape)?,
        None => document,
    };
    infos
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "version" | "storeDir"))
        .map(|(path, value)| match value {
            Value::Null => Err(Error::Invalid { path: path.clone() }),
            Value::Object(map) => Fields { path, map }.info(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Error::Shape)
            }
        })
        .collect()
}

/// Checks what a document, or one info in it, says of itself.
fn header(map: &Map<String, Value>) -> Result<(), Error> {
    if let Some(found) = map.get("version") {
        let known = found.as_u64().is_some_and(|v| (1..=NEWEST_VERSION).contains(&v));
        if !known {
            return Err(Error::Version { found: found.clone() });
        }
    }
    match map.get("storeDir") {
        Some(found) if found.as_str() != Some(STORE_DIR) => {
            Err(Error::StoreDir { found: found.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

/// The fields of one info.
struct Fields<'a> {
    path: &'a str,
    map: &'a Map<String, Value>,
}

impl Fields<'_> {
    fn info(&self) -> Result<PathInfo, Error> {
        header(self.map)?;
        let size = self.get("narSize").and_then(Value::as_u64);
        let references = self.list("references")?;
        Ok(PathInfo {
            path: self.store_path("path", self.path)?,
            nar_hash: self.nar_hash()?,
            nar_size: size.ok_or_else(|| self.wrong("narSize", "a size in bytes"))?,
            references: references
                .into_iter()
                .map(|item| self.text_path("references", item))
                .collect::<Result<_, Error>>()?,
            deriver: self.get("deriver").map(|v| self.text_path("deriver", v)).transpose()?,
            signatures: self.signatures()?,
            ca: self.get("ca").map(|value| self.content_address(value)).transpose()?,
            ultimate: self.get("ultimate").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    /// A field; null is as good as missing.
    fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &'static str, expected: &'static str) -> Error {
        Error::Field { path: self.path.to_owned(), key, expected }
    }

    fn list(&self, key: &'static str) -> Result<Vec<&Value>, Error> {
        let value = self.get(key).and_then(Value::as_array);
        Ok(value.ok_or_else(|| self.wrong(key, "a list"))?.iter().collect())
    }

    fn text_path(&self, key: &'static str, value: &Value) -> Result<StorePath, Error> {
        let text = value.as_str().ok_or_else(|| self.wrong(key, "a store path"))?;
        self.store_path(key, text)
    }

    /// Reads a path in either form.
    fn store_path(&self, key: &'static str, text: &str) -> Result<StorePath, Error> {
        let read =
            if text.starts_with('/') { text.parse() } else { StorePath::from_base_name(text) };
        read.map_err(|source| Error::Path { path: self.path.to_owned(), key, source })
    }

    fn nar_hash(&self) -> Result<NarHash, Error> {
        const EXPECTED: &str = "a hash as text, or {algorithm: \"sha256\", format, hash}";
        let wrong = || self.wrong("narHash", EXPECTED);
        let value = self.get("narHash").ok_or_else(wrong)?;
        let read = match value.as_str() {
            Some(text) => text.parse(),
            None => {
                let hash = StructuredHash::of(value).ok_or_else(wrong)?;
                if hash.algorithm != "sha256" {
                    return Err(wrong());
                }
                NarHash::from_digits(hash.digits, hash.format)
            }
        };
        read.map_err(|source| Error::Hash { path: self.path.to_owned(), source })
    }

    fn signatures(&self) -> Result<Vec<String>, Error> {
        const KEY: &str = "signatures";
        let wrong = || self.wrong(KEY, "a list of texts, or of {keyName, sig}");
        if self.get(KEY).is_none() {
            return Ok(Vec::new());
        }
        let signature = |item: &Value| {
            let split = || {
                let field = |key| item.get(key).and_then(Value::as_str);
                Some(format!("{}:{}", field("keyName")?, field("sig")?))
            };
            item.as_str().map(str::to_owned).or_else(split).ok_or_else(wrong)
        };
        self.list(KEY)?.into_iter().map(signature).collect()
    }

    /// Reads a content address, into the form that Nix' database has: `fixed:r:sha256:<base 32>`.
    fn content_address(&self, value: &Value) -> Result<String, Error> {
        let structured = || {
            let prefix = match value.get("method")?.as_str()? {
                "flat" => "fixed:",
                "nar" => "fixed:r:",
                "git" => "fixed:git:",
                "text" => "text:",
                _ => return None,
            };
            let hash = StructuredHash::of(value.get("hash")?)?;
            let bytes = nar_hash::decode(hash.digits, hash.format, hash.size()?)?;
            Some(format!("{prefix}{}:{}", hash.algorithm, nix_base32::encode(&bytes)))
        };
        let read = value.as_str().map(str::to_owned).or_else(structured);
        read.ok_or_else(|| self.wrong("ca", "a content address as text, or {method, hash}"))
    }
}

/// A hash of format 2, its digits not looked at yet.
struct StructuredHash<'a> {
    algorithm: &'a str,
    format: HashFormat,
    digits: &'a str,
}

impl<'a> StructuredHash<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        Some(Self {
            algorithm: value.get("algorithm")?.as_str()?,
            format: HashFormat::from_name(value.get("format")?.as_str()?)?,
            digits: value.get("hash")?.as_str()?,
        })
    }

    /// Bytes of the algorithm's digest.
    fn size(&self) -> Option<usize> {
        match self.algorithm {
            "md5" => Some(16),
            "sha1" => Some(20),
            "sha256" | "blake3" => Some(32),
            "sha512" => Some(64),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "path_info_tests.rs"]
mod tests;
