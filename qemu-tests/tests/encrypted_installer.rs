//! The boot loader's installer runs again inside an unlocked system: it finds the secrets where the build
//! left them, and the system it leaves is unlocked by the same pinned key.
#![allow(missing_docs)]

use calve_qemu_tests::{Encrypted, Error, Sample};

/// The size of the initrds on the ESP, and how many there are.
const INITRDS: &str = "cd /boot/EFI/nixos && cat *initrd* | wc -c && ls | grep -c initrd";

#[test]
fn a_script_is_unlocked_again_after_the_installer_ran() -> Result<(), Error> {
    reinstalled("encrypted-installer", Sample::Encrypted, "/etc/ssh/ssh_host_ed25519_key")
}

#[test]
fn systemd_is_unlocked_again_after_the_installer_ran() -> Result<(), Error> {
    let key = "/etc/secrets/initrd/ssh_host_ed25519_key";
    reinstalled("encrypted-systemd-installer", Sample::EncryptedSystemd, key)
}

fn reinstalled(name: &'static str, sample: Sample, key: &str) -> Result<(), Error> {
    let Some(encrypted) = Encrypted::new(name, sample)? else { return Ok(()) };
    let locked = encrypted.build("disk.img", &[])?;
    let running = encrypted.start(&encrypted.machine(&locked.disk)?)?;
    encrypted.unlock_by_file(&locked)?;
    let mut guest = encrypted.up(running)?;
    let source = "/etc/secrets/initrd/ssh_host_ed25519_key";
    assert_eq!(guest.run(&format!("stat -c '%a %u' {source}"))?, "600 0");
    let before = guest.run(INITRDS)?;
    guest.run("/run/current-system/bin/switch-to-configuration boot")?;
    let after = guest.run(INITRDS)?;
    assert_ne!(before, after, "nothing was appended");

    guest.restart()?;
    encrypted.asked(guest.running())?;
    encrypted.unlock_by_file(&locked)?;
    guest.wait_up()?;
    // Where the first stage has it differs, and so does the running system's own key.
    let own = "ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key";
    assert_ne!(guest.run(own)?, guest.run(&format!("ssh-keygen -y -f {source}"))?, "{key}");
    guest.power_off()
}
