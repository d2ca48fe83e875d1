//! The database that Nix keeps about a store: which paths are valid, and what refers to what.
//!
//! A store without it is a directory full of files that the first garbage collection would delete.
//! SQLite itself makes it, in memory, so that the format is right by construction and no temporary
//! file is needed. The same closure gives the same bytes: rows go in by base name, the registration
//! time is the build's epoch, and the SQLite that writes is the one built into calve.
//!
//! Follows schema 10 of Nix' `local-store.cc` and `schema.sql` (since Nix 1.10, 2015), without the
//! optional tables of content-addressed derivations, which Nix adds itself when it wants them.
//! Derivations (`.drv`) that are part of a closure are registered, their outputs table stays empty:
//! their own references keep them alive.

use rusqlite::types::Null;
use rusqlite::{Connection, MAIN_DB, Transaction, params};

use super::closure::{Closure, PathInfo};
use crate::epoch::Epoch;

/// What the file `schema` beside the database says, without an end of line.
pub const SCHEMA: &str = "10";

/// Why a database could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("cannot make the Nix database of {paths} store paths")]
    Sqlite {
        /// How many paths it was to hold.
        paths: usize,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// A NAR is larger than the database can say.
    #[error("{path} has a NAR of {size} bytes: expected at most {}", i64::MAX)]
    NarSize {
        /// Which path.
        path: String,
        /// The size of its NAR.
        size: u64,
    },
}

/// The tables, as Nix makes them. Nix' names for the columns are its interface.
const TABLES: &str = "
create table ValidPaths (
    id integer primary key autoincrement not null,
    path text unique not null,
    hash text not null,
    registrationTime integer not null,
    deriver text,
    narSize integer,
    ultimate integer,
    sigs text,
    ca text
);
create table Refs (
    referrer integer not null,
    reference integer not null,
    primary key (referrer, reference),
    foreign key (referrer) references ValidPaths(id) on delete cascade,
    foreign key (reference) references ValidPaths(id) on delete restrict
);
create index IndexReferrer on Refs(referrer);
create index IndexReference on Refs(reference);
create trigger DeleteSelfRefs before delete on ValidPaths
begin
    delete from Refs where referrer = old.id and reference = old.id;
end;
create table DerivationOutputs (
    drv integer not null,
    id text not null,
    path text not null,
    primary key (drv, id),
    foreign key (drv) references ValidPaths(id) on delete cascade
);
create index IndexDerivationOutputs on DerivationOutputs(path);
";

/// Makes the bytes of `db.sqlite` for a closure, all of it registered at `registered`.
///
/// Signatures and derivers are kept. That a path was built on the store's own machine is not: in
/// the image that would be untrue.
///
/// # Errors
/// SQLite's answer, or a size that the format cannot hold.
pub fn database(closure: &Closure, registered: Epoch) -> Result<Vec<u8>, Error> {
    let sqlite = |source| Error::Sqlite { paths: closure.paths().len(), source };
    let mut connection = Connection::open_in_memory().map_err(sqlite)?;
    connection
        .execute_batch("pragma page_size = 4096; pragma encoding = 'UTF-8';")
        .map_err(sqlite)?;
    let transaction = connection.transaction().map_err(sqlite)?;
    transaction.execute_batch(TABLES).map_err(sqlite)?;
    for (info, id) in closure.paths().iter().zip(1..) {
        let size = i64::try_from(info.nar_size)
            .map_err(|_| Error::NarSize { path: info.path.to_string(), size: info.nar_size })?;
        insert_path(&transaction, info, id, size, registered).map_err(sqlite)?;
    }
    insert_references(&transaction, closure).map_err(sqlite)?;
    transaction.commit().map_err(sqlite)?;
    let database = connection.serialize(MAIN_DB).map_err(sqlite)?;
    Ok(database.to_vec())
}

fn insert_path(
    transaction: &Transaction<'_>,
    info: &PathInfo,
    id: i64,
    nar_size: i64,
    registered: Epoch,
) -> rusqlite::Result<()> {
    let signatures = (!info.signatures.is_empty()).then(|| info.signatures.join(" "));
    transaction
        .prepare_cached(
            "insert into ValidPaths \
             (id, path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            id,
            info.path.to_string(),
            format!("sha256:{}", info.nar_hash.base16()),
            registered.seconds(),
            info.deriver.as_ref().map(ToString::to_string),
            nar_size,
            Null,
            signatures,
            info.ca,
        ])?;
    Ok(())
}

/// Paths have their place in the closure, counted from one, as their id.
fn insert_references(transaction: &Transaction<'_>, closure: &Closure) -> rusqlite::Result<()> {
    let mut insert =
        transaction.prepare("insert into Refs (referrer, reference) values (?1, ?2)")?;
    for (info, id) in closure.paths().iter().zip(1_i64..) {
        for reference in &info.references {
            // A closure holds whatever its paths refer to.
            let found = closure.paths().binary_search_by(|other| other.path.cmp(reference));
            if let Some(place) = found.ok().and_then(|place| i64::try_from(place).ok()) {
                insert.execute([id, place + 1])?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{registration, store_db};

    fn sample() -> Closure {
        let text = include_str!("../../testdata/real/minimal-uefi/registration");
        let infos = registration::parse(text).unwrap();
        let roots: Vec<_> = infos.iter().map(|info| info.path.clone()).collect();
        let mut infos = infos;
        infos[0].signatures = vec!["one:abc".to_owned(), "two:def".to_owned()];
        infos[0].ca = Some("fixed:r:sha256:xyz".to_owned());
        Closure::of(infos, &roots).unwrap()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let closure = sample();
        let bytes = database(&closure, Epoch::STORE).unwrap();
        assert!(bytes == database(&closure, Epoch::STORE).unwrap(), "two runs differ");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("db.sqlite"), &bytes).unwrap();
        std::fs::write(dir.path().join("schema"), SCHEMA).unwrap();
        let roots: Vec<_> = closure.paths().iter().map(|info| info.path.clone()).collect();
        let read = store_db::read(dir.path(), &roots, dir.path()).unwrap();
        assert_eq!(Closure::of(read, &roots).unwrap(), closure);
    }

    #[test]
    fn the_file_is_one_that_any_sqlite_opens() {
        let bytes = database(&sample(), Epoch::new(7)).unwrap();
        assert_eq!(&bytes[..16], b"SQLite format 3\0");
        assert_eq!(bytes[16..18], 4096u16.to_be_bytes());
        assert_eq!(bytes.len() % 4096, 0);
        let mut connection = Connection::open_in_memory().unwrap();
        connection.deserialize_read_exact(MAIN_DB, bytes.as_slice(), bytes.len(), true).unwrap();
        let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(one("pragma integrity_check"), "ok");
        assert_eq!(one("select distinct cast(registrationTime as text) from ValidPaths"), "7");
        let dangling = "select cast(count(*) as text) from pragma_foreign_key_check";
        assert_eq!(one(dangling), "0");
    }
}
