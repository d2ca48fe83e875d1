//! The program that UEFI starts: PE32+ around a linked kernel and its payload.
//!
//! ```text
//!   0      MZ … 60: 128 │ 128: PE, COFF header, optional header, sections │ page
//!   PAGE   .text    the kernel's code
//!          .data    its data and zeros
//!          mods     the payload; the kernel finds it by this section's name
//!          .reloc   which of the kernel's words are addresses, page by page
//! ```
//!
//! Sections are aligned to pages in the file as in memory, so that one offset is both. Follows Microsoft's
//! "PE Format", sections "Optional Header", "Section Table" and "The .reloc Section", in the shape that
//! GRUB's `util/mkimage.c` gives it (its kernel reads these headers again).

use std::collections::BTreeMap;

use super::Error;
use super::file::Folder;
use super::find::Cpu;
use super::kernel::{Kernel, PAGE};

/// Where the PE headers begin.
const HEADERS: usize = 128;
/// `TimeDateStamp`: the date that GRUB gives all its images, 2015-01-01.
const TIME: u32 = 1_420_070_400;
/// `Characteristics`: executable; no line numbers, local symbols or debug information.
const CHARACTERISTICS: u16 = 0x0002 | 0x0004 | 0x0008 | 0x0200;
/// `SizeOfOptionalHeader` of PE32+ with 16 directories.
const OPTIONAL_HEADER: u16 = 240;
/// `Subsystem`: an EFI application.
const EFI_APPLICATION: u16 = 10;
/// Stack and heap, which UEFI does not look at.
const RESERVE: u64 = 0x10000;
/// `NumberOfRvaAndSizes`.
const DIRECTORIES: usize = 16;
/// The directory of `.reloc`.
const BASE_RELOCATIONS: usize = 5;

const CODE: u32 = 0x0000_0020;
const DATA: u32 = 0x0000_0040;
const DISCARDABLE: u32 = 0x0200_0000;
const EXECUTE: u32 = 0x2000_0000;
const READ: u32 = 0x4000_0000;
const WRITE: u32 = 0x8000_0000;

/// `IMAGE_REL_BASED_DIR64`: a 64-bit address, in the upper 4 bits of an entry.
const DIR64: u16 = 10 << 12;

/// Larger programs are none of GRUB's; keeps all offsets in 32 bits.
const LIMIT: usize = 1 << 30;

/// A section: name, start and size in the file and in memory, `Characteristics`.
struct Section {
    name: [u8; 8],
    start: usize,
    size: usize,
    characteristics: u32,
}

/// Puts the program together.
pub(super) fn image(
    folder: Folder<'_>,
    cpu: Cpu,
    kernel: &Kernel,
    payload: &[u8],
) -> Result<Vec<u8>, Error> {
    let relocations = relocations(kernel);
    let data = PAGE + kernel.code;
    let mods = PAGE + kernel.image.len();
    let reloc = (mods + payload.len()).next_multiple_of(PAGE);
    let end = reloc + relocations.len();
    folder.room("the UEFI program", end, LIMIT)?;
    let section = |name: &[u8; 8], start, end, characteristics| Section {
        name: *name,
        start,
        size: end - start,
        characteristics,
    };
    let sections = [
        section(b".text\0\0\0", PAGE, data, CODE | EXECUTE | READ),
        section(b".data\0\0\0", data, mods, DATA | READ | WRITE),
        section(b"mods\0\0\0\0", mods, reloc, DATA | READ | WRITE),
        section(b".reloc\0\0", reloc, end, DATA | DISCARDABLE | READ),
    ];
    let mut image = headers(cpu, kernel.entry, &sections);
    image.resize(PAGE, 0);
    image.extend(&kernel.image);
    image.extend(payload);
    image.resize(reloc, 0);
    image.extend(relocations);
    Ok(image)
}

/// Everything before the first section.
fn headers(cpu: Cpu, entry: u64, sections: &[Section; 4]) -> Vec<u8> {
    let [text, data, mods, reloc] = sections;
    let mut out = b"MZ".to_vec();
    out.resize(60, 0);
    out.extend(number(HEADERS)); // 60 e_lfanew
    out.resize(HEADERS, 0);
    out.extend(b"PE\0\0");
    out.extend(coff_machine(cpu).to_le_bytes()); // 0 Machine
    out.extend(4u16.to_le_bytes()); // 2 NumberOfSections
    out.extend(TIME.to_le_bytes()); // 4 TimeDateStamp
    out.extend([0; 8]); // 8 PointerToSymbolTable, NumberOfSymbols
    out.extend(OPTIONAL_HEADER.to_le_bytes()); // 16 SizeOfOptionalHeader
    out.extend(CHARACTERISTICS.to_le_bytes()); // 18 Characteristics
    out.extend(0x20Bu16.to_le_bytes()); // 0 Magic: PE32+
    out.extend([0; 2]); // 2 MajorLinkerVersion, MinorLinkerVersion
    out.extend(number(text.size)); // 4 SizeOfCode
    out.extend(number(data.size + mods.size)); // 8 SizeOfInitializedData
    out.extend([0; 4]); // 12 SizeOfUninitializedData
    out.extend(u32::try_from(entry).unwrap_or_default().to_le_bytes()); // 16 AddressOfEntryPoint
    out.extend(number(text.start)); // 20 BaseOfCode
    out.extend([0; 8]); // 24 ImageBase: UEFI chooses
    out.extend(number(PAGE)); // 32 SectionAlignment
    out.extend(number(PAGE)); // 36 FileAlignment
    out.extend([0; 16]); // 40 versions, Win32VersionValue
    out.extend(number(reloc.start + reloc.size)); // 56 SizeOfImage
    out.extend(number(PAGE)); // 60 SizeOfHeaders
    out.extend([0; 4]); // 64 CheckSum
    out.extend(EFI_APPLICATION.to_le_bytes()); // 68 Subsystem
    out.extend([0; 2]); // 70 DllCharacteristics
    for _ in 0..4 {
        out.extend(RESERVE.to_le_bytes()); // 72 SizeOfStackReserve … SizeOfHeapCommit
    }
    out.extend([0; 4]); // 104 LoaderFlags
    out.extend(number(DIRECTORIES)); // 108 NumberOfRvaAndSizes
    for directory in 0..DIRECTORIES {
        let place = if directory == BASE_RELOCATIONS { (reloc.start, reloc.size) } else { (0, 0) };
        out.extend(number(place.0));
        out.extend(number(place.1));
    }
    out.extend(sections.iter().flat_map(Section::encode));
    out
}

impl Section {
    fn encode(&self) -> Vec<u8> {
        [
            &self.name[..],                      // 0 Name
            &number(self.size),                  // 8 VirtualSize
            &number(self.start),                 // 12 VirtualAddress
            &number(self.size),                  // 16 SizeOfRawData
            &number(self.start),                 // 20 PointerToRawData
            &[0; 12],                            // 24 relocations and line numbers: none
            &self.characteristics.to_le_bytes(), // 36 Characteristics
        ]
        .concat()
    }
}

/// `Machine` of the COFF header.
fn coff_machine(cpu: Cpu) -> u16 {
    match cpu {
        Cpu::X86_64 => 0x8664,
        Cpu::Aarch64 => 0xAA64,
    }
}

/// The `.reloc` section: a block for every page that holds addresses.
fn relocations(kernel: &Kernel) -> Vec<u8> {
    let mut pages: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for address in &kernel.addresses {
        let (page, offset) = (address / PAGE * PAGE, address % PAGE);
        let entry = DIR64 | u16::try_from(offset).unwrap_or_default();
        pages.entry(page).or_default().extend(entry.to_le_bytes());
    }
    let last = pages.keys().next_back().copied();
    let mut out = Vec::new();
    for (page, mut entries) in pages {
        // Entries of 0 are passed over. The last block fills the section's last page.
        let unit = if Some(page) == last { PAGE } else { 8 };
        let size = (out.len() + 8 + entries.len()).next_multiple_of(unit) - out.len();
        entries.resize(size - 8, 0);
        out.extend(number(page)); // PageRVA
        out.extend(number(size)); // BlockSize
        out.extend(entries);
    }
    out
}

/// An offset or a size; [`LIMIT`] bounds them.
fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}
