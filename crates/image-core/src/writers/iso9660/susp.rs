//! The system use fields of directory records, and where they go on: SUSP.
//!
//! Follows the System Use Sharing Protocol 1.12 (IEEE P1281 draft): SP, CE, ER. What does not fit a record lies in
//! sectors behind the records of its directory. A run of fields stays within a sector, as Linux
//! (`rock_continue`) wants it; a longer one is cut, and the parts point to one another.

use super::ondisk::{Lba, SECTOR, both32};

/// The size of a CE field.
const CE: usize = 28;
/// A sector as a length in memory.
const SECTOR_LEN: usize = 2048;

const _: () = assert!(SECTOR.get() == 2048);

/// A system use field, encoded.
#[derive(Debug)]
pub(super) struct Field(Vec<u8>);

impl Field {
    /// Returns the bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Encodes a field: signature, length, version 1, data of at most 251 bytes.
pub(super) fn field(signature: [u8; 2], data: &[u8]) -> Field {
    let length = u8::try_from(4 + data.len()).unwrap_or(u8::MAX);
    Field([&signature[..], &[length, 1], data].concat())
}

/// Says that there are system use fields (5.3): comes first in the root's own record.
pub(super) fn sp() -> Field {
    field(*b"SP", &[0xBE, 0xEF, 0])
}

/// Says that they are Rock Ridge's (5.5), in the words of RRIP 1.12, 4.3.
pub(super) fn er() -> Field {
    const IDENTIFIER: &[u8] = b"IEEE_P1282";
    const DESCRIPTOR: &[u8] =
        b"THE IEEE P1282 PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";
    const SOURCE: &[u8] = b"PLEASE CONTACT THE IEEE STANDARDS DEPARTMENT, PISCATAWAY, NJ, USA FOR THE P1282 SPECIFICATION";
    let texts = [IDENTIFIER, DESCRIPTOR, SOURCE];
    let [identifier, descriptor, source] =
        texts.map(|text| u8::try_from(text.len()).unwrap_or(u8::MAX));
    let lengths = [identifier, descriptor, source, 1];
    field(*b"ER", &[&lengths[..], &texts.concat()].concat())
}

/// Where fields go on that do not fit their record: the sectors behind a directory's records.
#[derive(Debug)]
pub(super) struct Continuation {
    /// The first of them.
    pub(super) start: Lba,
    /// What lies there so far.
    pub(super) data: Vec<u8>,
}

impl Continuation {
    /// Encodes fields for a record that has `room` for them.
    pub(super) fn record(&mut self, fields: &[Field], room: usize) -> Vec<u8> {
        let (mut out, rest) = cut(fields, room);
        if !rest.is_empty() {
            out.extend(self.add(rest));
        }
        out
    }

    /// Places fields, and returns the field that points to them.
    fn add(&mut self, fields: &[Field]) -> Vec<u8> {
        let room = SECTOR_LEN - self.data.len() % SECTOR_LEN;
        let (mut run, rest) = cut(fields, room);
        if run.is_empty() {
            self.fill_sector();
            return self.add(fields);
        }
        let start = self.data.len();
        if !rest.is_empty() {
            // The rest begins in the next sector; the pointer to it ends this run.
            let end = start + run.len() + CE;
            self.data.extend(&run);
            self.data.resize(end.next_multiple_of(SECTOR_LEN), 0);
            let pointer = self.add(rest);
            if let Some(place) = self.data.get_mut(end - CE..end) {
                place.iter_mut().zip(&pointer).for_each(|(to, from)| *to = *from);
            }
            return self.pointer(start, end - start);
        }
        let length = run.len();
        self.data.append(&mut run);
        self.pointer(start, length)
    }

    /// Ends the sector in use with zeros.
    pub(super) fn fill_sector(&mut self) {
        self.data.resize(self.data.len().next_multiple_of(SECTOR_LEN), 0);
    }

    /// Encodes a CE field (5.1).
    fn pointer(&self, start: usize, length: usize) -> Vec<u8> {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let sector = self.start.0.saturating_add(number(start / SECTOR_LEN));
        let numbers = [sector, number(start % SECTOR_LEN), number(length)];
        field(*b"CE", &numbers.map(both32).concat()).0
    }
}

/// Takes as many fields as fit, with a CE field behind them if any are left.
fn cut(fields: &[Field], room: usize) -> (Vec<u8>, &[Field]) {
    let sizes: usize = fields.iter().map(|field| field.0.len()).sum();
    let room = if sizes <= room { room } else { room.saturating_sub(CE) };
    let mut out = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        if out.len() + field.0.len() > room {
            return (out, &fields[index..]);
        }
        out.extend(&field.0);
    }
    (out, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_crosses_a_sector_and_every_field_is_found() {
        let fields: Vec<Field> = (0..40).map(|number| field(*b"XX", &[number; 250])).collect();
        let mut area = Continuation { start: Lba(100), data: vec![7; 1900] };
        let record = area.record(&fields, 180);
        let mut found = Vec::new();
        let mut run = record;
        loop {
            let mut next = None;
            let mut rest = &run[..];
            while let Some(length) = rest.get(2).map(|length| usize::from(*length)) {
                let (field, after) = rest.split_at(length);
                let number = |at: usize| {
                    u32::from_le_bytes([field[at], field[at + 1], field[at + 2], field[at + 3]])
                };
                match &field[..2] {
                    b"CE" => next = Some((number(4) - 100, number(12), number(20))),
                    _ => found.push(field[4]),
                }
                rest = after;
            }
            let Some((sector, offset, length)) = next else { break };
            assert!(offset + length <= 2048, "{offset} {length}");
            let start = (sector * 2048 + offset) as usize;
            run = area.data[start..start + length as usize].to_vec();
        }
        assert_eq!(found, (0..40).collect::<Vec<u8>>());
    }
}
