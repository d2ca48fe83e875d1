//! Initrds of both kinds, in the shapes that nixpkgs' modules give them.

#![allow(clippy::disallowed_methods)]

use super::*;
use crate::inputs::initrd::{Limits, tests::archive};

const MODE: u32 = 0o100_444;

/// Reads an initrd made of these files.
fn read(files: &[(&str, u32, &[u8])], script: Option<&str>) -> RemoteUnlock {
    let archive = archive(files);
    let limits = Limits::default();
    let initrd = Initrd::list(archive.as_slice(), &limits).unwrap();
    let wanted = super::files(&initrd, limits.file);
    let contents = Initrd::extract(archive.as_slice(), &wanted, &limits).unwrap();
    RemoteUnlock::read(&initrd, &contents, script)
}

/// What `initrd-network.nix`, `initrd-ssh.nix` and `luksroot.nix` put into the script.
const SCRIPT: &str = r#"
mkfifo /tmp/stage-1-init.log.fifo
ifaces=""
for o in $(cat /proc/cmdline); do
  case $o in
    ip=*)
      ipconfig $o && ifaces="$ifaces $(echo $o | cut -d: -f6)"
      ;;
  esac
done
# Acquire DHCP leases.
for iface in $(ls /sys/class/net/ | grep -v ^lo$); do
  udhcpc --quit --now -i $iface -O staticroutes --script /nix/store/x-udhcp-script
done
echo '/bin/ash' > /etc/shells
mkdir -p /etc/ssh
echo -n 'UsePAM no
Port 2222

PasswordAuthentication no
HostKey /etc/ssh/nitrd_host_key
HostKey /etc/secrets/initrd/rsa

Match User nobody
Port 3
' > /etc/ssh/sshd_config
mkdir -p /root/.ssh
echo 'ssh-ed25519 AAAA me' >> /root/.ssh/authorized_keys
cat /nix/store/nx3lylhv7cxfv3ydnfdqmpf7pshkcpzn-key.pub >> /root/.ssh/authorized_keys
chmod 0600 "/etc/ssh/nitrd_host_key"

/bin/sshd -e
for iface in $ifaces; do
  ip address flush "$iface"
done
"#;

#[test]
fn the_scripted_first_stage() {
    let files: [(&str, u32, &[u8]); 3] = [
        ("nix/store/x-extra-utils/bin/cryptsetup-askpass", 0o100_555, b"#!"),
        ("lib/modules/6.12/kernel/drivers/net/virtio_net.ko.xz", MODE, b"x"),
        ("lib/modules/6.12/kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko", MODE, b"x"),
    ];
    let found = read(&files, Some(SCRIPT));
    let ssh = found.ssh.unwrap();
    assert_eq!((ssh.server, ssh.port, ssh.authorized_keys), (Server::Openssh, 2222, 2));
    assert_eq!(ssh.host_keys, ["/etc/ssh/nitrd_host_key", "/etc/secrets/initrd/rsa"]);
    assert_eq!(found.network, BTreeSet::from([Network::Dhcp, Network::Parameter]));
    assert_eq!(found.network_drivers.into_iter().collect::<Vec<_>>(), ["e1000e", "virtio_net"]);
    assert_eq!(found.asks, Some(Asks::CryptsetupAskpass));
    assert_eq!(found.tailscale, None);
}

#[test]
fn dropbear_and_a_pipe() {
    let script = "ip link set eth0 up\nip addr add 10.0.2.15/24 dev eth0\nmkfifo -m 600 /run/pass\n\
                  dropbear -s -j -k -E -p 10.0.2.15:2222 -r /etc/dropbear/key -r /etc/other\n";
    let found = read(&[("x", MODE, b"")], Some(script));
    let ssh = found.ssh.unwrap();
    assert_eq!((ssh.server, ssh.port, ssh.authorized_keys), (Server::Dropbear, 2222, 0));
    assert_eq!(ssh.host_keys, ["/etc/dropbear/key", "/etc/other"]);
    assert_eq!(found.asks, Some(Asks::Fifo("/run/pass".to_owned())));
    assert_eq!(found.network, BTreeSet::from([Network::Script]));
    let found = read(&[("x", MODE, b"")], Some("echo hello\n"));
    assert_eq!(found, RemoteUnlock::default());
}

#[test]
fn systemd_with_its_units_in_the_store() {
    let link = 0o120_777;
    let sshd = b"[Service]\nExecStart=/nix/store/o/bin/sshd -D -f /etc/ssh/sshd_config\n";
    let tailscaled =
        b"[Service]\nExecStart=/nix/store/t/bin/tailscaled --state=/var/lib/tailscale/ts.state \
                       --statedir=/run/tailscale\n";
    let up = b"#!/bin/sh\nset -e\n/nix/store/t/bin/tailscale --socket=/run/ts.sock up \\\n  --hostname=x \\\n  \
               --auth-key=file:/etc/tauthkey \\\n  --netfilter-mode=off\n";
    let files: [(&str, u32, &[u8]); 13] = [
        ("nix/store/u-initrd-units", 0o040_555, b""),
        ("etc/systemd/network", 0o040_555, b""),
        ("etc/systemd/system", link, b"/nix/store/u-initrd-units"),
        (
            "nix/store/u-initrd-units/sshd.service",
            link,
            b"/nix/store/s-unit-sshd.service/sshd.service",
        ),
        ("nix/store/s-unit-sshd.service/sshd.service", MODE, sshd),
        ("nix/store/u-initrd-units/tailscaled.service", MODE, tailscaled),
        ("nix/store/p-unit-script-tailscale-up-start/bin/tailscale-up-start", 0o100_555, up),
        ("etc/ssh/sshd_config", link, b"/nix/store/c-sshd_config"),
        ("nix/store/c-sshd_config", MODE, b"UsePAM no\nport = 22022\nHostKey \"/etc/ssh/key\"\n"),
        ("etc/ssh/authorized_keys.d/root", MODE, b"# me\nssh-ed25519 AAAA\n\nssh-rsa AAAA"),
        (
            "etc/systemd/network/10-lan.network",
            link,
            b"/nix/store/n-unit-10-lan.network/10-lan.network",
        ),
        ("nix/store/n-unit-10-lan.network/10-lan.network", MODE, b"[Match]\nName=en*\n"),
        ("nix/store/d-systemd/lib/systemd/systemd-networkd", 0o100_555, b"\x7fELF"),
    ];
    let found = read(&files, None);
    let ssh = found.ssh.unwrap();
    assert_eq!((ssh.server, ssh.port, ssh.authorized_keys), (Server::Openssh, 22022, 2));
    assert_eq!(ssh.host_keys, ["/etc/ssh/key"]);
    assert_eq!(found.network, BTreeSet::from([Network::Networkd]));
    assert_eq!(found.asks, Some(Asks::Systemd));
    let expected = Tailscale {
        state: Some("/var/lib/tailscale/ts.state".to_owned()),
        auth_key: Some("/etc/tauthkey".to_owned()),
        userspace: false,
        authorities: false,
    };
    assert_eq!(found.tailscale, Some(expected));
    let mut without = files.to_vec();
    without.truncate(12);
    assert_eq!(read(&without, None).network, BTreeSet::new(), "files, but nobody who reads them");
}
