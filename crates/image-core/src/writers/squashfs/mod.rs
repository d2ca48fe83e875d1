//! squashfs 4.0: a compressed, read-only tree.
//!
//! ```text
//!   Tree ──► Serial ──► pack (Press) ──► Stored ──► Plan
//!            contents    compressed       where in     superblock, data,
//!            in a row    blocks, indices  the image    tables
//!
//!   0  superblock           where the tables are, and the root's inode
//!      compressor options   if they are not the defaults
//!      data                 slab by slab: fragments and blocks
//!      inode table          kind, owner, time; where contents or names are      ┐
//!      directory table      names, and where their inodes are                   │ in blocks
//!      fragment table       where each fragment is                              │ of 8 KiB,
//!      export table         where each inode is, by its number: for NFS         │ compressed
//!      id table             owners and groups                                   │
//!      attributes           sets of extended attributes, and where each is      ┘
//!      zeros                to a multiple of 4 KiB
//! ```
//!
//! - [`codec`]: one block compressed as the format's readers expect it
//! - [`settings`]: how a tree is written
//! - `row`: the contents of all files, one behind the other; `serial`: the same to be packed; [`press`]: a slab of it compressed; `index`: what a
//!   slab says of its data
//! - [`stored`]: where every file's data lie in the image; `place`: how that is decided; `check`: whether an index
//!   may be relied on; `stretch`: what is stored, compared
//! - `image`: the plan; `table`: inodes and names, of `inode`, `directory`, `id`, `xattr`
//! - `metadata`: how tables are compressed; `ondisk`: the structures, encoded
//! - `error`: what is refused
//!
//! Data are compressed before the image is planned, a slab of up to 16 MiB at a time, because what
//! was compressed once is kept in the cache and serves other images. Small files share fragments, but only with files of
//! the same slab; runs of whole blocks that are the same are stored once.
//!
//! Follows the kernel's `fs/squashfs/squashfs_fs.h` and squashfs-tools' `squashfs_fs.h`, which are
//! the format's definition, and where they leave a choice the defaults of `mksquashfs`.

mod check;
pub mod codec;
mod directory;
mod error;
mod id;
mod image;
mod index;
mod inode;
mod metadata;
mod ondisk;
mod place;
pub mod press;
mod row;
#[cfg(test)]
mod sample;
mod serial;
pub mod settings;
pub mod stored;
mod stretch;
mod table;
mod xattr;

pub use codec::{Codec, Encoder, Word};
pub use error::Error;
pub use image::plan;
pub use index::IndexError;
pub use place::PlaceError;
pub use press::Press;
pub use serial::serial;
pub use settings::Settings;
pub use stored::{Data, Fragment, Run, Stored};
