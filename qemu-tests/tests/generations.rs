//! Life after the image, on a qcow2 disk: Nix accepts the store that calve registered, a second
//! generation comes and goes, and a collection takes what is not needed and nothing else.
#![allow(missing_docs)]

use calve_machine::{Disk, Write};
use calve_qemu_tests::{Error, Guest, Sample, Scenario};

const PROFILE: &str = "/nix/var/nix/profiles/system";
const ESP: &str = "cd /boot && find EFI/nixos loader/entries -type f | sort";

#[test]
fn a_second_generation_comes_and_goes() -> Result<(), Error> {
    let Some(scenario) = Scenario::new("generations", Sample::Full)? else { return Ok(()) };
    let image = scenario.build(&["--format", "qcow2"])?;
    let disk = Disk { write: Write::Persist, ..Disk::open(&image)? };
    let mut guest = scenario.start(&scenario.machine(disk))?;
    guest.all_units_up()?;
    let first = guest.run("readlink -f /run/current-system")?;
    let closure = guest.run(&format!("nix-store -qR {first} | sort | sha256sum"))?;
    let roots = guest.run("nix-store --gc --print-roots")?;
    assert!(roots.contains(&format!("{PROFILE}-1-link -> {first}")), "{roots}");
    let esp = guest.run(ESP)?;

    let second = make_second(&mut guest, &first)?;
    guest.run(&format!("nix-env -p {PROFILE} --set {second}"))?;
    guest.run(&format!("{second}/bin/switch-to-configuration boot"))?;
    let both = guest.run(ESP)?;
    // The kernel and all that calve put there are known under their names: one file and two
    // entries are new.
    assert!(esp.lines().all(|line| both.contains(line)), "{both}");
    assert_eq!(both.lines().count(), esp.lines().count() + 3, "{both}");

    guest.reboot()?;
    guest.all_units_up()?;
    assert_eq!(guest.run("readlink -f /run/current-system")?, second);
    guest.reboot_into("nixos-generation-1.conf")?;
    assert_eq!(guest.run("readlink -f /run/current-system")?, first);

    guest.run(&format!("nix-env -p {PROFILE} --switch-generation 1"))?;
    guest.run(&format!("nix-env -p {PROFILE} --delete-generations 2"))?;
    guest.run(&format!("{first}/bin/switch-to-configuration boot"))?;
    assert_eq!(guest.run(ESP)?, esp);
    let stray = guest.run("nix-store --add /proc/version")?;
    guest.run("nix-store --gc")?;
    guest.run(&format!("test ! -e {stray} && test ! -e {second}"))?;
    assert_eq!(guest.run("ls -d /nix/store/* | sort | sha256sum")?, closure);
    guest.run("nix-store --verify --check-contents")?;

    guest.reboot()?;
    guest.all_units_up()?;
    assert_eq!(guest.run("readlink -f /run/current-system")?, first);
    guest.power_off()?;
    scenario.images().check_root(&image)
}

/// Makes a system like the first one under another name and with an initrd of its own.
fn make_second(guest: &mut Guest, first: &str) -> Result<String, Error> {
    let second = format!("/nix/store/{}-nixos-system-second", "2".repeat(32));
    guest.run(&format!("{{ cat {first}/initrd; head -c 512 /dev/zero; }} >/tmp/initrd"))?;
    let initrd = guest.run("nix-store --add /tmp/initrd")?;
    guest.run(&format!(
        "cp -a {first} {second} && chmod -R u+w {second} && ln -sfn {initrd} {second}/initrd && \
         find {second} -type f -exec sed -i 's,{first},{second},g' {{}} +"
    ))?;
    guest.run(&format!(
        "{{ nix-store -q --references {first} | sed 's,{first},{second},'; echo {initrd}; }} >/tmp/refs; \
         {{ echo {second}; echo; wc -l </tmp/refs; cat /tmp/refs; }} | nix-store --register-validity"
    ))?;
    Ok(second)
}
