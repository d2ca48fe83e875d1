//! An ISO 9660 file system: its name, its files, and what firmware starts from it.
//!
//! Names are Rock Ridge's where a record has them, else the short ones without their version. Only
//! what is needed to find a file is read; a file in several extents must lie in one piece, as all
//! writers leave it. Follows ECMA-119, SUSP 1.12 (`CE`), RRIP 1.12 (`NM`) and El Torito 1.0.

use serde::Serialize;

use super::{Disk, Error, Medium, field};
use crate::units::Bytes;

/// The size of a sector.
const SECTOR: Bytes = Bytes::new(2048);
/// No directory of an image is larger; bounds what is read of one that lies about its size.
const LARGEST_DIRECTORY: u32 = 64 << 20;
/// Directories this deep have no end.
const DEEPEST: usize = 64;
/// The record is a directory.
const DIRECTORY: u8 = 1 << 1;
/// The file goes on in the next record.
const CONTINUED: u8 = 1 << 7;

/// An ISO 9660 file system.
#[derive(Debug, Clone)]
pub struct Iso {
    /// The volume id: what `/dev/disk/by-label` calls it.
    pub volume: String,
    /// How long the file system is.
    pub size: Bytes,
    /// What firmware can start.
    pub boot: Vec<BootImage>,
    root: Record,
}

/// An entry of the El Torito catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BootImage {
    /// Which firmware starts it.
    pub platform: &'static str,
    /// Whether it is marked as bootable.
    pub bootable: bool,
    /// Where it lies, in bytes.
    pub start: u64,
    /// How many 512-byte sectors the firmware loads; 0 and 1: it finds out.
    pub sectors: u16,
}

/// A file or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub name: Vec<u8>,
    /// Where it lies.
    pub start: Bytes,
    /// How long it is.
    pub size: Bytes,
    /// Whether it is a directory.
    pub is_directory: bool,
}

impl Iso {
    /// Reads the descriptors; none where there are none.
    pub(super) fn open(disk: &Disk<'_>) -> Result<Option<Self>, Error> {
        let (mut primary, mut boot) = (None, Vec::new());
        for number in 16..64 {
            let mut descriptor = [0; 2048];
            disk.read(SECTOR * number, &mut descriptor)?;
            if &field::<5>(&descriptor, 1) != b"CD001" {
                break;
            }
            match descriptor[0] {
                0 if descriptor[7..].starts_with(b"EL TORITO SPECIFICATION") => {
                    boot = catalog(disk, u32::from_le_bytes(field(&descriptor, 0x47)))?;
                }
                1 => primary = Some(descriptor),
                255 => break,
                _ => {}
            }
        }
        let Some(primary) = primary else { return Ok(None) };
        let volume = String::from_utf8_lossy(&primary[40..72]).trim_end().to_owned();
        let blocks = u64::from(u32::from_le_bytes(field(&primary, 80)));
        let Some(root) = record(&primary[156..190], Vec::new()) else { return Ok(None) };
        Ok(Some(Self { volume, size: SECTOR * blocks, boot, root }))
    }

    /// Finds a file or a directory by its path.
    ///
    /// # Errors
    /// A directory that makes no sense.
    pub(super) fn find(&self, disk: &Disk<'_>, path: &str) -> Result<Option<Record>, Error> {
        let mut at = self.root.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let found = list(disk, &at)?.into_iter().find(|entry| entry.name == name.as_bytes());
            let Some(entry) = found else { return Ok(None) };
            at = entry;
        }
        Ok(Some(at))
    }

    /// Lists the files of the root directory.
    ///
    /// # Errors
    /// A directory that makes no sense.
    pub(super) fn top(&self, disk: &Disk<'_>) -> Result<Vec<Record>, Error> {
        let entries = list(disk, &self.root)?;
        Ok(entries.into_iter().filter(|entry| !entry.is_directory).collect())
    }

    /// Walks all files below a directory; each with its path from there.
    ///
    /// # Errors
    /// A directory that makes no sense.
    pub(super) fn files(
        &self,
        disk: &Disk<'_>,
        directory: &Record,
    ) -> Result<Vec<(Vec<u8>, Record)>, Error> {
        let mut open = vec![(Vec::new(), directory.clone(), 0)];
        let mut files = Vec::new();
        while let Some((path, directory, depth)) = open.pop() {
            for entry in list(disk, &directory)? {
                let path = [path.as_slice(), b"/", &entry.name].concat();
                if !entry.is_directory {
                    files.push((path, entry));
                } else if depth < DEEPEST {
                    open.push((path, entry, depth + 1));
                }
            }
        }
        Ok(files)
    }
}

/// Lists a directory.
fn list(disk: &Disk<'_>, directory: &Record) -> Result<Vec<Record>, Error> {
    let size = directory.size.get();
    if !directory.is_directory || size > u64::from(LARGEST_DIRECTORY) {
        let found = format!("a directory of {size} bytes");
        return Err(Error::DamagedIso { at: directory.start.get(), found });
    }
    let mut raw = vec![0; directory.size.to_len().unwrap_or_default()];
    disk.read(directory.start, &mut raw)?;
    let mut entries: Vec<Record> = Vec::new();
    let mut continued = false;
    for sector in raw.chunks(2048) {
        let mut rest = sector;
        while let Some(len) = rest.first().map(|len| usize::from(*len)).filter(|len| *len > 33) {
            let Some((raw, after)) = rest.split_at_checked(len) else { break };
            rest = after;
            let name = raw.get(33..33 + usize::from(raw[32])).unwrap_or_default();
            if matches!(name, [0 | 1]) {
                continue;
            }
            let Some(entry) = record(raw, file_name(disk, raw, name)?) else { continue };
            match entries.last_mut() {
                Some(last) if continued => {
                    if last.start + last.size != entry.start {
                        let found = "a file in several pieces".to_owned();
                        return Err(Error::DamagedIso { at: entry.start.get(), found });
                    }
                    last.size += entry.size;
                }
                Some(_) | None => entries.push(entry),
            }
            continued = raw[25] & CONTINUED != 0;
        }
    }
    Ok(entries)
}

/// Reads the fixed part of a directory record (ECMA-119, 9.1).
fn record(raw: &[u8], name: Vec<u8>) -> Option<Record> {
    let start = SECTOR * u64::from(u32::from_le_bytes(field(raw, 2)));
    let size = Bytes::new(u64::from(u32::from_le_bytes(field(raw, 10))));
    let is_directory = raw.get(25)? & DIRECTORY != 0;
    Some(Record { name, start, size, is_directory })
}

/// Puts the name of a record together: its `NM` entries, else its short name.
fn file_name(disk: &Disk<'_>, raw: &[u8], short: &[u8]) -> Result<Vec<u8>, Error> {
    let fixed = 33 + short.len();
    let mut area = raw.get(fixed + (fixed & 1)..).unwrap_or_default().to_vec();
    let mut name = Vec::new();
    for _ in 0..DEEPEST {
        let next = names(&area, &mut name);
        let Some((start, len)) = next else { break };
        area = vec![0; len];
        disk.read(start, &mut area)?;
    }
    if name.is_empty() {
        let end = short.iter().position(|byte| *byte == b';').unwrap_or(short.len());
        name = short[..end].to_vec();
    }
    Ok(name)
}

/// Adds the names of a system use area; returns where it goes on.
fn names(mut area: &[u8], name: &mut Vec<u8>) -> Option<(Bytes, usize)> {
    let mut next = None;
    while let [a, b, len, _, ..] = *area {
        let (entry, rest) = area.split_at_checked(usize::from(len).max(4))?;
        match [a, b] {
            [b'N', b'M'] => name.extend_from_slice(entry.get(5..).unwrap_or_default()),
            [b'C', b'E'] => {
                let word = |at| u64::from(u32::from_le_bytes(field(entry, at)));
                let len = usize::try_from(word(20)).ok().filter(|len| *len <= 2048)?;
                next = Some((SECTOR * word(4) + Bytes::new(word(12)), len));
            }
            [b'S', b'T'] => break,
            _ => {}
        }
        area = rest;
    }
    next
}

/// Reads the El Torito catalog at a sector.
fn catalog(disk: &Disk<'_>, sector: u32) -> Result<Vec<BootImage>, Error> {
    let mut raw = [0; 2048];
    disk.read(SECTOR * u64::from(sector), &mut raw)?;
    let platform = |id: u8| match id {
        0 => "BIOS",
        0xEF => "UEFI",
        _ => "other",
    };
    let mut boot = Vec::new();
    let mut current = platform(raw[1]);
    let mut more = 0;
    for (index, entry) in raw.chunks_exact(32).enumerate() {
        match (index, entry[0]) {
            (0, 1) => {}
            (0, _) => break,
            (_, 0x90 | 0x91) if more == 0 => {
                current = platform(entry[1]);
                more = u16::from_le_bytes(field(entry, 2));
            }
            (_, 0x88 | 0x00) if index == 1 || more > 0 => {
                boot.push(BootImage {
                    platform: current,
                    bootable: entry[0] == 0x88,
                    start: (SECTOR * u64::from(u32::from_le_bytes(field(entry, 8)))).get(),
                    sectors: u16::from_le_bytes(field(entry, 6)),
                });
                more -= u16::from(index > 1);
            }
            _ => break,
        }
    }
    Ok(boot)
}
