//! A script's first line, and the program that it names.
//!
//! Follows the kernel (`binfmt_script`): after `#!` come blanks, the interpreter's path, and perhaps one
//! argument. The program's architecture is in its ELF header (`e_machine`, System V gABI, chapter 4).

use std::io::Read;

use super::store::{self, HostStore};
use super::store_path::StoreFile;

/// What a script begins with.
const MAGIC: &[u8] = b"#!";

/// What an ELF program begins with.
const ELF: &[u8] = b"\x7fELF";

/// `EI_DATA`: where a header tells its byte order, and the value for the most significant byte first.
const EI_DATA: usize = 5;
const ELFDATA2MSB: u8 = 2;

/// Where `e_machine` lies, in both classes.
const E_MACHINE: usize = 18;

/// What a program file is, by its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A script, and its interpreter; empty where it names none.
    Script(String),
    /// Machine code, for this `e_machine`.
    Elf(u16),
    /// Something else.
    Other,
}

impl Program {
    /// Reads the first bytes of a program.
    pub fn of(bytes: &[u8]) -> Self {
        if let Some(rest) = bytes.strip_prefix(MAGIC) {
            let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let line = String::from_utf8_lossy(line);
            let interpreter = line.split_ascii_whitespace().next().unwrap_or_default();
            return Self::Script(interpreter.to_owned());
        }
        match bytes.get(E_MACHINE..E_MACHINE + 2) {
            Some(&[first, second]) if bytes.starts_with(ELF) => {
                let is_big = bytes.get(EI_DATA) == Some(&ELFDATA2MSB);
                let machine = [first, second];
                Self::Elf(if is_big {
                    u16::from_be_bytes(machine)
                } else {
                    u16::from_le_bytes(machine)
                })
            }
            Some(_) | None => Self::Other,
        }
    }

    /// Reads what a file of the store is, links followed.
    ///
    /// # Errors
    /// The system's answer.
    pub fn at(store: &HostStore, file: &StoreFile) -> Result<Self, store::Error> {
        /// Longer than the kernel looks (`BINPRM_BUF_SIZE`).
        const START: u64 = 256;
        let mut start = Vec::new();
        let read = store.open(file)?.take(START).read_to_end(&mut start);
        read.map_err(|source| store::Error::Io {
            action: "read",
            path: store.locate(file),
            source,
        })?;
        Ok(Self::of(&start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts() {
        for (text, interpreter) in [
            ("#!/bin/sh\n", "/bin/sh"),
            ("#! /bin/sh -e\nset", "/bin/sh"),
            ("#!  \t/bin/busybox sh", "/bin/busybox"),
            ("#!\n/bin/sh", ""),
            ("#!", ""),
        ] {
            assert_eq!(Program::of(text.as_bytes()), Program::Script(interpreter.to_owned()));
        }
    }

    #[test]
    fn machine_code() {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(18, 0);
        let with = |header: &[u8], machine: [u8; 2]| Program::of(&[header, &machine].concat());
        assert_eq!(with(&header, [0x3e, 0]), Program::Elf(0x3e));
        assert_eq!(with(&header, [0x02, 0x01]), Program::Elf(0x102));
        assert_eq!(Program::of(&header), Program::Other);
        header[5] = 2;
        assert_eq!(with(&header, [0, 0x15]), Program::Elf(0x15));
        assert_eq!(Program::of(b"MZ"), Program::Other);
        assert_eq!(Program::of(b""), Program::Other);
    }

    #[test]
    fn this_very_program() {
        // The test itself is the nearest program that somebody else's tool made.
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        let machine = if cfg!(target_arch = "x86_64") { 0x3e } else { 0xb7 };
        assert_eq!(Program::of(&bytes), Program::Elf(machine));
    }
}
