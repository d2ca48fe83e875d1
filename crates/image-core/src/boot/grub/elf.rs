//! As much of ELF as GRUB's kernels need: sections, symbols and relocations with addends.
//!
//! `i386-pc` is a linked 32-bit program, the UEFI ones are 64-bit object files. Both are little-endian.
//! Follows the System V ABI, chapters "Object Files" and "Sections"; numbers keep its names.

use super::Error;
use super::file::File;

/// `SHT_PROGBITS`.
const PROGBITS: u32 = 1;
/// `SHT_RELA`.
const RELA: u32 = 4;
/// `SHT_NOBITS`.
const NOBITS: u32 = 8;
/// `SHT_REL`.
const REL: u32 = 9;
/// `SHF_ALLOC`.
const ALLOC: u64 = 2;
/// `SHF_EXECINSTR`.
const EXECUTABLE: u64 = 4;

/// `SHN_ABS`.
const ABSOLUTE: u16 = 0xFFF1;

/// The size of an `Elf64_Sym`.
const SYMBOL: usize = 24;
/// The size of an `Elf64_Rela`.
const RELOCATION: usize = 24;

/// A file and its sections.
#[derive(Debug)]
pub(super) struct Elf {
    pub(super) file: File,
    /// `e_machine`.
    pub(super) machine: u16,
    pub(super) sections: Vec<Section>,
}

/// A section's header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    kind: u32,
    flags: u64,
    pub(super) address: usize,
    pub(super) offset: usize,
    pub(super) size: usize,
    /// For relocations the symbol table, for symbols their names.
    pub(super) link: usize,
    /// For relocations the section that they change.
    pub(super) info: usize,
    pub(super) align: usize,
}

impl Section {
    /// Whether it is in memory at run time, with bytes of the file or with zeros.
    pub(super) fn is_loaded(&self) -> bool {
        self.flags & ALLOC != 0
    }

    /// Whether it is the program's own, not a note or a table for others.
    pub(super) fn is_program(&self) -> bool {
        matches!(self.kind, PROGBITS | NOBITS)
    }

    /// Whether the file has no bytes of it.
    pub(super) fn is_zeros(&self) -> bool {
        self.kind == NOBITS
    }

    /// Whether it is code.
    pub(super) fn is_code(&self) -> bool {
        self.flags & EXECUTABLE != 0
    }

    /// Whether it says what to change in another section.
    pub(super) fn is_relocations(&self) -> bool {
        matches!(self.kind, REL | RELA)
    }
}

/// A symbol.
#[derive(Debug)]
pub(super) struct Symbol {
    pub(super) place: Place,
    /// Counted from the section, or the number itself.
    pub(super) value: u64,
}

/// What a symbol's value counts from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing: it is a number.
    Absolute,
    /// A section by its number. Number 0 is none: the symbol is defined elsewhere.
    Section(usize),
}

/// A place that depends on where something is.
#[derive(Debug)]
pub(super) struct Relocation {
    /// In the section that it changes.
    pub(super) offset: usize,
    pub(super) kind: u32,
    pub(super) symbol: usize,
    pub(super) addend: i64,
}

impl Elf {
    /// Reads the headers.
    pub(super) fn read(file: File) -> Result<Self, Error> {
        let ident = file.range(0, 7)?;
        let wide = match ident {
            [0x7F, b'E', b'L', b'F', 1, 1, 1] => false,
            [0x7F, b'E', b'L', b'F', 2, 1, 1] => true,
            _ => return Err(file.malformed(format!("begins with {ident:02x?}, expected ELF"))),
        };
        let machine = file.u16(18)?;
        let (offset, size, count) = if wide {
            (file.len64(40)?, file.u16(58)?, file.u16(60)?)
        } else {
            (file.len32(32)?, file.u16(46)?, file.u16(48)?)
        };
        let section = |number: u16| {
            let at = offset.saturating_add(usize::from(size) * usize::from(number));
            if wide { section64(&file, at) } else { section32(&file, at) }
        };
        let sections = (0..count).map(section).collect::<Result<_, _>>()?;
        Ok(Self { file, machine, sections })
    }

    /// All relocations of a section of them; 64-bit only.
    pub(super) fn relocations(&self, section: &Section) -> Result<Vec<Relocation>, Error> {
        if section.kind != RELA {
            return Err(self.file.malformed("has relocations without addends".to_owned()));
        }
        let relocation = |number: usize| {
            let at = section.offset.saturating_add(number * RELOCATION);
            Ok(Relocation {
                offset: self.file.len64(at)?,                    // 0 r_offset
                kind: self.file.u32(at.saturating_add(8))?,      // 8 r_info, low half
                symbol: self.file.len32(at.saturating_add(12))?, // 12 r_info, high half
                addend: self.file.i64(at.saturating_add(16))?,   // 16 r_addend
            })
        };
        (0..section.size / RELOCATION).map(relocation).collect()
    }

    /// A symbol by its number in a table; 64-bit only.
    pub(super) fn symbol(&self, table: usize, number: usize) -> Result<Symbol, Error> {
        let at = self.symbol_at(table, number)?;
        let place = match self.file.u16(at + 6)? {
            ABSOLUTE => Place::Absolute,
            section => Place::Section(usize::from(section)),
        };
        Ok(Symbol { place, value: self.file.u64(at + 8)? })
    }

    /// The first symbol of a table that has one of the names.
    pub(super) fn find(&self, table: usize, names: &[&str]) -> Result<Option<Symbol>, Error> {
        let count = self.section(table)?.size / SYMBOL;
        for number in 0..count {
            let name = self.name(table, number)?;
            if names.iter().any(|wanted| wanted.as_bytes() == name) {
                return self.symbol(table, number).map(Some);
            }
        }
        Ok(None)
    }

    /// The name of a symbol, without its NUL.
    pub(super) fn name(&self, table: usize, number: usize) -> Result<&[u8], Error> {
        let names = self.section(self.section(table)?.link)?;
        let names = self.file.range(names.offset, names.size)?;
        let start = self.file.len32(self.symbol_at(table, number)?)?;
        let name = names.get(start..).unwrap_or_default();
        Ok(name.split(|byte| *byte == 0).next().unwrap_or_default())
    }

    fn symbol_at(&self, table: usize, number: usize) -> Result<usize, Error> {
        let section = self.section(table)?;
        if number < section.size / SYMBOL {
            return Ok(section.offset.saturating_add(number * SYMBOL));
        }
        Err(self.file.malformed(format!("has no symbol {number} in section {table}")))
    }

    /// A section by its number.
    pub(super) fn section(&self, number: usize) -> Result<&Section, Error> {
        let section = self.sections.get(number);
        section.ok_or_else(|| self.file.malformed(format!("has no section {number}")))
    }
}

/// An `Elf64_Shdr`.
fn section64(file: &File, at: usize) -> Result<Section, Error> {
    file.range(at, 64)?;
    Ok(Section {
        kind: file.u32(at + 4)?,       // 4 sh_type
        flags: file.u64(at + 8)?,      // 8 sh_flags
        address: file.len64(at + 16)?, // 16 sh_addr
        offset: file.len64(at + 24)?,  // 24 sh_offset
        size: file.len64(at + 32)?,    // 32 sh_size
        link: file.len32(at + 40)?,    // 40 sh_link
        info: file.len32(at + 44)?,    // 44 sh_info
        align: file.len64(at + 48)?,   // 48 sh_addralign
    })
}

/// An `Elf32_Shdr`.
fn section32(file: &File, at: usize) -> Result<Section, Error> {
    file.range(at, 40)?;
    Ok(Section {
        kind: file.u32(at + 4)?,         // 4 sh_type
        flags: file.u32(at + 8)?.into(), // 8 sh_flags
        address: file.len32(at + 12)?,   // 12 sh_addr
        offset: file.len32(at + 16)?,    // 16 sh_offset
        size: file.len32(at + 20)?,      // 20 sh_size
        link: file.len32(at + 24)?,      // 24 sh_link
        info: file.len32(at + 28)?,      // 28 sh_info
        align: file.len32(at + 32)?,     // 32 sh_addralign
    })
}
