//! Two encrypted volumes that one passphrase opens: it is given once, and both are mounted.
#![allow(missing_docs)]

use std::fs;

use calve_qemu_tests::{Encrypted, Error, Sample};

/// Beside `/` a second volume, which the sample's first stage finds by its label.
const SECOND: &str = r#"
[[partitions]]
name = "cryptdata"
type = "linux"
size = "128M"

[partitions.content.luks]
name = "cryptdata"
label = "cryptdata"
kdf.pbkdf2 = { iterations = 1000 }
content.ext4 = { mount = "/data" }
"#;

#[test]
fn one_passphrase_opens_two_volumes() -> Result<(), Error> {
    let Some(encrypted) = Encrypted::new("unlock-two", Sample::EncryptedTwo)? else {
        return Ok(());
    };
    let profile = encrypted.images().scratch().join("two.toml");
    let first = fs::read_to_string(encrypted.images().scratch().join("profile.toml"))?;
    fs::write(
        &profile,
        first.replace(
            "[[partitions]]\nname = \"cryptroot\"",
            &format!("{SECOND}\n[[partitions]]\nname = \"cryptroot\""),
        ),
    )?;
    let second = format!("cryptdata={}", encrypted.key());
    let profile = profile.display().to_string();
    let locked = encrypted.build_by(&profile, "disk.img", &["--luks-key", &second])?;
    let running = encrypted.start(&encrypted.machine(&locked.disk)?)?;
    encrypted.unlock_by_file(&locked)?;
    let mut guest = encrypted.up(running)?;
    guest.all_units_up()?;
    guest.run("findmnt -n -o SOURCE / | grep -x /dev/mapper/cryptroot")?;
    guest.run("findmnt -n -o SOURCE /data | grep -x /dev/mapper/cryptdata")?;
    guest.run("echo kept >/data/kept && sync")?;
    guest.power_off()
}
