//! Another machine in the place of the one to be unlocked: its host key is not the pinned one, so it
//! never gets the passphrase.
#![allow(missing_docs)]

use calve_qemu_tests::{Encrypted, Error, Sample};

#[test]
fn a_guest_with_another_host_key_is_refused() -> Result<(), Error> {
    let Some(encrypted) = Encrypted::new("unlock-wrong-host", Sample::Encrypted)? else {
        return Ok(());
    };
    let wanted = encrypted.build("disk.img", &[])?;
    let other = encrypted.build("other.img", &[])?;
    let running = encrypted.start(&encrypted.machine(&other.disk)?)?;

    let unlock = |ticket: &std::path::Path| {
        let ticket = ticket.display().to_string();
        encrypted.run_unlock(&[&ticket, "--key", &encrypted.key()])
    };
    let (status, said) = unlock(&wanted.ticket)?;
    assert!(!matches!(status, Some(0) | None), "{said}");
    assert!(said.contains("the host has another key"), "{said}");
    // It still asks, and answers whoever knows it.
    let (status, said) = unlock(&other.ticket)?;
    assert_eq!(status, Some(0), "{said}");
    encrypted.up(running)?.power_off()
}
