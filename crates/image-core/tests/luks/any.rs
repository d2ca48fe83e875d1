//! Random volumes: cryptsetup must open each, and get out of it what was put in.

use calve_image_core::disk::luks2::{Kdf, Luks2};
use calve_image_core::units::{Bytes, KIB, SectorSize};

use super::*;

/// Numbers from noise, so that every run is the same.
struct Numbers(std::vec::IntoIter<u8>);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        let bytes = [self.0.next(), self.0.next(), self.0.next()].map(Option::unwrap_or_default);
        u64::from(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])) % most
    }
}

/// Pieces of bytes and zeros with gaps between them; and what must come back, where it is known.
fn scattered(numbers: &mut Numbers, sector: Bytes) -> (Plan, Vec<Option<u8>>) {
    let size = sector * (1 + numbers.below(4 * MIB.get() / sector.get()));
    let mut plan = PlanBuilder::new();
    let mut content = vec![None; size.to_len().unwrap()];
    let mut at = 0;
    for number in 0..12 {
        at += numbers.below(300_000) * numbers.below(2);
        let len = (1 + numbers.below(200_000)).min(size.get().saturating_sub(at));
        if len == 0 {
            break;
        }
        let (offset, len) = (Bytes::new(at), Bytes::new(len));
        let range = at as usize..(offset + len).to_len().unwrap();
        if numbers.below(3) == 0 {
            plan.zeros(offset, len, Label::numbered("zeros", number));
            content[range].fill(Some(0));
        } else {
            let data = corpus::noise(at, len.to_len().unwrap());
            content[range].iter_mut().zip(&data).for_each(|(to, from)| *to = Some(*from));
            plan.bytes(offset, Label::numbered("bytes", number), data);
        }
        at += len.get();
    }
    (plan.finish(size).unwrap(), content)
}

#[test]
fn twenty_random_volumes() {
    let Some(bench) = Bench::new() else { return };
    let mut numbers = Numbers(corpus::noise(4711, 4096).into_iter());
    for number in 0..20 {
        let sector = SectorSize::ALL[numbers.below(2) as usize];
        let kdf = if numbers.below(2) == 0 {
            let (passes, lanes) = (4 + numbers.below(3) as u32, 1 + numbers.below(4) as u32);
            Kdf::Argon2id { memory: KIB * (32 + numbers.below(2000)), passes, lanes }
        } else {
            Kdf::Pbkdf2 { iterations: 1000 + numbers.below(5000) as u32 }
        };
        let keyslots = 1 + numbers.below(4) as usize;
        let keys: Vec<Vec<u8>> = (0..keyslots)
            .map(|slot| {
                let len = 1 + numbers.below(if slot == 0 { 20 } else { 3000 });
                corpus::noise(number * 40 + slot as u64, len as usize)
            })
            .collect();
        let label = numbers.below(48) as usize;
        let noise = numbers.below(2) == 0;
        let (plan, content) = scattered(&mut numbers, sector.bytes());
        let luks = Luks2 {
            kdf,
            keyslots,
            noise,
            label: Some("é".repeat(label / 2)).filter(|label| !label.is_empty()),
            ..luks(sector)
        };
        let with: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let image = bench.make(&number.to_string(), &luks, plan, &with);
        for (slot, key) in with.iter().enumerate() {
            assert_eq!(bench.opens(&image, key), Some(0), "{number}: {luks:?}, keyslot {slot}");
            assert_eq!(read::open(&image, key).unwrap() as usize, slot, "{number}: {luks:?}");
        }
        let key = with[keyslots - 1];
        for (who, found) in
            [("cryptsetup", bench.decrypted(&image, key)), ("ours", read::payload(&image, key))]
        {
            assert_eq!(found.len(), content.len(), "{number}: {who}: {luks:?}");
            let differs = found.iter().zip(&content).position(|(found, expected)| {
                expected.map_or(noise && *found != 0, |expected| expected != *found)
            });
            assert_eq!(differs, None, "{number}: {who}: {luks:?}");
        }
        std::fs::remove_file(image).unwrap();
    }
}
