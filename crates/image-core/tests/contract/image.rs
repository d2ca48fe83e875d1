//! A plan put into a file by the plainest loop there is, so that a writer's tests depend on nothing
//! but the plan. The product's loop is `region::write`, which has tests of its own.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use calve_image_core::plan::{Content, Piece, Plan};
use calve_image_core::units::Bytes;

/// What gaps hold in tests: neither zero nor anything a format means.
pub const POISON: &[u8] = &[0xD1];

/// Fills a file with `poison`, over and over, and then writes the plan's pieces into it.
pub fn write_poisoned(plan: &Plan, path: &Path, poison: &[u8]) {
    let file = File::create(path).unwrap();
    let repeats = (1 << 20) / poison.len() + 1;
    let chunk: Vec<u8> = poison.iter().copied().cycle().take(poison.len() * repeats).collect();
    let mut at = 0;
    while at < plan.size().get() {
        let len = chunk.len().min((plan.size().get() - at) as usize);
        file.write_all_at(&chunk[..len], at).unwrap();
        at += len as u64;
    }
    plan.pieces().iter().for_each(|piece| write_piece(&file, piece, true));
}

/// Writes the plan's pieces into a file of holes: for images too large to be filled.
pub fn write_sparse(plan: &Plan, path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(plan.size().get()).unwrap();
    plan.pieces().iter().for_each(|piece| write_piece(&file, piece, false));
}

/// Writes the plan's pieces over what a file holds: gaps keep what was there.
pub fn write_over(plan: &Plan, path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    plan.pieces().iter().for_each(|piece| write_piece(&file, piece, true));
}

fn write_piece(file: &File, piece: &Piece, zeros: bool) {
    let at = piece.offset.get();
    match &piece.content {
        Content::Bytes(data) => file.write_all_at(data, at).unwrap(),
        Content::Zeros if zeros => copy(&mut std::io::repeat(0), file, at, piece.len, true),
        Content::Zeros => {}
        Content::Host { file: host, start } => {
            let source = host.open().unwrap();
            let mut reader = Positioned { file: &source, at: start.get() };
            copy(&mut reader, file, at, piece.len, zeros);
            host.check(&source).unwrap();
        }
        Content::Secret { .. } | Content::Sealed { .. } => {
            panic!("a file system's plan holds neither secrets nor sealed plans")
        }
    }
}

struct Positioned<'f> {
    file: &'f File,
    at: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn copy(from: &mut dyn Read, to: &File, mut at: u64, len: Bytes, zeros: bool) {
    let end = at + len.get();
    let mut buffer = vec![0; 1 << 20];
    let hole = vec![0; buffer.len()];
    while at < end {
        let want = buffer.len().min((end - at) as usize);
        from.read_exact(&mut buffer[..want]).unwrap();
        if zeros || buffer[..want] != hole[..want] {
            to.write_all_at(&buffer[..want], at).unwrap();
        }
        at += want as u64;
    }
}
