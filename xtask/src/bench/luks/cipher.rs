//! One core's XTS beside OpenSSL's: each program measures itself.

use super::super::Error;
use super::super::verdict::{self, Verdict, at_least};
use crate::{program, repo};

pub(super) const TITLE: &str = "AES-256-XTS on one core";

/// Size of the sectors, and which part of OpenSSL's speed is promised.
const SECTORS: [(u32, f64); 2] = [(512, 0.75), (4096, 0.6)];
/// What is promised where the processor has VAES.
const WITH_VAES: f64 = 3.0;
/// What OpenSSL counts in: thousands of bytes.
const GIB: f64 = 1_073_741.824;

/// Measures both, thrice, and takes the better of each: what disturbs only makes slower.
pub(super) fn run() -> Result<String, Error> {
    let has_vaes = std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("vaes"));
    let mut ours = [0.0f64; SECTORS.len()];
    let mut theirs = ours;
    for _ in 0..3 {
        let example = repo::target().join("release/examples/xts");
        let said = program::read(&mut program::command(&example.to_string_lossy()))?;
        for (index, (sector, _)) in SECTORS.iter().enumerate() {
            ours[index] = ours[index].max(speed_of_ours(&said, *sector).unwrap_or(f64::NAN));
            let mut openssl = program::command("openssl");
            openssl.args(["speed", "-evp", "aes-256-xts", "-seconds", "2", "-bytes"]);
            let said = program::read(openssl.arg(sector.to_string()))?;
            theirs[index] = theirs[index].max(speed_of_openssl(&said).unwrap_or(f64::NAN));
        }
    }
    Ok(text(ours, theirs, has_vaes))
}

fn text(ours: [f64; 2], theirs: [f64; 2], has_vaes: bool) -> String {
    let mut text = format!(
        "### {TITLE}\n\nGiB in a second: the product's own loop over 1 MiB, and `openssl speed`.\n\n\
         | sectors | calve | openssl | ratio |\n|---|---|---|---|\n"
    );
    let mut promises: Vec<Option<Verdict>> = Vec::new();
    for (index, (sector, part)) in SECTORS.iter().enumerate() {
        let (ours, theirs) = (ours[index], theirs[index]);
        let ratio = ours / theirs;
        text.push_str(&format!("| {sector} | {ours:.2} | {theirs:.2} | {ratio:.2} |\n"));
        let promise = format!("sectors of {sector}: at least {part} × openssl's speed");
        promises.push(at_least(promise, *part, Some(ratio)));
        let promise = format!("sectors of {sector}, VAES: at least {WITH_VAES} GiB/s");
        promises.push(at_least(promise, WITH_VAES, has_vaes.then_some(ours)));
    }
    format!("{text}\n{}\n", verdict::table(promises.into_iter().flatten()))
}

/// `512 5.61`: sectors and GiB in a second.
fn speed_of_ours(said: &str, sector: u32) -> Option<f64> {
    let sector = format!("{sector} ");
    said.lines().find_map(|line| line.strip_prefix(&sector))?.trim().parse().ok()
}

/// `AES-256-XTS    5403354.03k`: thousands of bytes in a second.
fn speed_of_openssl(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.to_ascii_lowercase().starts_with("aes-256-xts"))?;
    let number: f64 = line.split_whitespace().last()?.strip_suffix('k')?.parse().ok()?;
    Some(number / GIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_programs_are_understood() {
        assert_eq!(speed_of_ours("512 5.61\n4096 5.76\n", 512), Some(5.61));
        assert_eq!(speed_of_ours("512 5.61\n4096 5.76\n", 4096), Some(5.76));
        assert_eq!(speed_of_ours("512 5.61\n", 51), None);
        let said = "version: 3.0.17\nThe 'numbers' are in 1000s of bytes per second processed.\n\
                    type            512 bytes\nAES-256-XTS    5403354.03k\n";
        let found = speed_of_openssl(said).unwrap_or_default();
        assert!((found - 5.032).abs() < 0.001, "{found}");
        assert_eq!(speed_of_openssl("AES-128-CBC 1k\n"), None);
    }

    #[test]
    fn promises_stand_below_the_figures() {
        let found = text([5.0, 4.0], [6.0, 8.0], true);
        assert!(found.contains("| 512 | 5.00 | 6.00 | 0.83 |"), "{found}");
        assert!(found.contains("at least 0.75 × openssl's speed | 0.83 | pass |"), "{found}");
        assert!(found.contains("at least 0.6 × openssl's speed | 0.50 | **miss** |"), "{found}");
        assert!(found.contains("VAES: at least 3 GiB/s | 5.00 | pass |"), "{found}");
        assert!(!text([5.0, 4.0], [6.0, 8.0], false).contains("VAES"));
    }
}
