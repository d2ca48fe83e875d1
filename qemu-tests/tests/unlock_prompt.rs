//! `calve unlock` at a terminal: wrong passphrases are called wrong and asked for again, three times and no
//! more, none of them is shown, and the right one lets the system come up.
#![allow(missing_docs)]

use calve_qemu_tests::encrypted::{PASSPHRASE, WRONG};
use calve_qemu_tests::{Encrypted, Error, Sample};

/// The exit code that the command line documents for it.
const WRONG_PASSPHRASE: i32 = 6;
const PROMPT: &str = "passphrase of cryptroot on 127.0.0.1: ";

#[test]
fn a_script_is_unlocked_after_three_wrong_passphrases() -> Result<(), Error> {
    let Some(encrypted) = Encrypted::new("unlock-prompt", Sample::Encrypted)? else {
        return Ok(());
    };
    let locked = encrypted.build("disk.img", &[])?;
    let running = encrypted.start(&encrypted.machine(&locked.disk)?)?;
    let ticket = locked.ticket.display().to_string();

    let mut terminal = encrypted.unlock_at_terminal(&[&ticket])?;
    for _ in 0..3 {
        terminal.expect(PROMPT)?;
        terminal.send_line(WRONG)?;
    }
    let (status, shown) = terminal.end()?;
    assert_eq!(status, Some(WRONG_PASSPHRASE), "{shown}");
    assert!(shown.contains("was given 3 wrong passphrases of cryptroot"), "{shown}");
    assert!(!shown.contains(WRONG), "{shown}");
    // Such a host goes on asking.
    right(&encrypted, &ticket, 0)?;
    encrypted.up(running)?.power_off()
}

#[test]
fn systemd_is_unlocked_after_a_wrong_passphrase() -> Result<(), Error> {
    let Some(encrypted) = Encrypted::new("unlock-systemd-prompt", Sample::EncryptedSystemd)? else {
        return Ok(());
    };
    let locked = encrypted.build("disk.img", &[])?;
    let running = encrypted.start(&encrypted.machine(&locked.disk)?)?;
    // The third would be the last that systemd asks for.
    right(&encrypted, &locked.ticket.display().to_string(), 2)?;
    encrypted.up(running)?.power_off()
}

/// Types the right passphrase after some wrong ones, and waits for the system.
fn right(encrypted: &Encrypted, ticket: &str, wrong: u32) -> Result<(), Error> {
    let port = encrypted.port().to_string();
    let words = [ticket, "--wait", "--system-port", &port];
    let mut terminal = encrypted.unlock_at_terminal(&words)?;
    for _ in 0..wrong {
        terminal.expect(PROMPT)?;
        terminal.send_line(WRONG)?;
        terminal.expect("that passphrase does not open cryptroot")?;
    }
    terminal.expect(PROMPT)?;
    terminal.send_line(PASSPHRASE)?;
    let (status, shown) = terminal.end()?;
    assert_eq!(status, Some(0), "{shown}");
    assert!(!shown.contains(PASSPHRASE) && !shown.contains(WRONG), "{shown}");
    Ok(())
}
