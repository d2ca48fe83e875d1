//! Volume descriptors (ECMA-119, section 8): what a reader looks for at sector 16.
//!
//! The primary one and Joliet's differ in their code of characters only. Fields of which nobody reads
//! anything are blank; the standard's sets of characters are not kept, see `volume_id`.

use super::Settings;
use super::date::{Date, NEVER};
use super::names::Rule;
use super::ondisk::{Lba, SECTOR, both16, both32};
use crate::units::Bytes;

/// Where the descriptors start (6.7.1.1): what comes before is for others.
pub(super) const FIRST: Lba = Lba(16);

/// `Standard Identifier`, and version 1.
const STANDARD: &[u8] = b"CD001\x01";
/// `Escape Sequences` of UCS-2 level 3 (Joliet, "SVD Escape Sequences").
const UCS2_LEVEL_3: &[u8] = b"%/E";

/// What a volume descriptor says of its hierarchy.
#[derive(Debug)]
pub(super) struct Descriptor<'a> {
    pub(super) settings: &'a Settings<'a>,
    pub(super) rule: Rule,
    /// The size of the volume.
    pub(super) size: Bytes,
    /// What a path table takes; both take the same.
    pub(super) table_size: Bytes,
    /// Where the little-endian path table lies, and the big-endian one.
    pub(super) tables: (Lba, Lba),
    /// The root's directory record.
    pub(super) root: Vec<u8>,
}

impl Descriptor<'_> {
    /// Encodes the descriptor.
    pub(super) fn encode(&self) -> Vec<u8> {
        let Settings { volume, epoch, application, publisher, .. } = *self.settings;
        let date = Date::of(epoch).long();
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let (kind, escapes) = match self.rule {
            Rule::Primary => (1, &b""[..]),
            Rule::Joliet => (2, UCS2_LEVEL_3),
        };
        let mut escape_field = [0; 32];
        escape_field.iter_mut().zip(escapes).for_each(|(to, from)| *to = *from);
        let sectors = number(self.size.div_ceil(SECTOR));
        let mut out = [
            &[kind][..],
            STANDARD,
            &[0],                                   // 7 Volume Flags
            &self.text("", 32),                     // 8 System Identifier
            &self.text(volume.as_str(), 32),        // 40 Volume Identifier
            &[0; 8],                                // 72
            &both32(sectors),                       // 80 Volume Space Size
            &escape_field,                          // 88 Escape Sequences
            &both16(1),                             // 120 Volume Set Size
            &both16(1),                             // 124 Volume Sequence Number
            &both16(2048),                          // 128 Logical Block Size
            &both32(number(self.table_size.get())), // 132 Path Table Size
            &self.tables.0.0.to_le_bytes(),         // 140 Location of Type L Path Table
            &[0; 4],                                // 144 Optional Type L Path Table
            &self.tables.1.0.to_be_bytes(),         // 148 Location of Type M Path Table
            &[0; 4],                                // 152 Optional Type M Path Table
            &self.root,                             // 156 Directory Record for Root Directory
            &self.text("", 128),                    // 190 Volume Set Identifier
            &self.text(publisher, 128),             // 318 Publisher Identifier
            &self.text("", 128),                    // 446 Data Preparer Identifier
            &self.text(application, 128),           // 574 Application Identifier
            &self.text("", 37),                     // 702 Copyright File Identifier
            &self.text("", 37),                     // 739 Abstract File Identifier
            &self.text("", 37),                     // 776 Bibliographic File Identifier
            &date,                                  // 813 Volume Creation Date and Time
            &date,                                  // 830 Volume Modification Date and Time
            &NEVER,                                 // 847 Volume Expiration Date and Time
            &NEVER,                                 // 864 Volume Effective Date and Time
            &[1, 0],                                // 881 File Structure Version
        ]
        .concat();
        out.resize(sector_len(), 0);
        out
    }

    /// Encodes a text and pads it with spaces; in Joliet half as many characters fit.
    fn text(&self, text: &str, size: usize) -> Vec<u8> {
        let (mut out, blank): (Vec<u8>, &[u8]) = match self.rule {
            Rule::Primary => (text.bytes().collect(), b" "),
            Rule::Joliet => (text.bytes().flat_map(|byte| [0, byte]).collect(), b"\0 "),
        };
        out.truncate(size / blank.len() * blank.len());
        while out.len() + blank.len() <= size {
            out.extend(blank);
        }
        out.resize(size, 0);
        out
    }
}

/// Encodes El Torito's boot record (1.0, figure 7): where the catalog lies.
pub(super) fn boot_record(catalog: Lba) -> Vec<u8> {
    let mut out = [&[0][..], STANDARD, b"EL TORITO SPECIFICATION"].concat();
    out.resize(71, 0);
    out.extend(catalog.0.to_le_bytes());
    out.resize(sector_len(), 0);
    out
}

/// Encodes the descriptor that ends the set (8.3).
pub(super) fn terminator() -> Vec<u8> {
    let mut out = [&[255][..], STANDARD].concat();
    out.resize(sector_len(), 0);
    out
}

fn sector_len() -> usize {
    SECTOR.to_len().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{Boot, VolumeId};
    use super::*;
    use crate::epoch::Epoch;

    #[test]
    fn fields_lie_where_the_standard_has_them() {
        let volume = VolumeId::new("nixos-26.05").unwrap();
        let settings = Settings {
            volume: &volume,
            epoch: Epoch::STORE,
            application: "app",
            publisher: "pub",
            boot: Boot::default(),
        };
        for (rule, app) in [(Rule::Primary, &b"app "[..]), (Rule::Joliet, b"\0a\0p\0p\0 ")] {
            let descriptor = Descriptor {
                settings: &settings,
                rule,
                size: SECTOR * 3,
                table_size: Bytes::new(10),
                tables: (Lba(20), Lba(21)),
                root: vec![9; 34],
            };
            let encoded = descriptor.encode();
            assert_eq!(encoded.len(), 2048);
            assert_eq!(encoded[80..88], [3, 0, 0, 0, 0, 0, 0, 3]);
            assert_eq!(encoded[156..190], [9; 34]);
            assert_eq!(&encoded[574..574 + app.len()], app);
            assert_eq!(&encoded[813..830], b"1970010100000100\0");
            assert_eq!(encoded[881..884], [1, 0, 0]);
        }
        assert_eq!(boot_record(Lba(5))[71..75], [5, 0, 0, 0]);
        assert_eq!((boot_record(Lba(5)).len(), terminator().len()), (2048, 2048));
    }
}
