//! A store's own database, `db.sqlite`: the source of last resort for a chroot store.
//!
//! The database is somebody's live data, so it is never opened for writing and nothing is created
//! beside it. Without a write-ahead log it is opened immutable, which takes no locks and makes no
//! `-shm` file. With one, the newest registrations are in the log alone and SQLite would have to
//! write to read them: database and log are copied into a scratch directory and opened there. A
//! rollback journal means that a writer died, and is refused. Only what the roots reach is read, so a
//! store of 200,000 paths costs no more than the system in it.
//!
//! Follows Nix's `local-store.cc`, schema 10 (unchanged since 2015).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use super::closure::PathInfo;
use super::nar_hash;
use super::store_path::{self, StorePath};

/// The only schema whose tables are known.
const SCHEMA: &str = "10";

/// Why a store's database gives no path infos.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused to read or copy a file.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The tables are of another kind.
    #[error("{}: expected schema {SCHEMA}, found {found:?}", path.display())]
    Schema {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// A writer died and left work to undo, which reading must not do.
    #[error(
        "{} is not empty: a program that wrote to this store was interrupted; any Nix command on \
         the store repairs it",
        path.display()
    )]
    Journal {
        /// The rollback journal.
        path: PathBuf,
    },
    /// Somebody registers paths right now.
    #[error("{} changed while it was read: another program writes to this store", path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("cannot read the database {}", path.display())]
    Sqlite {
        /// Which database.
        path: PathBuf,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// A path is needed, but the database does not have it.
    #[error("{path} is not registered in {}", database.display())]
    Missing {
        /// The path.
        path: StorePath,
        /// Which database.
        database: PathBuf,
    },
    /// The database holds a path that is none.
    #[error("{} holds a malformed path", database.display())]
    Path {
        /// Which database.
        database: PathBuf,
        /// What is wrong with it.
        source: store_path::Error,
    },
    /// The database holds a hash that is none.
    #[error("{}: {path} has a malformed hash", database.display())]
    Hash {
        /// Which database.
        database: PathBuf,
        /// Whose hash.
        path: StorePath,
        /// What is wrong with it.
        source: nar_hash::Error,
    },
    /// The database holds a negative size.
    #[error("{}: {path} has the NAR size {found}, expected 0 or more", database.display())]
    Size {
        /// Which database.
        database: PathBuf,
        /// Whose size.
        path: StorePath,
        /// The size.
        found: i64,
    },
}

/// Reads what `roots` reach from the database in `directory` (a store's `nix/var/nix/db`).
///
/// `scratch` is a directory on the host where a copy may be made; it is removed again.
pub fn read(directory: &Path, roots: &[StorePath], scratch: &Path) -> Result<Vec<PathInfo>, Error> {
    check_schema(&directory.join("schema"))?;
    let path = directory.join("db.sqlite");
    let journal = directory.join("db.sqlite-journal");
    if size(&journal)?.is_some_and(|size| size > 0) {
        return Err(Error::Journal { path: journal });
    }
    let log = directory.join("db.sqlite-wal");
    if size(&log)?.is_none_or(|size| size == 0) {
        let before = stamp(&path)?;
        let infos = Database::open_immutable(&path)?.walk(roots)?;
        return if stamp(&path)? == before { Ok(infos) } else { Err(Error::Busy { path }) };
    }
    let copies = tempfile::tempdir_in(scratch)
        .map_err(|source| Error::Io { path: scratch.to_owned(), source })?;
    let before = (stamp(&path)?, stamp(&log)?);
    for original in [&path, &log] {
        let name = original.file_name().unwrap_or_default();
        fs::copy(original, copies.path().join(name))
            .map_err(|source| Error::Io { path: original.clone(), source })?;
    }
    if (stamp(&path)?, stamp(&log)?) != before {
        return Err(Error::Busy { path });
    }
    Database::open_copy(&copies.path().join("db.sqlite"), &path)?.walk(roots)
}

fn check_schema(path: &Path) -> Result<(), Error> {
    let text =
        fs::read_to_string(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    match text.trim_end() {
        SCHEMA => Ok(()),
        found => Err(Error::Schema { path: path.to_owned(), found: found.to_owned() }),
    }
}

/// A file's size; `None` where there is no such file.
fn size(path: &Path) -> Result<Option<u64>, Error> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { path: path.to_owned(), source }),
    }
}

/// What changes when somebody writes.
fn stamp(path: &Path) -> Result<(u64, SystemTime), Error> {
    fs::metadata(path)
        .and_then(|metadata| Ok((metadata.len(), metadata.modified()?)))
        .map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// An open database; errors name the original, also where a copy is read.
struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    fn open_immutable(path: &Path) -> Result<Self, Error> {
        // Percent-encoded, because SQLite takes `?` and `#` as the end of the path.
        let mut uri = String::from("file:");
        for byte in path.as_os_str().as_encoded_bytes() {
            match char::from(*byte) {
                plain if plain.is_ascii_alphanumeric() || "/-._~".contains(plain) => {
                    uri.push(plain);
                }
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri.push_str("?mode=ro&immutable=1");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::with(Connection::open_with_flags(uri, flags), path)
    }

    fn open_copy(copy: &Path, original: &Path) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::with(Connection::open_with_flags(copy, flags), original)
    }

    fn with(opened: rusqlite::Result<Connection>, path: &Path) -> Result<Self, Error> {
        match opened {
            Ok(connection) => Ok(Self { connection, path: path.to_owned() }),
            Err(source) => Err(Error::Sqlite { path: path.to_owned(), source }),
        }
    }

    fn sqlite(&self, source: rusqlite::Error) -> Error {
        Error::Sqlite { path: self.path.clone(), source }
    }

    /// Follows references from the roots.
    fn walk(&self, roots: &[StorePath]) -> Result<Vec<PathInfo>, Error> {
        let mut reached: BTreeSet<StorePath> = BTreeSet::new();
        let mut pending: Vec<StorePath> = roots.to_vec();
        let mut infos = Vec::new();
        while let Some(path) = pending.pop() {
            if !reached.insert(path.clone()) {
                continue;
            }
            let info = self.info(path)?;
            pending.extend(info.references.iter().cloned());
            infos.push(info);
        }
        Ok(infos)
    }

    fn info(&self, path: StorePath) -> Result<PathInfo, Error> {
        let columns = self.columns(&path).map_err(|source| self.sqlite(source))?;
        let Some(columns) = columns else {
            return Err(Error::Missing { path, database: self.path.clone() });
        };
        let references = self.references(columns.id).map_err(|source| self.sqlite(source))?;
        let hash = columns.hash.parse().map_err(|source| Error::Hash {
            database: self.path.clone(),
            path: path.clone(),
            source,
        })?;
        let nar_size = u64::try_from(columns.nar_size).map_err(|_| Error::Size {
            database: self.path.clone(),
            path: path.clone(),
            found: columns.nar_size,
        })?;
        let signatures = columns.signatures.unwrap_or_default();
        let deriver = columns.deriver.filter(|text| !text.is_empty());
        Ok(PathInfo {
            path,
            nar_hash: hash,
            nar_size,
            references: references
                .iter()
                .map(|text| self.store_path(text))
                .collect::<Result<_, _>>()?,
            deriver: deriver.map(|text| self.store_path(&text)).transpose()?,
            signatures: signatures.split_whitespace().map(str::to_owned).collect(),
            ca: columns.ca.filter(|text| !text.is_empty()),
            ultimate: columns.ultimate.is_some_and(|value| value != 0),
        })
    }

    fn store_path(&self, text: &str) -> Result<StorePath, Error> {
        text.parse().map_err(|source| Error::Path { database: self.path.clone(), source })
    }

    fn columns(&self, path: &StorePath) -> rusqlite::Result<Option<Columns>> {
        self.connection
            .prepare_cached(
                "select id, hash, deriver, narSize, ultimate, sigs, ca from ValidPaths \
                 where path = ?1",
            )?
            .query_row([path.to_string()], Columns::of)
            .optional()
    }

    fn references(&self, id: i64) -> rusqlite::Result<Vec<String>> {
        self.connection
            .prepare_cached(
                "select path from Refs join ValidPaths on reference = id where referrer = ?1 \
                 order by path",
            )?
            .query_map([id], |row| row.get(0))?
            .collect()
    }
}

/// A row of `ValidPaths`.
struct Columns {
    id: i64,
    hash: String,
    deriver: Option<String>,
    nar_size: i64,
    ultimate: Option<i64>,
    signatures: Option<String>,
    ca: Option<String>,
}

impl Columns {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            hash: row.get(1)?,
            deriver: row.get(2)?,
            nar_size: row.get::<_, Option<i64>>(3)?.unwrap_or_default(),
            ultimate: row.get(4)?,
            signatures: row.get(5)?,
            ca: row.get(6)?,
        })
    }
}

#[cfg(test)]
#[path = "store_db_tests.rs"]
mod tests;
