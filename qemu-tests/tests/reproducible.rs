//! Two builds give the same bytes, whoever builds, where, when, and on how many processors.
#![allow(missing_docs)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use calve_qemu_tests::{Error, Images, Sample, is_root};

/// What is put before the command line, and what of it a variation is.
const VARIATIONS: [(&str, &[&str]); 6] = [
    ("another directory", &[]),
    ("another umask", &["sh", "-c", "umask 077; exec \"$@\"", "sh"]),
    ("another time zone", &["env", "TZ=Asia/Tokyo", "LC_ALL=tr_TR.UTF-8", "HOME=/nowhere"]),
    ("an empty environment", &["env", "-i"]),
    ("one processor", &["taskset", "--cpu-list", "0"]),
    ("another user", &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]),
];

#[test]
fn every_build_gives_the_same_bytes() -> Result<(), Error> {
    let Some(images) = Images::new("reproducible", Sample::Mini)? else { return Ok(()) };
    let calve = images.calve_for_anyone()?;
    let store = touched_store(&images)?;
    let overlay = images.directory("overlay")?;
    std::fs::write(overlay.join("motd"), "hello")?;
    let overlay = format!("{}:/etc", overlay.display());
    let store: [&str; 2] = ["--store", &store.display().to_string()];
    let overlay: [&str; 2] = ["--overlay", &overlay];

    for format in ["raw", "qcow2"] {
        let build = |name: &str, before: &[&str], after: &[&str]| {
            let directory = images.directory(&format!("{format} with {name}"))?;
            let mut words: Vec<String> = before.iter().map(|&word| word.to_owned()).collect();
            words.push(calve.display().to_string());
            words.extend(images.arguments());
            words.extend(["--format", format, "-o", "image"].map(str::to_owned));
            words.extend(overlay.iter().chain(after).map(|&word| word.to_owned()));
            let mut command = Command::new(&words[0]);
            images.expect(command.args(&words[1..]).current_dir(&directory))?;
            Ok::<_, Error>(directory.join("image"))
        };
        let first = build("nothing else", &[], &[])?;
        for (name, before) in VARIATIONS {
            if before.contains(&"setpriv") && !is_root() {
                continue;
            }
            same_bytes(&images, &first, &build(name, before, &[])?)?;
        }
        // The overlay was made long before; now it is of today.
        images.expect(Command::new("touch").args(["overlay", "overlay/motd"]))?;
        same_bytes(&images, &first, &build("another store", &[], &store)?)?;

        let stream = images.scratch().join("stream");
        let mut command = Command::new(&calve);
        command.args(images.arguments()).args(["--format", format, "-o", "-"]).args(overlay);
        images.expect(command.stdout(File::create(&stream)?))?;
        same_bytes(&images, &first, &stream)?;
    }
    Ok(())
}

#[test]
fn every_source_of_the_closure_gives_the_same_bytes() -> Result<(), Error> {
    let Some(images) = Images::new("sources", Sample::Mini)? else { return Ok(()) };
    let registered = images.build(&["--format", "raw"])?;
    // Without a registration Nix is asked, and without Nix its database is read.
    let words = images.arguments();
    let unregistered = words.iter().take_while(|word| *word != "--registration");
    for path in [std::env::var_os("PATH").unwrap_or_default(), "/nowhere".into()] {
        let mut command = Command::new(images.calve_bin());
        command.args(unregistered.clone()).args(["-o", "other.raw"]).env("PATH", path);
        images.expect(&mut command)?;
        same_bytes(&images, &registered, &images.scratch().join("other.raw"))?;
    }
    Ok(())
}

/// Copies the sample's store with today's times, and with what a umask makes of modes.
fn touched_store(images: &Images) -> Result<PathBuf, Error> {
    let root = images.directory("touched")?;
    let registration = std::fs::read_to_string(images.registration())?;
    let mut paths: Vec<&str> =
        registration.lines().filter(|line| line.starts_with("/nix/store/")).collect();
    paths.sort_unstable();
    paths.dedup();
    std::fs::create_dir_all(root.join("nix/store"))?;
    let mut copy = Command::new("sh");
    copy.args(["-c", "umask 027; cp -dR \"$@\" touched/nix/store", "sh"]);
    images.expect(copy.args(paths))?;
    Ok(root)
}

fn same_bytes(images: &Images, one: &Path, other: &Path) -> Result<(), Error> {
    images.expect(Command::new("cmp").args([one, other]))?;
    Ok(std::fs::remove_file(other)?)
}
