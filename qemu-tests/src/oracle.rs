//! A first stage that does nothing but open encrypted volumes: the kernel and the initrd of a sample,
//! and behind that a second archive with a script, busybox and the keys.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use calve_machine::{Boot, DirectKernel};

use crate::{Error, Images};

const SCRIPT: &str = include_str!("oracle.sh");

/// The name of the disk with this number, as the kernel gives it.
pub fn device(index: usize) -> String {
    let letter = (b'a'..=b'z').nth(index).unwrap_or(b'z');
    format!("vd{}", char::from(letter))
}

/// What a machine starts that has one encrypted volume on each disk; `keys` are those of each.
///
/// The images are those of a sample whose initrd has cryptsetup.
pub fn boot(images: &Images, keys: &[Vec<Vec<u8>>]) -> Result<Boot, Error> {
    let root = images.directory("oracle-root")?;
    let oracle = root.join("oracle");
    fs::create_dir_all(oracle.join("bin"))?;
    fs::write(oracle.join("init"), SCRIPT)?;
    fs::set_permissions(oracle.join("init"), fs::Permissions::from_mode(0o755))?;
    fs::write(oracle.join("wrong"), "opens nothing")?;
    busybox(images, &oracle)?;
    for (index, keys) in keys.iter().enumerate() {
        let directory = oracle.join("keys").join(device(index));
        fs::create_dir_all(&directory)?;
        for (slot, key) in keys.iter().enumerate() {
            fs::write(directory.join(slot.to_string()), key)?;
        }
    }
    let mut cpio = Command::new("sh");
    cpio.args(["-c", "find . | cpio --quiet -o -H newc -R +0:+0"]).current_dir(&root);
    let archive = images.run(&mut cpio)?.stdout;

    let mut initrd = fs::read(images.system().join("initrd"))?;
    // The kernel finds an archive that is not compressed at a multiple of four only.
    initrd.resize(initrd.len().next_multiple_of(4), 0);
    initrd.write_all(&archive)?;
    let path = images.scratch().join("oracle.initrd");
    fs::write(&path, initrd)?;
    Ok(Boot::Kernel(DirectKernel {
        kernel: images.system().join("kernel"),
        initrd: Some(path),
        command_line: "console=ttyS0 loglevel=4 no_timer_check panic=1 rdinit=/oracle/init"
            .to_owned(),
    }))
}

/// The sample's own static busybox, under the names that the script uses.
fn busybox(images: &Images, oracle: &Path) -> Result<(), Error> {
    let paths = images.store_paths()?;
    let found = paths.iter().find(|path| path.contains("-busybox-static-"));
    let missing = || Error::Missing("busybox in the sample's closure".to_owned());
    let package = Path::new(found.ok_or_else(missing)?);
    fs::copy(package.join("bin/busybox"), oracle.join("busybox"))?;
    let names = [
        "cut",
        "find",
        "mkdir",
        "modprobe",
        "mount",
        "poweroff",
        "sha256sum",
        "sort",
        "umount",
        "xargs",
    ];
    for name in names {
        symlink("../busybox", oracle.join("bin").join(name))?;
    }
    Ok(())
}
