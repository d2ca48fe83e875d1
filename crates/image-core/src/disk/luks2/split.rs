//! The anti-forensic split: a key spread over many stripes, so that losing any of them loses it.
//!
//! A disk may keep an old copy of a sector for ever; it is less likely to keep 500 of them. All
//! stripes but the last are random, and the last is what makes the diffused sum of all come out as
//! the key. Follows TKS1 (C. Fruhwirth, 2005) as the LUKS1 specification, section 2.4, and the
//! LUKS2 one ("luks1" anti-forensic splitter) use it.

use zeroize::Zeroizing;

use super::Error;
use super::hash::Hash;
use super::random;

/// Spreads a key over `stripes` stripes, which is not zero; the result is that many times as long.
pub(super) fn split(key: &[u8], stripes: usize, hash: Hash) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut material = random::secret(key.len() * stripes)?;
    let start = material.len() - key.len();
    let (random, last) = material.split_at_mut(start);
    last.copy_from_slice(key);
    xor(last, &sum(random, key.len(), hash));
    Ok(material)
}

/// Undoes [`split`]; the material is a whole number of keys long.
pub(crate) fn merge(material: &[u8], key_size: usize, hash: Hash) -> Zeroizing<Vec<u8>> {
    let (random, last) = material.split_at(material.len().saturating_sub(key_size));
    let mut key = sum(random, key_size, hash);
    xor(&mut key, last);
    key
}

/// The diffused sum of all stripes but the last.
fn sum(stripes: &[u8], key_size: usize, hash: Hash) -> Zeroizing<Vec<u8>> {
    let mut sum = Zeroizing::new(vec![0; key_size]);
    for stripe in stripes.chunks(key_size.max(1)) {
        xor(&mut sum, stripe);
        diffuse(&mut sum, hash);
    }
    sum
}

/// Makes every bit depend on those of its digest-sized chunk (LUKS1 specification, 2.4, H1).
fn diffuse(block: &mut [u8], hash: Hash) {
    for (number, chunk) in (0u32..).zip(block.chunks_mut(hash.size())) {
        let mut diffused = Zeroizing::new([0; 64]);
        let diffused = &mut diffused[..chunk.len()];
        hash.digest(&[&number.to_be_bytes(), chunk], diffused);
        chunk.copy_from_slice(diffused);
    }
}

fn xor(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(byte, with)| *byte ^= with);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_undoes_splitting_for_every_size_of_key() {
        for hash in [Hash::Sha256, Hash::Sha512] {
            for size in [1, 16, 32, 33, 64, 65, 100] {
                for stripes in [1, 2, 3, 40] {
                    let key: Vec<u8> = (1..=size).map(|i: u8| i.wrapping_mul(3)).collect();
                    let material = split(&key, stripes, hash).unwrap();
                    assert_eq!(material.len(), key.len() * stripes);
                    assert_eq!(*merge(&material, key.len(), hash), key);
                }
            }
        }
    }

    #[test]
    fn every_stripe_is_needed() {
        let key = [7; 64];
        let material = split(&key, 4000, Hash::Sha256).unwrap();
        for stripe in [0, 1, 1999, 3998, 3999] {
            let mut damaged = material.clone();
            damaged[stripe * 64 + 5] ^= 1;
            let found = merge(&damaged, 64, Hash::Sha256);
            let different = found.iter().zip(&key).filter(|(a, b)| a != b).count();
            // The last one is only added; a change in any other spreads.
            assert!(different > if stripe == 3999 { 0 } else { 20 }, "{stripe}: {different}");
        }
        assert_ne!(split(&key, 4, Hash::Sha256).unwrap(), split(&key, 4, Hash::Sha256).unwrap());
    }
}
