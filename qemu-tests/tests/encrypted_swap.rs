//! Swap partitions: one that the kernel takes as it is, one inside an encrypted volume, and one that
//! gets a new key at each start.
#![allow(missing_docs)]

use std::fs;

use calve_qemu_tests::encrypted::PASSPHRASE;
use calve_qemu_tests::{Encrypted, Error, Sample};

const SWAPS: &str = r#"
[[partitions]]
name = "swap"
type = "swap"
size = "64M"
content.swap = { label = "swap" }

[[partitions]]
name = "cryptswap"
type = "linux"
size = "96M"

[partitions.content.luks]
name = "cryptswap"
kdf.pbkdf2 = { iterations = 1000 }
content.swap = {}

[[partitions]]
name = "randomswap"
type = "swap"
size = "64M"
content.random-swap = {}
"#;

#[test]
fn the_kernel_swaps_to_every_kind() -> Result<(), Error> {
    let Some(encrypted) = Encrypted::new("encrypted-swap", Sample::Encrypted)? else {
        return Ok(());
    };
    let profile = encrypted.images().scratch().join("swap.toml");
    let root = fs::read_to_string(encrypted.images().scratch().join("profile.toml"))?;
    let root_at = "[[partitions]]\nname = \"cryptroot\"";
    fs::write(&profile, root.replace(root_at, &format!("{SWAPS}\n{root_at}")))?;
    let key = format!("cryptswap={}", encrypted.key());
    let profile = profile.display().to_string();
    let locked = encrypted.build_by(&profile, "disk.img", &["--luks-key", &key])?;
    let mut running = encrypted.start(&encrypted.machine(&locked.disk)?)?;
    running.send_line(PASSPHRASE)?;
    let mut guest = encrypted.up(running)?;
    guest.run("swapon $(findfs LABEL=swap)")?;
    let partition = |name: &str| {
        format!(
            "/dev/$(sed -n s/^DEVNAME=//p $(grep -lx PARTNAME={name} /sys/class/block/*/uevent))"
        )
    };
    guest.run(&format!(
        "printf '%s' '{PASSPHRASE}' | cryptsetup open --key-file=- {} cryptswap && swapon /dev/mapper/cryptswap",
        partition("cryptswap")
    ))?;
    guest.run(&format!(
        "cryptsetup open --type plain --cipher aes-xts-plain64 --key-size 512 --key-file /dev/urandom {} randomswap && \
         mkswap /dev/mapper/randomswap && swapon /dev/mapper/randomswap",
        partition("randomswap")
    ))?;
    assert_eq!(guest.run("grep -c partition /proc/swaps")?, "3");
    guest.run("swapoff -a")?;
    guest.power_off()
}
