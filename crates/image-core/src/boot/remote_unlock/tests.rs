//! A system that can be unlocked from afar, and each thing that it may lack.

#![allow(clippy::panic)]

use super::*;
use crate::boot::sample::{KERNEL, Sample};

const SCRIPT: &str = "udhcpc -i eth0\necho -n 'Port 2222\nHostKey /etc/ssh/rsa\nHostKey /etc/ssh/ed25519\n' > \
                      /etc/ssh/sshd_config\necho 'ssh-ed25519 AAAA' >> /root/.ssh/authorized_keys\n\
                      /bin/sshd -e\ncryptsetup luksOpen /dev/disk/by-partlabel/r cryptroot\n";
const ASKPASS: (&str, &str) = ("bin/cryptsetup-askpass", "#!");
const CARD: (&str, &str) = ("lib/modules/6.12/kernel/drivers/net/virtio_net.ko", "x");
const SECRETS: [(&str, &str); 2] =
    [("/etc/ssh/ed25519", "/etc/secrets/ed25519"), ("/etc/ssh/rsa", "/etc/secrets/rsa")];

const SSH: Asked = Asked { ssh: true, tailscale: None };

fn sample() -> Sample {
    let mut sample = Sample::new();
    sample.initrd[0].1 = SCRIPT;
    sample.initrd.extend([ASKPASS, CARD]);
    sample.appends(&SECRETS);
    sample
}

fn found(sample: Sample, asked: Asked) -> Result<Doors, Error> {
    let built = sample.build();
    find(&built.store, &built.system, asked)
}

/// What is refused: what it is about, and what the closure gives.
fn refused(sample: Sample, asked: Asked) -> Vec<(String, String)> {
    match found(sample, asked) {
        Err(Error::Refused(findings)) => {
            findings.into_iter().map(|found| (found.about, found.gives)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn gives(sample: Sample, asked: Asked) -> String {
    let refused = refused(sample, asked);
    assert_eq!(refused.len(), 1, "{refused:?}");
    refused[0].1.clone()
}

#[test]
fn a_door_for_ssh() {
    let doors = found(sample(), SSH).unwrap();
    let door = doors.ssh.unwrap();
    assert_eq!(door.dest.to_string(), "/etc/ssh/ed25519", "rather than RSA");
    assert_eq!((door.port, door.asks), (2222, Asks::CryptsetupAskpass));
    assert_eq!(door.volumes, ["cryptroot"]);
    assert_eq!(found(Sample::new(), Asked::default()).unwrap(), Doors::default());
}

#[test]
fn what_ssh_needs() {
    let with = |change: &dyn Fn(&mut Sample)| {
        let mut sample = sample();
        change(&mut sample);
        gives(sample, SSH)
    };
    let no_sshd: &'static str = "udhcpc -i eth0\n";
    assert_eq!(with(&|s| s.initrd[0].1 = no_sshd), "no SSH server");
    let nobody: &'static str = "udhcpc -i eth0\n/bin/sshd -h /etc/ssh/rsa\n";
    assert_eq!(with(&|s| s.initrd[0].1 = nobody), "an SSH server that nobody may log in to");
    let no_card = |s: &mut Sample| s.initrd.retain(|file| *file != CARD);
    assert_eq!(with(&no_card), "no module for any network card");
    let no_network = SCRIPT.strip_prefix("udhcpc -i eth0\n").unwrap();
    assert_eq!(with(&|s| s.initrd[0].1 = no_network), "nothing that configures a network");
    let askless = |s: &mut Sample| s.initrd.retain(|file| *file != ASKPASS);
    assert!(with(&askless).contains("no cryptsetup-askpass"));
    let others = "a place for /etc/ssh/rsa, /etc/ssh/ed25519, and no such secret";
    assert_eq!(with(&|s| s.appends(&[("/x", "/y")])), others);
    let file = format!("/nix/store/{KERNEL}/bzImage");
    let public = with(&|s| s.appends(&[("/etc/ssh/rsa", &file)]));
    assert_eq!(public, format!("{file}, which everybody can read who can read the store"));
    let dropbear: &'static str =
        "udhcpc\ncat x >> /root/.ssh/authorized_keys\ndropbear -r /etc/ssh/rsa\n";
    assert!(with(&|s| s.initrd[0].1 = dropbear).starts_with("dropbear, whose keys"));
    assert_eq!(refused(Sample::new(), SSH).len(), 3, "all at once");
}

#[test]
fn a_kernel_parameter_is_a_network_where_it_is_set() {
    let script: &'static str =
        "ipconfig $o\ncat x >> /root/.ssh/authorized_keys\n/bin/sshd -h /etc/ssh/rsa\n";
    let mut without = sample();
    without.initrd[0].1 = script;
    assert_eq!(gives(without, SSH), "nothing that configures a network");
    let mut with = sample();
    with.initrd[0].1 = script;
    with.spec()["kernelParams"] = serde_json::json!(["quiet", "ip=dhcp"]);
    assert!(found(with, SSH).is_ok());
}

const TAILSCALED: &str =
    "udhcpc\ntailscaled --state=/var/lib/ts.state\ntailscale up --auth-key=file:/etc/key\n";

#[test]
fn what_tailscale_needs() {
    let sample = || {
        let mut sample = Sample::new();
        sample.initrd[0].1 = TAILSCALED;
        let certificates = ("nix/store/c-cacert/etc/ssl/certs/ca-bundle.crt", "x");
        let tun = ("lib/modules/6.12/kernel/drivers/net/tun.ko.xz", "x");
        sample.initrd.extend([CARD, certificates, tun]);
        sample
            .appends(&[("/etc/key", "/etc/secrets/key"), ("/var/lib/ts.state", "/etc/secrets/ts")]);
        sample
    };
    let state = Asked { ssh: false, tailscale: Some(Identity::State) };
    let key = Asked { ssh: false, tailscale: Some(Identity::AuthKey) };
    let dest = |asked| found(sample(), asked).unwrap().tailscale.unwrap().to_string();
    assert_eq!((dest(state), dest(key)), ("/var/lib/ts.state".to_owned(), "/etc/key".to_owned()));
    let with = |change: &dyn Fn(&mut Sample)| {
        let mut sample = sample();
        change(&mut sample);
        gives(sample, key)
    };
    let none: &'static str = "udhcpc\n";
    assert_eq!(with(&|s| s.initrd[0].1 = none), "no tailscaled");
    let keyless: &'static str = "udhcpc\ntailscaled --state=mem:\n";
    let said = "nothing that reads an auth key from a file";
    assert_eq!(with(&|s| s.initrd[0].1 = keyless), said);
    assert_eq!(with(&|s| s.appends(&[])), "no such secret");
    let lose = |name: &'static str| {
        move |s: &mut Sample| s.initrd.retain(|(file, _)| !file.contains(name))
    };
    assert_eq!(with(&lose("tun.ko")), "no module tun");
    assert_eq!(with(&lose("ca-bundle")), "no certificates to know its server by");
}
