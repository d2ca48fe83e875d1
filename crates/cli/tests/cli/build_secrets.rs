//! `calve build disk --initrd-secret`, `--unlock-ssh` and `--unlock-tailscale-…`: what gets into the image, what lies
//! beside it, and what nobody else learns.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::fake::{Fake, with_system};
use crate::keygen::{self, Keygen};
use crate::run::{calve, output};

const DEST: &str = "/etc/ssh/ssh_host_ed25519_key";
const SOURCE: &str = "/etc/secrets/initrd/ssh_host_ed25519_key";

/// No text of a program has it.
const SECRET: &str = "q7-what-only-the-initrd-may-know-7q\n";

/// What the first stage of a system that is unlocked over SSH does.
const SCRIPT: &str = "#!/bin/sh\nudhcpc --quit -i eth0\necho -n 'UsePAM no\nPort 2222\n\
                      HostKey /etc/ssh/ssh_host_ed25519_key\n' > /etc/ssh/sshd_config\n\
                      echo 'ssh-ed25519 AAAA me' >> /root/.ssh/authorized_keys\n/bin/sshd -e\n\
                      tailscaled --state=/var/lib/tailscale/tailscaled.state\n\
                      tailscale up --auth-key=file:/etc/tauthkey\n";

/// A system that is unlocked over SSH, and a secret in the file `secret`.
fn with_ssh() -> Fake {
    let fake = Fake::new();
    fake.initrd(&[
        ("init", SCRIPT),
        ("bin/cryptsetup-askpass", "#!"),
        ("lib/modules/6.12/kernel/drivers/net/virtio_net.ko", "x"),
        ("lib/modules/6.12/kernel/drivers/net/tun.ko", "x"),
        ("etc/ssl/certs/ca-bundle.crt", "x"),
    ]);
    fake.appends(&[(DEST, SOURCE)]);
    put(&fake, "secret", SECRET, 0o600);
    fake
}

fn put(fake: &Fake, name: &str, text: &str, mode: u32) {
    let path = fake.dir().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn disk<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    let image: &[&str] = &["-p", "small.toml", "-o", "web.raw"];
    with_system(&["build", "disk"], &[image, rest].concat())
}

fn shows(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A file of an image's ESP, by mtools; nothing, said aloud, without them.
fn of_esp(image: &Path, name: &str) -> Option<Vec<u8>> {
    keygen::need("mtype")?;
    // The small profile's ESP is the first partition.
    let image = format!("{}@@1M", image.display());
    let said = Command::new("mtype").args(["-i", &image, name]).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    Some(said.stdout)
}

/// The bytes of a file of an image's root, by debugfs, and what that says of it.
fn of_root(fake: &Fake, path: &str) -> Option<(String, Vec<u8>)> {
    let image = fs::read(fake.dir().join("web.raw")).unwrap();
    // After an ESP of 48 MiB, which is the first partition.
    fs::write(fake.dir().join("root.img"), &image[49 << 20..]).unwrap();
    let mut places = ["/usr/sbin/debugfs", "/sbin/debugfs"].into_iter();
    let debugfs = places.find(|path| Path::new(path).exists()).unwrap_or("debugfs");
    keygen::need(debugfs)?;
    let ask = |request: String| {
        let said =
            Command::new(debugfs).args(["-R", &request]).arg(fake.dir().join("root.img")).output();
        said.unwrap().stdout
    };
    let stat = String::from_utf8(ask(format!("stat {path}"))).unwrap();
    Some((stat, ask(format!("cat {path}"))))
}

#[test]
fn a_secret_is_in_the_image_and_nowhere_else() {
    let fake = with_ssh();
    let given = format!("{DEST}=secret");
    let said = output(fake.dir(), &disk(&["--initrd-secret", &given, "--json", "-v"]));
    assert!(said.status.success(), "{said:?}");
    assert!(!shows(&said.stdout, SECRET) && !shows(&said.stderr, SECRET));
    let words = String::from_utf8_lossy(&said.stderr);
    assert_eq!(words.matches("whoever has the disk can read them").count(), 1, "{words}");
    let image = fake.dir().join("web.raw");
    assert_eq!(mode(&image), 0o600);
    let initrd = "::/EFI/nixos/3a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-initrd-linux-6.12-initrd.efi";
    if let Some(initrd) = of_esp(&image, initrd) {
        let own = fake.initrd_bytes();
        assert!(initrd.starts_with(&own));
        assert!(shows(&initrd[own.len()..], &format!(".initrd-secrets{DEST}\0")));
        assert!(shows(&initrd[own.len()..], SECRET));
    }
    if let Some((stat, bytes)) = of_root(&fake, SOURCE) {
        assert_eq!(String::from_utf8_lossy(&bytes), SECRET);
        assert!(stat.contains("Mode:  0600") && stat.contains("User:     0"), "{stat}");
        let (stat, _) = of_root(&fake, "/etc/secrets/initrd").unwrap();
        assert!(stat.contains("Mode:  0700"), "{stat}");
        let (stat, _) = of_root(&fake, "/etc").unwrap();
        assert!(stat.contains("Mode:  0755"), "{stat}");
    }
    let bytes = fs::read(&image).unwrap();
    let found = bytes.windows(SECRET.len()).filter(|window| *window == SECRET.as_bytes()).count();
    assert_eq!(found, 2, "on the ESP, and where the next rebuild reads it");
    for dry in [&["--pieces"][..], &["--json"], &["-v"]] {
        let said =
            output(fake.dir(), &disk(&[&["--initrd-secret", &given, "--dry-run"], dry].concat()));
        assert!(said.status.success(), "{said:?}");
        assert!(!shows(&said.stdout, SECRET) && !shows(&said.stderr, SECRET));
    }
}

#[test]
fn secrets_that_are_missing_or_too_many() {
    let fake = with_ssh();
    insta::assert_snapshot!(calve(fake.dir(), &disk(&[])), @r"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system would not boot from this layout
      initrd secrets
        the system wants  /etc/ssh/ssh_host_ed25519_key in its initrd
        the layout gives  no such secret
        to mend it        give it with --initrd-secret /etc/ssh/ssh_host_ed25519_key=FILE, or a new host key with --unlock-ssh
    ");
    let other = format!("{DEST}x=secret");
    insta::assert_snapshot!(calve(fake.dir(), &disk(&["--initrd-secret", &other])), @r"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system would not boot from this layout
      initrd secrets
        the system wants  /etc/ssh/ssh_host_ed25519_key in its initrd
        the layout gives  no such secret
        to mend it        give it with --initrd-secret /etc/ssh/ssh_host_ed25519_key=FILE, or a new host key with --unlock-ssh
      initrd secrets
        the system wants  these secrets in its initrd: /etc/ssh/ssh_host_ed25519_key
        the layout gives  one for /etc/ssh/ssh_host_ed25519_keyx
        to mend it        leave it out, or add it to boot.initrd.secrets as a string, not as a Nix path
    ");
    let given = format!("{DEST}=secret");
    let twice = calve(fake.dir(), &disk(&["--initrd-secret", &given, "--initrd-secret", &given]));
    assert!(
        twice.contains(&format!("error: the initrd's secret {DEST} is given twice")),
        "{twice}"
    );
    put(&fake, "secret", "", 0o600);
    let empty = calve(fake.dir(), &disk(&["--initrd-secret", &given]));
    assert!(empty.contains("error: secret is empty: expected a secret"), "{empty}");
    put(&fake, "secret", SECRET, 0o644);
    let open = calve(fake.dir(), &disk(&["--initrd-secret", &given, "--dry-run"]));
    assert!(open.contains("warning: secret is a secret, but others may read it"), "{open}");
    let none = calve(fake.dir(), &disk(&["--initrd-secret", "secret"]));
    assert!(none.starts_with("exit code: 2\n") && none.contains("expected DEST=FILE"), "{none}");
    assert!(!fake.dir().join("web.raw").exists());
}

#[test]
fn a_host_key_of_its_own_is_pinned_beside_the_image() {
    if keygen::need("ssh-keygen").is_none() {
        return;
    }
    let fake = with_ssh();
    let arguments = disk(&["--unlock-ssh", "--unlock-host", "web.example", "-q"]);
    let said = output(fake.dir(), &arguments);
    assert!(said.status.success(), "{said:?}");
    let (known, ticket) = ("web.raw.known_hosts", "web.raw.unlock.toml");
    assert_eq!(mode(&fake.dir().join(ticket)), 0o600);
    let ticket = fs::read_to_string(fake.dir().join(ticket)).unwrap();
    let found = Command::new("ssh-keygen")
        .args(["-l", "-F", "[web.example]:2222", "-f"])
        .arg(fake.dir().join(known))
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    let print = found.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap();
    assert!(ticket.contains(&format!("fingerprint = \"{print}\"")), "{ticket}\n{found}");
    for line in ["host = \"web.example\"", "port = 2222", "kind = \"cryptsetup-askpass\""] {
        assert!(ticket.contains(line), "{ticket}");
    }
    assert!(ticket.contains("known-hosts = \"web.raw.known_hosts\""), "{ticket}");
    if let Some((_, key)) = of_root(&fake, SOURCE) {
        put(&fake, "key", &String::from_utf8(key).unwrap(), 0o600);
        let own =
            Command::new("ssh-keygen").args(["-l", "-f"]).arg(fake.dir().join("key")).output();
        assert!(String::from_utf8(own.unwrap().stdout).unwrap().contains(print));
    }
    // Everything or nothing: a name that is taken is told before anything is written.
    fs::remove_file(fake.dir().join("web.raw")).unwrap();
    let taken = calve(fake.dir(), &arguments);
    assert!(taken.contains("error: web.raw.known_hosts exists already"), "{taken}");
    assert!(!fake.dir().join("web.raw").exists());
    // The other way around: an image that is there keeps its name, and nothing comes beside it.
    for name in [known, "web.raw.unlock.toml"] {
        fs::remove_file(fake.dir().join(name)).unwrap();
    }
    put(&fake, "web.raw", "an image", 0o644);
    let taken = calve(fake.dir(), &arguments);
    assert!(taken.contains("error: web.raw exists already"), "{taken}");
    assert!(!fake.dir().join(known).exists());
    let again = output(fake.dir(), &disk(&["--unlock-ssh", "--force", "-q"]));
    assert!(again.status.success());
    let other = fs::read_to_string(fake.dir().join("web.raw.unlock.toml")).unwrap();
    assert!(!other.contains(print) && !other.contains("web.example"), "{other}");
}

#[test]
fn a_host_key_that_somebody_has() {
    let Some(keygen) = Keygen::new() else { return };
    keygen.generate("host", "");
    let fake = with_ssh();
    put(&fake, "host", &keygen.text("host"), 0o600);
    let said =
        output(fake.dir(), &disk(&["--unlock-ssh=host", "--unlock-host", "[::1]:22022", "-v"]));
    assert!(said.status.success(), "{said:?}");
    let secret = keygen.text("host").lines().nth(3).unwrap().to_owned();
    assert!(!shows(&said.stdout, &secret) && !shows(&said.stderr, &secret));
    assert!(shows(&fs::read(fake.dir().join("web.raw")).unwrap(), &secret));
    let ticket = fs::read_to_string(fake.dir().join("web.raw.unlock.toml")).unwrap();
    assert!(ticket.contains("port = 22022") && ticket.contains("host = \"::1\""), "{ticket}");
    assert!(!ticket.contains("system-host-key"), "{ticket}");
    fs::create_dir_all(fake.dir().join("files/etc/ssh")).unwrap();
    let public = keygen.text("host.pub");
    put(&fake, "files/etc/ssh/ssh_host_ed25519_key.pub", &public, 0o644);
    let same = calve(fake.dir(), &disk(&["--unlock-ssh=host", "--overlay", "files", "--force"]));
    assert!(same.contains("host key is the running system's own"), "{same}");
    let ticket = fs::read_to_string(fake.dir().join("web.raw.unlock.toml")).unwrap();
    assert!(ticket.contains(&format!("system-host-key = \"{}\"", public.trim_end())), "{ticket}");
    let both = format!("{DEST}=secret");
    let both = calve(fake.dir(), &disk(&["--unlock-ssh=host", "--initrd-secret", &both]));
    assert!(both.contains("is given twice"), "{both}");
    let public = calve(fake.dir(), &disk(&["--unlock-ssh=secret"]));
    assert!(public.contains("error: secret is no private host key"), "{public}");
}

#[test]
fn nothing_lies_beside_what_is_not_written() {
    let fake = with_ssh();
    let said = output(fake.dir(), &disk(&["--unlock-ssh", "--dry-run", "-q"]));
    assert!(said.status.success(), "{said:?}");
    for name in ["web.raw", "web.raw.known_hosts", "web.raw.unlock.toml"] {
        assert!(!fake.dir().join(name).exists(), "{name}");
    }
    let arguments = ["-p", "small.toml", "-o", "-", "--unlock-ssh"];
    insta::assert_snapshot!(calve(fake.dir(), &with_system(&["build", "disk"], &arguments)), @r"
    exit code: 2
    --- stderr
    error: --unlock-ssh writes files beside the image, which stdout has no place for
      help: name the image with --output FILE
    ");
}

#[test]
fn a_system_that_nobody_could_reach() {
    let fake = Fake::new();
    insta::assert_snapshot!(calve(fake.dir(), &disk(&["--unlock-ssh"])), @r#"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system cannot be unlocked from afar
      SSH
        the system wants  to be unlocked over SSH
        its initrd gives  no SSH server
        to mend it        set boot.initrd.network.ssh = { enable = true; authorizedKeys = [ "ssh-…" ]; hostKeys = [ "/etc/secrets/initrd/ssh_host_ed25519_key" ]; } and rebuild
      network
        the system wants  to be reached while it waits
        its initrd gives  nothing that configures a network
        to mend it        set boot.initrd.network.enable = true, with networking.useDHCP or the kernel parameter ip=, and rebuild
      network
        the system wants  to be reached while it waits
        its initrd gives  no module for any network card
        to mend it        add the module of the machine's card (lspci -k tells it; virtio_net in QEMU and most clouds) to boot.initrd.availableKernelModules and rebuild
    "#);
    insta::assert_snapshot!(calve(fake.dir(), &disk(&["--unlock-tailscale-state", "x"])), @r"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system cannot be unlocked from afar
      Tailscale
        the system wants  to be reached through Tailscale
        its initrd gives  no tailscaled
        to mend it        add a service to boot.initrd.systemd.services that starts tailscaled (docs/remote-unlock.md has one) and rebuild
      network
        the system wants  to be reached while it waits
        its initrd gives  nothing that configures a network
        to mend it        set boot.initrd.network.enable = true, with networking.useDHCP or the kernel parameter ip=, and rebuild
      network
        the system wants  to be reached while it waits
        its initrd gives  no module for any network card
        to mend it        add the module of the machine's card (lspci -k tells it; virtio_net in QEMU and most clouds) to boot.initrd.availableKernelModules and rebuild
    ");
}

#[test]
fn tailscale_gets_its_identity() {
    let fake = with_ssh();
    fake.appends(&[("/etc/tauthkey", "/etc/secrets/initrd/tauthkey")]);
    let said = output(fake.dir(), &disk(&["--unlock-tailscale-auth-key", "secret", "-q"]));
    assert!(said.status.success(), "{said:?}");
    assert!(shows(&fs::read(fake.dir().join("web.raw")).unwrap(), SECRET));
    fs::remove_file(fake.dir().join("web.raw")).unwrap();
    let state = calve(fake.dir(), &disk(&["--unlock-tailscale-state", "secret"]));
    assert!(state.contains("its identity in /var/lib/tailscale/tailscaled.state"), "{state}");
}

#[test]
fn what_a_system_has_is_shown() {
    let fake = with_ssh();
    let shown = calve(fake.dir(), &with_system(&["show"], &["-p", "small.toml"]));
    let from = shown.find("initrd secrets").unwrap();
    let to = shown.find("by profile").unwrap();
    insta::assert_snapshot!(shown[from..to].trim_end(), @r"
    initrd secrets
      /etc/ssh/ssh_host_ed25519_key, kept in /etc/secrets/initrd/ssh_host_ed25519_key

    remote unlock
      OpenSSH on port 2222, host keys /etc/ssh/ssh_host_ed25519_key; 1 key may log in
      Tailscale
      network by DHCP; cards: virtio_net
      asks through cryptsetup-askpass
    ");
    let json = output(fake.dir(), &with_system(&["show"], &["-p", "small.toml", "--json"]));
    let text = String::from_utf8(json.stdout).unwrap();
    assert!(text.contains("\"remoteUnlock\"") && text.contains("\"initrdSecrets\""), "{text}");
    let checked = calve(fake.dir(), &with_system(&["check"], &["-p", "small.toml"]));
    assert!(checked.contains(&format!("needs     --initrd-secret {DEST}=FILE")), "{checked}");
}
