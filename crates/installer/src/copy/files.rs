//! This machine's files, sent by ourselves to the target's `nix-store --serve`.
//!
//! Faster than `nix copy` because nobody waits: several workers read files ahead, and a path follows the one before without an
//! answer in between. No Nix is needed here. The target holds each path against the hash that is registered.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};

use calve_image_core::epoch::Epoch;
use calve_image_core::formats::nix_serve::{self, Sending};
use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::store::HostStore;
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::inputs::store_tree;
use calve_image_core::region::{self, Keys, Options, Region};
use calve_image_core::tree::TreeBuilder;
use calve_image_core::units::Bytes;

use super::server::Server;
use super::{Copied, Error, Hear, Progress, Stage};
use crate::target::Call;

/// How much is handed on before the caller hears of it.
const STRETCH: usize = 256 << 10;

/// Sends what is not there.
pub(super) fn send(
    server: &Server<'_>,
    closure: &Closure,
    store: &HostStore,
    there: &BTreeSet<StorePath>,
    hear: &mut dyn Hear,
) -> Result<Copied, Error> {
    let already = closure.paths().iter().filter(|info| there.contains(&info.path)).count();
    let there_count = Bytes::from_len(already).get();
    if already == closure.paths().len() {
        return Ok(Copied { there: there_count, ..Copied::default() });
    }
    present(closure, store)?;
    let mut tree = TreeBuilder::new(Epoch::STORE);
    store_tree::add(&mut tree, store, closure)?;
    let sending = nix_serve::plan(&tree.build()?, closure, there)?;
    stream(server, store, &sending, hear)?;
    let paths = Bytes::from_len(sending.paths.len()).get();
    Ok(Copied { paths, bytes: sending.plan.size().get(), there: there_count })
}

/// What is registered has to be in the store's directory; else the first file that is not there would be named.
fn present(closure: &Closure, store: &HostStore) -> Result<(), Error> {
    let directory = store.directory();
    let is_absent = |path: &StorePath| {
        let found = fs::symlink_metadata(directory.join(path.base_name()));
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    match closure.paths().iter().find(|info| is_absent(&info.path)) {
        None => Ok(()),
        Some(info) => {
            let (path, place) = (info.path.to_string(), directory.display().to_string());
            Err(Error::Missing { path, place })
        }
    }
}

/// Feeds a session to the target, and reads what became of it.
fn stream(
    server: &Server<'_>,
    store: &HostStore,
    sending: &Sending,
    hear: &mut dyn Hear,
) -> Result<(), Error> {
    let words = server.words(&[]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let call = Call { as_root: true, ..Call::new(&words) };
    let mut failed = None;
    let answer = server.target.stream(&call, &mut |sink| {
        let mut counted = Counted { sink, hear: &mut *hear, sending, sent: 0, is_over: false };
        let options = Options { workers: store.workers(), ..Options::default() };
        let region = Region::Forward(&mut counted);
        let written = region::write(&sending.plan, region, &Keys::default(), &options);
        let is_over = counted.is_over;
        match written {
            Ok(_) => Ok(()),
            // A program that has ended tells why by itself.
            Err(region::Error::Write { source, .. })
                if source.kind() == io::ErrorKind::BrokenPipe =>
            {
                Err(source)
            }
            Err(error) => {
                failed = Some(if is_over { Error::Interrupted } else { Error::Read(error) });
                Err(io::ErrorKind::Other.into())
            }
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let answer = answer?;
    let taken = nix_serve::taken(&answer.out);
    if answer.is_good() && taken == sending.paths.len() {
        Ok(())
    } else {
        Err(server.refused(&answer))
    }
}

/// Tells of what passes, and ends it when the caller wants that.
struct Counted<'a> {
    sink: &'a mut dyn Write,
    hear: &'a mut dyn Hear,
    sending: &'a Sending,
    sent: u64,
    is_over: bool,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.hear.is_over() {
            self.is_over = true;
            return Err(io::Error::other("the copy is interrupted"));
        }
        let count = self.sink.write(&bytes[..bytes.len().min(STRETCH)])?;
        self.sent += Bytes::from_len(count).get();
        self.hear.progress(&self.progress());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Counted<'_> {
    fn progress(&self) -> Progress {
        let Sending { plan, paths } = self.sending;
        let sent = Bytes::new(self.sent);
        let whole = paths.partition_point(|(_, end)| *end <= sent);
        Progress {
            stage: Stage::Sending,
            paths: Bytes::from_len(whole).get(),
            of_paths: Bytes::from_len(paths.len()).get(),
            bytes: self.sent,
            of_bytes: plan.size().get(),
        }
    }
}
