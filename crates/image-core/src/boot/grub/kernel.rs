//! GRUB's UEFI kernel, linked: an object file becomes memory as a PE program describes it.
//!
//! ```text
//!   PAGE  code sections, in the file's order   ─ page
//!         data sections                        ┐
//!         zeroed sections, written out         ┘ page
//! ```
//!
//! Addresses count from the start of the program, headers included, and are the same in the file and in
//! memory. Zeroed data is written out because firmware exists that does not clear it. What holds an
//! address is listed: UEFI loads the program anywhere and adds where that is.
//!
//! Follows GRUB's `util/grub-mkimagexx.c`.

use std::collections::BTreeSet;

use super::Error;
use super::elf::{Elf, Place, Relocation, Section};
use super::file::Folder;
use super::find::Cpu;
use super::relocate::{self, Outcome};

/// UEFI's page, and the unit of everything in the program.
pub(super) const PAGE: usize = 4096;

/// GRUB's kernels have 200 KiB.
const LIMIT: usize = 16 << 20;

/// What a kernel's first function is called.
const START: [&str; 2] = ["_start", "start"];

/// A kernel in memory.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Its memory from [`PAGE`] on, in whole pages.
    pub(super) image: Vec<u8>,
    /// How much of it is code, in whole pages.
    pub(super) code: usize,
    /// Where UEFI starts it.
    pub(super) entry: u64,
    /// Where its 64-bit addresses are.
    pub(super) addresses: BTreeSet<usize>,
}

/// Links the kernel of a folder.
pub(super) fn link(folder: Folder<'_>, cpu: Cpu) -> Result<Kernel, Error> {
    let elf = Elf::read(folder.read("kernel.img")?)?;
    let expected = elf_machine(cpu);
    if elf.machine != expected {
        let problem = format!("is for ELF machine {}, expected {expected}", elf.machine);
        return Err(elf.file.malformed(problem));
    }
    let layout = Layout::of(folder, &elf)?;
    let mut image = vec![0; layout.end - PAGE];
    for (section, address) in elf.sections.iter().zip(&layout.addresses) {
        if let (Some(address), false) = (address, section.is_zeros()) {
            let bytes = elf.file.range(section.offset, section.size)?;
            image[address - PAGE..address - PAGE + bytes.len()].copy_from_slice(bytes);
        }
    }
    let mut addresses = BTreeSet::new();
    let mut entry = None;
    for section in elf.sections.iter().filter(|section| section.is_relocations()) {
        elf.section(section.info)?;
        let Some(base) = layout.addresses[section.info] else { continue };
        let size = elf.section(section.info)?.size;
        for relocation in elf.relocations(section)? {
            let target = layout.target(&elf, section.link, &relocation)?;
            let place =
                if relocation.offset < size { base + relocation.offset } else { layout.end };
            let bytes = image.get_mut(place - PAGE..).unwrap_or_default();
            match relocate::apply(cpu, relocation.kind, bytes, target, signed(place)) {
                Ok(Outcome::Fixed) => {}
                Ok(Outcome::Address) => {
                    addresses.insert(place);
                }
                Err(problem) => {
                    let kind = relocation.kind;
                    return Err(elf.file.malformed(format!("has a relocation {kind} {problem}")));
                }
            }
        }
        if entry.is_none() {
            entry = layout.entry(&elf, section.link)?;
        }
    }
    let missing = || elf.file.malformed(format!("has no symbol {}", START.join(" or ")));
    let entry = entry.ok_or_else(missing)?;
    Ok(Kernel { image, code: layout.code_end - PAGE, entry, addresses })
}

/// ELF's number of the machine: `EM_X86_64`, `EM_AARCH64`.
fn elf_machine(cpu: Cpu) -> u16 {
    match cpu {
        Cpu::X86_64 => 62,
        Cpu::Aarch64 => 183,
    }
}

/// Where the sections go.
struct Layout {
    /// For each section of the file; none for those that are not in memory.
    addresses: Vec<Option<usize>>,
    code_end: usize,
    end: usize,
}

impl Layout {
    fn of(folder: Folder<'_>, elf: &Elf) -> Result<Self, Error> {
        let mut layout = Self { addresses: vec![None; elf.sections.len()], code_end: 0, end: PAGE };
        layout.place(folder, elf, Section::is_code)?;
        layout.end = layout.end.next_multiple_of(PAGE);
        layout.code_end = layout.end;
        layout.place(folder, elf, |section| !section.is_code() && !section.is_zeros())?;
        layout.place(folder, elf, |section| !section.is_code() && section.is_zeros())?;
        layout.end = layout.end.next_multiple_of(PAGE);
        Ok(layout)
    }

    /// Places all sections of one kind, in the file's order.
    fn place(
        &mut self,
        folder: Folder<'_>,
        elf: &Elf,
        is_wanted: impl Fn(&Section) -> bool,
    ) -> Result<(), Error> {
        let sections = elf.sections.iter().zip(&mut self.addresses);
        for (section, address) in sections.filter(|(it, _)| it.is_loaded() && is_wanted(it)) {
            let align = section.align.max(1);
            if !align.is_power_of_two() || align > PAGE {
                let problem = format!("has a section aligned to {align}, expected at most {PAGE}");
                return Err(elf.file.malformed(problem));
            }
            let start = self.end.next_multiple_of(align);
            *address = Some(start);
            self.end = start.saturating_add(section.size);
            folder.room("the kernel", self.end, LIMIT)?;
        }
        Ok(())
    }

    /// What a relocation points at.
    fn target(&self, elf: &Elf, table: usize, relocation: &Relocation) -> Result<i64, Error> {
        let symbol = elf.symbol(table, relocation.symbol)?;
        let base = match symbol.place {
            Place::Absolute => Some(0),
            Place::Section(number) => self.addresses.get(number).copied().flatten(),
        };
        let Some(base) = base else {
            let name = String::from_utf8_lossy(elf.name(table, relocation.symbol)?);
            return Err(elf.file.malformed(format!("uses {name:?}, which it does not have")));
        };
        let value = symbol.value.cast_signed().wrapping_add(signed(base));
        Ok(value.wrapping_add(relocation.addend))
    }

    /// Where the first function is.
    fn entry(&self, elf: &Elf, table: usize) -> Result<Option<u64>, Error> {
        let Some(symbol) = elf.find(table, &START)? else { return Ok(None) };
        let Place::Section(number) = symbol.place else { return Ok(None) };
        let base = self.addresses.get(number).copied().flatten();
        Ok(base.map(|base| symbol.value.wrapping_add(signed(base).cast_unsigned())))
    }
}

/// An address as the operand of a relocation; [`LIMIT`] bounds it.
fn signed(address: usize) -> i64 {
    i64::try_from(address).unwrap_or(i64::MAX)
}
