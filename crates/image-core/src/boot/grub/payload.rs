//! What GRUB's kernel finds behind itself in memory: modules, the first configuration, the prefix.
//!
//! ```text
//!   32-bit  magic  offset  size                 64-bit  magic  0  offset (8 bytes)  size (8 bytes)
//!           └ "mimg"  └ of the first object └ of all this
//!
//!   object  kind  size (this header included)  data, padded with NULs to the word
//!   object  …
//! ```
//!
//! Follows GRUB's `include/grub/kernel.h`.

use super::Error;
use super::file::{File, Folder};

/// `GRUB_MODULE_MAGIC`.
const MAGIC: u32 = 0x676d_696d;

/// `OBJ_TYPE_ELF`: a module.
const MODULE: u32 = 0;
/// `OBJ_TYPE_CONFIG`: commands that the kernel runs before it starts `normal`.
const CONFIG: u32 = 2;
/// `OBJ_TYPE_PREFIX`: where `normal` looks for the menu.
const PREFIX: u32 = 3;

/// Sizes are 32-bit numbers; all of GRUB's modules together have 5 MiB.
const LIMIT: usize = 64 << 20;

/// The size of an address, to which every object is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// 32 bits.
    Four,
    /// 64 bits.
    Eight,
}

/// What the kernel shall have from the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payload<'a> {
    pub(super) modules: &'a [File],
    pub(super) config: &'a str,
    pub(super) prefix: &'a str,
}

impl Payload<'_> {
    /// The bytes as they lie in memory.
    pub(super) fn encode(&self, folder: Folder<'_>, word: Word) -> Result<Vec<u8>, Error> {
        let mut objects = Vec::new();
        for module in self.modules {
            object(&mut objects, word, MODULE, &module.bytes);
            folder.room("the modules", objects.len(), LIMIT)?;
        }
        for (kind, what, text) in
            [(CONFIG, "the configuration", self.config), (PREFIX, "the prefix", self.prefix)]
        {
            if text.contains('\0') {
                return Err(Error::Nul { what, text: text.to_owned() });
            }
            folder.room(what, text.len(), LIMIT)?;
            object(&mut objects, word, kind, format!("{text}\0").as_bytes());
        }
        let mut block = header(word, objects.len());
        block.append(&mut objects);
        Ok(block)
    }
}

/// `struct grub_module_info32` or `…64`.
fn header(word: Word, objects: usize) -> Vec<u8> {
    let (offset, numbers) = match word {
        Word::Four => (12, 4),
        Word::Eight => (24, 8),
    };
    let mut header = MAGIC.to_le_bytes().to_vec();
    header.resize(numbers, 0);
    for number in [offset, offset + objects] {
        header.extend(size(number).to_le_bytes());
        header.resize(header.len().next_multiple_of(numbers), 0);
    }
    header
}

/// `struct grub_module_header` and the data.
fn object(out: &mut Vec<u8>, word: Word, kind: u32, data: &[u8]) {
    let align = match word {
        Word::Four => 4,
        Word::Eight => 8,
    };
    out.extend(kind.to_le_bytes());
    out.extend(size(8 + data.len().next_multiple_of(align)).to_le_bytes());
    out.extend(data);
    out.resize(out.len().next_multiple_of(align), 0);
}

/// A size as a 32-bit number; everything here is far smaller.
fn size(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
