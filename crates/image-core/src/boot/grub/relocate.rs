//! One relocation: the bytes of a place that depend on an address.
//!
//! Only what compilers put into GRUB's kernels is known. Numbers, names and formulas (S + A is the
//! target, P the place) are those of the ABIs: "System V ABI, AMD64 supplement", table 4.9, and "ELF for
//! the Arm 64-bit Architecture", section 5.7.

use std::fmt;

use super::find::Cpu;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The place is right wherever the program is loaded.
    Fixed,
    /// The place holds a 64-bit address, to which the loader adds where the program is.
    Address,
}

/// Why a place cannot be filled; reads on after "a relocation N".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    Unknown,
    Range,
    End,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "that is not supported",
            Self::Range => "whose target is too far away",
            Self::End => "outside its section",
        })
    }
}

/// Fills the place at the start of `bytes`.
pub(super) fn apply(
    cpu: Cpu,
    kind: u32,
    bytes: &mut [u8],
    target: i64,
    place: i64,
) -> Result<Outcome, Problem> {
    match cpu {
        Cpu::X86_64 => x86_64(kind, bytes, target, place),
        Cpu::Aarch64 => aarch64(kind, bytes, target, place),
    }
}

fn x86_64(kind: u32, bytes: &mut [u8], target: i64, place: i64) -> Result<Outcome, Problem> {
    match kind {
        // R_X86_64_NONE
        0 => Ok(Outcome::Fixed),
        // R_X86_64_64: S + A
        1 => address(bytes, target),
        // R_X86_64_PC32, R_X86_64_PLT32 (there is no table to go through): S + A - P
        2 | 4 => {
            let distance = i32::try_from(target.wrapping_sub(place)).map_err(|_| Problem::Range)?;
            put(bytes, distance.to_le_bytes()).map(|()| Outcome::Fixed)
        }
        // R_X86_64_PC64: S + A - P
        24 => put(bytes, target.wrapping_sub(place).to_le_bytes()).map(|()| Outcome::Fixed),
        // R_X86_64_32 and the like would tie the program to the first 4 GiB.
        _ => Err(Problem::Unknown),
    }
}

fn aarch64(kind: u32, bytes: &mut [u8], target: i64, place: i64) -> Result<Outcome, Problem> {
    let distance = target.wrapping_sub(place);
    match kind {
        // R_AARCH64_NONE
        0 | 256 => Ok(Outcome::Fixed),
        // R_AARCH64_ABS64: S + A
        257 => address(bytes, target),
        // R_AARCH64_PREL32: S + A - P
        261 => {
            let distance = i32::try_from(distance).map_err(|_| Problem::Range)?;
            put(bytes, distance.to_le_bytes()).map(|()| Outcome::Fixed)
        }
        // R_AARCH64_ADR_PREL_PG_HI21: pages from P to S + A; the two lowest bits at 29, the rest at 5
        275 => {
            let pages = (target >> 12) - (place >> 12);
            within(pages, 21)?;
            instruction(bytes, 0x9F00_001F, low(pages, 2) << 29 | low(pages >> 2, 19) << 5)
        }
        // R_AARCH64_ADD_ABS_LO12_NC: the target within its page, at 10
        277 => instruction(bytes, 0xFFC0_03FF, low(target, 12) << 10),
        // R_AARCH64_JUMP26, R_AARCH64_CALL26: S + A - P in words
        282 | 283 => {
            within(distance, 28)?;
            instruction(bytes, 0xFC00_0000, low(distance >> 2, 26))
        }
        // R_AARCH64_LDST64_ABS_LO12_NC: the same as 277, in units of 8 bytes
        286 => instruction(bytes, 0xFFC0_03FF, low(target >> 3, 9) << 10),
        _ => Err(Problem::Unknown),
    }
}

/// Writes an address.
fn address(bytes: &mut [u8], target: i64) -> Result<Outcome, Problem> {
    put(bytes, target.to_le_bytes()).map(|()| Outcome::Address)
}

/// Changes the bits of an instruction that are not in `keep`.
fn instruction(bytes: &mut [u8], keep: u32, value: u32) -> Result<Outcome, Problem> {
    let (word, _) = bytes.split_first_chunk::<4>().ok_or(Problem::End)?;
    let changed = u32::from_le_bytes(*word) & keep | value;
    put(bytes, changed.to_le_bytes()).map(|()| Outcome::Fixed)
}

/// Refuses what does not fit a signed number of so many bits.
fn within(value: i64, bits: u32) -> Result<(), Problem> {
    let half = 1 << (bits - 1);
    if (-half..half).contains(&value) { Ok(()) } else { Err(Problem::Range) }
}

/// The lowest bits of a number.
fn low(value: i64, bits: u32) -> u32 {
    // At most 26 bits are asked for.
    u32::try_from(value & ((1 << bits) - 1)).unwrap_or_default()
}

fn put<const N: usize>(bytes: &mut [u8], value: [u8; N]) -> Result<(), Problem> {
    let (place, _) = bytes.split_first_chunk_mut::<N>().ok_or(Problem::End)?;
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(cpu: Cpu, kind: u32, before: u32, target: i64, place: i64) -> u32 {
        let mut bytes = before.to_le_bytes();
        apply(cpu, kind, &mut bytes, target, place).unwrap();
        u32::from_le_bytes(bytes)
    }

    #[test]
    fn instructions_reach_their_targets() {
        let arm = |kind, before, target, place| word(Cpu::Aarch64, kind, before, target, place);
        assert_eq!(arm(283, 0x9400_0000, 0x1000, 0x2000), 0x97FF_FC00, "bl .-0x1000");
        assert_eq!(arm(275, 0x9000_0001, 0x5678, 0x1234), 0x9000_0021, "adrp x1, 0x5000");
        assert_eq!(arm(275, 0x9000_0000, 0x1000, 0x2000), 0xF0FF_FFE0, "adrp x0, .-0x1000");
        assert_eq!(arm(277, 0x9100_0021, 0x5678, 0), 0x9119_E021, "add x1, x1, #0x678");
        assert_eq!(arm(286, 0xF940_0021, 0x5678, 0), 0xF943_3C21, "ldr x1, [x1, #0x678]");
        assert_eq!(word(Cpu::X86_64, 2, 0, 0x1000, 0x2000), 0xFFFF_F000);
    }

    #[test]
    fn what_cannot_be_reached_is_refused() {
        let mut bytes = [0; 8];
        let far = apply(Cpu::Aarch64, 283, &mut bytes, 1 << 27, 0);
        assert_eq!(far, Err(Problem::Range));
        assert_eq!(apply(Cpu::X86_64, 4, &mut bytes, 1 << 31, 0), Err(Problem::Range));
        assert_eq!(apply(Cpu::X86_64, 10, &mut bytes, 0, 0), Err(Problem::Unknown));
        assert_eq!(apply(Cpu::X86_64, 1, &mut bytes[..7], 0, 0), Err(Problem::End));
    }
}
