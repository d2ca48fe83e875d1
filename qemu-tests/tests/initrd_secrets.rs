//! Secrets after initrds of every length: the kernel itself unpacks what calve appends.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use calve_image_core::boot::initrd_secrets::{Appendix, Part, Secret, cpio};
use calve_image_core::inputs::store_path::StoreFile;
use calve_image_core::region::{self, FreshFile, Keys, Options, Region};
use calve_image_core::tree::{Source, TreePath};
use calve_image_core::units::Bytes;
use calve_machine::{Boot, DirectKernel, Disk, Machine};
use calve_qemu_tests::{Images, Sample, Scenario};
use zeroize::Zeroizing;

/// What starts instead of a first stage: it says what secrets there are, and goes.
const INIT: &str = "#!/busybox sh\n\
                    for file in $(/busybox find /.initrd-secrets | /busybox sort); do\n  \
                    echo \"FOUND $file $(/busybox stat -c '%a %u:%g' $file)\"\ndone\n\
                    /busybox cat /.initrd-secrets/etc/ssh/key\necho SECRETS-DONE\n/busybox poweroff -f\n";

const SECRET: &str = "only for the first stage\n";

const FOUND: [&str; 5] = [
    "FOUND /.initrd-secrets 700 0:0",
    "FOUND /.initrd-secrets/etc 700 0:0",
    "FOUND /.initrd-secrets/etc/ssh 700 0:0",
    "FOUND /.initrd-secrets/etc/ssh/key 400 0:0",
    "only for the first stage",
];

type Outcome<T> = Result<T, Box<dyn StdError>>;

#[test]
fn the_kernel_finds_secrets_after_any_initrd() -> Outcome<()> {
    let Some(scenario) = Scenario::new("initrd-secrets", Sample::Mini)? else { return Ok(()) };
    let images = scenario.images();
    let directory = images.directory("initrds")?;
    let empty = directory.join("empty.raw");
    File::create(&empty)?.set_len(1 << 20)?;
    for remainder in 0..4 {
        let initrd = directory.join(remainder.to_string());
        append(&fs::read(compressed(images, remainder)?)?, &initrd)?;
        let boot = Boot::Kernel(DirectKernel {
            kernel: images.system().join("kernel"),
            initrd: Some(initrd),
            command_line: "console=ttyS0 loglevel=4 no_timer_check panic=1".to_owned(),
        });
        let machine = Machine { boot, ..scenario.machine(Disk::open(&empty)?) };
        let mut running = machine.boot()?;
        running.expect("SECRETS-DONE", scenario.patience())?;
        let said = running.console().text();
        running.wait_off(scenario.patience())?;
        for line in FOUND {
            assert!(said.contains(line), "after {remainder} bytes: expected {line}\n{said}");
        }
    }
    Ok(())
}

/// An initrd in gzip whose length leaves a remainder when it is divided by four.
fn compressed(images: &Images, remainder: usize) -> Outcome<PathBuf> {
    let root = images.directory(&format!("root-{remainder}"))?;
    fs::write(root.join("init"), INIT)?;
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))?;
    let paths = images.store_paths()?;
    let busybox = paths.iter().find(|path| path.contains("-busybox-static-"));
    let busybox = Path::new(busybox.ok_or("the sample has no busybox")?).join("bin/busybox");
    fs::copy(busybox, root.join("busybox"))?;
    let path = images.scratch().join(format!("plain-{remainder}"));
    for filler in 0..200 {
        fs::write(root.join("filler"), format!("{:x}", filler * 7919).repeat(filler))?;
        let script = format!("find . | cpio --quiet -o -H newc | gzip -1n >{}", path.display());
        images.run(Command::new("sh").args(["-c", &script]).current_dir(&root))?;
        if usize::try_from(fs::metadata(&path)?.len())? % 4 == remainder {
            return Ok(path);
        }
    }
    Err("no filler gives that length".into())
}

/// Writes an initrd with a secret after it.
fn append(initrd: &[u8], path: &Path) -> Outcome<()> {
    let dest = TreePath::parse("/etc/ssh/key")?;
    let secret = Secret { dest: dest.clone(), len: Bytes::of(SECRET.as_bytes()) };
    let mut keys = Keys::none();
    keys.insert_secret(secret.id(), Zeroizing::new(SECRET.as_bytes().to_vec()));
    let appendix = Appendix(BTreeMap::from([(dest, Part::Given(secret))]));
    let none = |_: &StoreFile| -> Result<Source, cpio::Error> { Ok(Source::bytes(Vec::new())) };
    let plan = appendix.initrd(&Source::bytes(initrd.to_vec()), none)?;
    let file = File::options().read(true).write(true).create_new(true).open(path)?;
    region::write(&plan, Region::Random(&FreshFile::new(&file)), &keys, &Options::default())?;
    Ok(())
}
