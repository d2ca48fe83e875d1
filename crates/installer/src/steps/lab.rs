//! The list pasted into a shell: real programs make the disk, and others say what it is.
//!
//! A file stands for the disk. What udev would do is done by a stand-in for `udevadm`: links to the partitions, as
//! loop devices of their own, because not every kernel looks for partitions on loops. `nixos-install` and what
//! restarts a machine only write down how they were called. All mounts are those of one process, and end with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};
use std::thread;
use std::time::Duration;

use calve_image_core::disk::{DiskSize, Foreign, Layout, Partition, PartitionKind, Size};
use calve_image_core::inputs::fstab::Fstab;
use calve_image_core::inputs::secret_appender::{Appended, Origin};
use calve_image_core::units::GIB;

use super::tests::{
    SUBVOLUMES, esp, ext4, finish, foreign, geometry, layout, luks, path, rest, swap, toplevel,
};
use super::*;

/// Makes the links of udev for the disk `$DISK`, once.
const UDEVADM: &str = r#"#!/bin/sh
set -eu
sfdisk --dump "$DISK" | sed -n 's/.*start= *\([0-9]*\), size= *\([0-9]*\),.*uuid=\([^,]*\),.*/\1 \2 \3/p' |
  while read -r start size id; do
    link=/dev/disk/by-partuuid/$(printf %s "$id" | tr A-F a-f)
    [ ! -e "$link" ] || continue
    part=$(losetup --find --show --offset "$((start * 512))" --sizelimit "$((size * 512))" "$DISK")
    echo "$part" >>"$LAB/loops"
    ln -s "$part" "$link"
  done
"#;

/// Writes down how it was called, and what is mounted then.
const RECORDER: &str = r#"#!/bin/sh
said=$(
  echo "$(basename "$0") $*"
  echo "stdin $(readlink /proc/self/fd/0)"
  findmnt --raw --noheadings --output TARGET,FSTYPE | grep '^/mnt' || :
)
echo "$said" >>"$LAB/record"
"#;

/// Mounts memory in place of a FAT, of which not every kernel knows; its source is the FAT's.
const MOUNT: &str = r#"#!/bin/sh
case $(blkid -o value -s TYPE "${1:-}" 2>/dev/null) in
  vfat) exec /bin/mount -t tmpfs "$@" ;;
  *) exec /bin/mount "$@" ;;
esac
"#;

/// What comes before the list: nothing of it is seen elsewhere, and nothing of the machine's is below the root.
const PRELUDE: &str = "set -eu\nmount --make-rprivate /\nmkdir -p /mnt /dev/disk\n\
    findmnt --raw --noheadings --output TARGET | grep ^/mnt | tac | xargs -r umount --lazy\n\
    mount -t tmpfs none /dev/disk\nmkdir /dev/disk/by-partuuid\n";

/// A system that says how it is activated and switched to.
const SYSTEM: &str = r#"mount -t tmpfs -o mode=0755 none /mnt
for directory in bin usr lib lib64; do
  mkdir "/mnt/$directory"
  [ ! -d "/$directory" ] || mount --bind "/$directory" "/mnt/$directory"
done
mkdir -p /mnt$TOPLEVEL/bin /mnt$TOPLEVEL/sw/bin /mnt/tmp
for program in env grep ln mkdir mount readlink sort; do
  ln -s "/bin/$program" "/mnt$TOPLEVEL/sw/bin/$program"
done
printf '#!/bin/sh\necho "systemd-tmpfiles $*"\n' >/mnt$TOPLEVEL/sw/bin/systemd-tmpfiles
cat >/mnt$TOPLEVEL/activate <<'END'
#!/bin/sh
echo "activate with $# arguments and $(mount | grep -c ' on /proc ') proc, process $(($$ < 20))"
mkdir -p /run && mount -t tmpfs none /run && ln -s ${0%/activate} /run/current-system
exit 7
END
cat >/mnt$TOPLEVEL/bin/switch-to-configuration <<'END'
#!/bin/sh
echo "switch-to-configuration $*, the system is $(readlink /run/current-system)"
env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | sort
test -e /dev/null && test -d /sys/class && test -e /etc/NIXOS && echo "dev, sys and the mark are there"
END
chmod +x /mnt$TOPLEVEL/sw/bin/systemd-tmpfiles /mnt$TOPLEVEL/activate /mnt$TOPLEVEL/bin/switch-to-configuration
export A_SECRET=of-the-operator
"#;

/// A file that stands for a disk, and programs that stand for others.
struct Lab {
    directory: tempfile::TempDir,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for part in self.loops() {
            let _ = Process::new("losetup").args(["--detach", &part]).output();
        }
    }
}

impl Lab {
    /// None where this machine cannot do it, which is a failure where `CI=true`.
    fn new() -> Option<Self> {
        let lab = Self { directory: tempfile::tempdir().unwrap() };
        fs::File::create(lab.at("disk")).unwrap().set_len(GIB.get() * 3).unwrap();
        fs::create_dir(lab.at("bin")).unwrap();
        for (name, script) in [
            ("udevadm", UDEVADM),
            ("mount", MOUNT),
            ("nixos-install", RECORDER),
            ("systemctl", RECORDER),
            ("nix-env", RECORDER),
            // A machine that runs tests is not swapped to.
            ("swapon", RECORDER),
        ] {
            let program = lab.at("bin").join(name);
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let probe = "losetup --find && command -v sfdisk mkfs.ext4 mkfs.vfat mkswap cryptsetup";
        let output = lab.shell(&format!("{PRELUDE}{probe}\n"));
        if output.status.success() {
            return Some(lab);
        }
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no loops or mounts: {why}");
        eprintln!("SKIPPED: this machine has no loop devices or no mounts: {why}");
        None
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The partitions, in their order.
    fn loops(&self) -> Vec<String> {
        let loops = fs::read_to_string(self.at("loops")).unwrap_or_default();
        loops.lines().map(str::to_owned).collect()
    }

    /// Runs a script in mounts of its own.
    fn shell(&self, script: &str) -> Output {
        let file = self.at("script");
        fs::write(&file, script).unwrap();
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = Process::new("unshare");
        shell.args(["--mount", "sh"]).arg(file).env("PATH", path);
        shell.env("LAB", self.directory.path()).env("DISK", self.at("disk"));
        shell.env("TOPLEVEL", toplevel().to_string());
        // Loops of an earlier run are not what a device of that name is now.
        shell.env("BLKID_FILE", self.at("blkid.tab"));
        shell.output().unwrap()
    }

    /// The same, which must go well.
    fn pasted(&self, script: &str) -> String {
        let output = self.shell(&format!("{PRELUDE}{script}"));
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{err}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What was written down, once it holds a text.
    fn record(&self, text: &str) -> String {
        for _ in 0..100 {
            let record = fs::read_to_string(self.at("record")).unwrap_or_default();
            if record.contains(text) {
                return record;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("nothing that says {text:?} was run")
    }

    /// The steps as a script, with what they read.
    fn script(&self, steps: &[Step], read: impl Fn(&Input) -> Vec<u8>) -> String {
        let mut script = String::new();
        for (number, command) in steps.iter().flat_map(Step::commands).enumerate() {
            let file = self.at(&format!("input {number}"));
            let input = match &command.input {
                Input::Nothing => Vec::new(),
                Input::Text(text) => text.clone().into_bytes(),
                input @ (Input::Passphrase { .. }
                | Input::Both { .. }
                | Input::Secret(_)
                | Input::Files(_)) => read(input),
            };
            fs::write(&file, input).unwrap();
            script.push_str(&format!("{} <'{}'\n", command.line(), file.display()));
        }
        script
    }

    /// All steps of the disk.
    fn disk(&self, layout: &Layout) -> (Vec<Step>, Vec<Spot>) {
        let (geometry, device) = (geometry(layout), self.at("disk").display().to_string());
        let place = Place {
            name: "main",
            layout,
            geometry: &geometry,
            device: &device,
            old: &["a-partition-that-is-gone".to_owned()],
            fstab: &Fstab::default(),
        };
        (disk(&place), place.spots())
    }
}

fn small(parts: Vec<Partition>) -> Layout {
    Layout { size: DiskSize::Fixed(GIB * 3), ..layout(parts) }
}

/// What somebody else's program says.
fn said(program: &str, arguments: &[&str], file: impl AsRef<Path>) -> String {
    let output = Process::new(program).args(arguments).arg(file.as_ref()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The table says what the geometry says.
fn same_table(disk: &Path, layout: &Layout) {
    let dump = said("sfdisk", &["--dump"], disk);
    let geometry = geometry(layout);
    assert!(dump.to_lowercase().contains(&format!("label-id: {}", geometry.id)), "{dump}");
    let rows: Vec<&str> = dump.lines().filter(|line| line.contains("start=")).collect();
    assert_eq!(rows.len(), geometry.partitions.len(), "{dump}");
    for (row, part) in rows.iter().zip(&geometry.partitions) {
        let row: String = row.split_once(" : ").unwrap().1.replace(' ', "");
        let expected = format!(
            "start={},size={},type={},uuid={},name=\"{}\"",
            part.start.get() / 512,
            part.size.get() / 512,
            part.type_guid.to_string().to_uppercase(),
            part.id.to_string().to_uppercase(),
            part.name.replace(' ', ""),
        );
        assert_eq!(row, expected);
    }
}

#[test]
fn a_list_that_is_pasted_makes_the_disk_and_installs() {
    let Some(lab) = Lab::new() else { return };
    let layout = small(vec![esp(), swap("my swap"), rest("root", ext4("/"))]);
    let (mut steps, spots) = lab.disk(&layout);
    // Whoever goes on does these again.
    steps.extend(mount(&spots, &Fstab::default()));
    steps.push(copy());
    let (toplevel, mounts) = (toplevel(), layout.mounts());
    steps.extend(install(&finish(&toplevel, &mounts, &Fstab::default())).unwrap());
    steps.extend(restart(&spots));
    let out = lab.pasted(&format!("{}findmnt --mountpoint /mnt || echo gone\n", listing(&steps)));
    assert!(out.ends_with("gone\n"), "{out}");
    let record = lab.record("systemctl");
    let [boot, swap, root] = &lab.loops()[..] else { panic!("{:?}", lab.loops()) };
    insta::assert_snapshot!(record);
    same_table(&lab.at("disk"), &layout);
    let probe = |part: &String| {
        let said = said("blkid", &["--probe", "--output", "export"], part);
        let told = ["TYPE", "VERSION", "LABEL", "UUID"];
        let is_told = |line: &&str| told.contains(&line.split('=').next().unwrap_or_default());
        let lines = said.lines().filter(is_told);
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let features = said("dumpe2fs", &["-h"], root);
    let features = features.lines().find(|line| line.contains("features")).unwrap();
    insta::assert_snapshot!([boot, swap, root].map(probe).join("\n") + "\n" + features);
    let checked = said("e2fsck", &["-fn"], root);
    assert!(checked.contains("Pass 5") && checked.contains("blocks"), "{checked}");
    let checked = said("fsck.vfat", &["-n", "-v"], boot);
    assert!(checked.contains("FATs, 32 bit entries"), "{checked}");
    let key = "stat /etc/ssh/ssh_host_ed25519_key";
    let stat = said("debugfs", &["-R", key], root);
    assert!(stat.contains("Mode:  0600") && stat.contains("User:     0"), "{stat}");
}

#[test]
fn a_btrfs_with_subvolumes_and_an_xfs() {
    let Some(lab) = Lab::new() else { return };
    let known = fs::read_to_string("/proc/filesystems").unwrap();
    if !known.contains("btrfs") || !known.contains("xfs") {
        eprintln!("SKIPPED: this machine's kernel has no btrfs or no xfs");
        return;
    }
    let shares = [("/", Some("@")), ("/home", Some("people/@home"))];
    let logs = foreign(Foreign::Xfs, &[("/var/log", None)]);
    let logs =
        Partition { size: Size::Fixed(GIB), ..Partition::new("log", PartitionKind::Linux, logs) };
    // Not by the name of another test's: ids follow names, and mkfs.btrfs refuses one that any device has.
    let root = rest("pool", foreign(Foreign::Btrfs, &shares));
    let layout = small(vec![esp(), logs, root]);
    let (mut steps, spots) = lab.disk(&layout);
    let fstab = Fstab::parse(SUBVOLUMES, "fstab").unwrap();
    steps.retain(|step| step.phase < Phase::Mount);
    // Each is mounted once, however often it is asked for.
    let again = listing(&mount(&spots, &fstab));
    // Whoever was killed after a file system was made makes it again.
    let formats: Vec<Step> =
        steps.iter().filter(|step| step.phase == Phase::Format).cloned().collect();
    let formats = listing(&formats);
    let after = "findmnt --raw --noheadings --output TARGET,FSTYPE,FSROOT,LABEL | grep ^/mnt\n\
        findmnt --noheadings --output OPTIONS /mnt | grep -o compress=[a-z]*\n";
    let out = lab.pasted(&format!("{}{formats}{again}{again}{after}", listing(&steps)));
    let told = out.split_once("/mnt btrfs").unwrap().1;
    insta::assert_snapshot!(format!("/mnt btrfs{told}"));
    let left = fs::read_dir("/run").unwrap().map(|entry| entry.unwrap().file_name());
    let is_ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("calve-top");
    assert_eq!(left.filter(is_ours).count(), 0);
}

#[test]
fn an_encrypted_volume_opens_with_each_of_its_passphrases() {
    let Some(lab) = Lab::new() else { return };
    let layout = small(vec![esp(), rest("cryptroot", luks(ext4("/")))]);
    let (mut steps, _) = lab.disk(&layout);
    // Not every kernel has a device mapper: up to where the volume is opened.
    steps.truncate(steps.iter().position(|step| step.is_volatile).unwrap());
    let keys = ["first, and it's\n longer", "2"];
    let script = lab.script(&steps, |input| match input {
        Input::Passphrase { .. } => keys[0].as_bytes().to_vec(),
        Input::Both { .. } => {
            let keys = keys.iter().map(|key| format!("{:08}{key}", key.len()));
            keys.collect::<String>().into_bytes()
        }
        Input::Nothing | Input::Text(_) | Input::Secret(_) | Input::Files(_) => panic!("{input}"),
    });
    lab.pasted(&script);
    let part = &lab.loops()[1];
    for key in keys.iter().copied().chain(["first"]) {
        let file = lab.at("key");
        fs::write(&file, key).unwrap();
        let mut open = Process::new("cryptsetup");
        open.args(["open", "--test-passphrase", "--key-file"]).arg(&file).arg(part);
        assert_eq!(open.output().unwrap().status.success(), key != "first", "{key}");
    }
    let dump = said("cryptsetup", &["luksDump"], part);
    let told = ["UUID", "Label", "offset", "cipher", "sector", "PBKDF", "Time cost", "Memory"];
    let is_told = |line: &&str| told.iter().any(|start| line.starts_with(&format!("{start}:")));
    let lines: Vec<&str> = dump.lines().map(str::trim).filter(is_told).collect();
    insta::assert_snapshot!(lines.join("\n"));
    let left = fs::read_dir("/run").unwrap().map(|entry| entry.unwrap().file_name());
    let is_ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("calve-keys");
    assert_eq!(left.filter(is_ours).count(), 0);
}

#[test]
fn files_and_secrets_are_where_the_system_looks_and_nobody_else_may() {
    let Some(lab) = Lab::new() else { return };
    let secret =
        |dest: &str, from: &str| Appended { dest: path(dest), origin: Origin::File(path(from)) };
    let secrets =
        [secret("/key", "/etc/secrets/initrd/key"), secret("/auth", "/var/lib/tailscale auth/key")];
    let (toplevel, mounts) = (toplevel(), [path("/")]);
    let steps = install(&Finish {
        host_key: HostKeyWay::Given {
            path: path("/etc/ssh/ssh_host_ed25519_key"),
            public: "ssh-ed25519 AAAA web".to_owned(),
        },
        extra_files: 1,
        chown: &["/home/alice=1000:100".parse().unwrap()],
        initrd_secrets: &secrets,
        ..finish(&toplevel, &mounts, &Fstab::default())
    })
    .unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, kind) in [
        ("./", 0o700, tar::EntryType::Directory),
        ("home/alice/", 0o750, tar::EntryType::Directory),
        ("home/alice/.profile", 0o640, tar::EntryType::Regular),
        ("etc/tool", 0o4755, tar::EntryType::Regular),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(mode);
        archive.append_data(&mut header, name, &b""[..]).unwrap();
    }
    let archive = archive.into_inner().unwrap();
    let script = lab.script(&steps, |input| match input {
        Input::Secret(name) => format!("the secret {name}\n").into_bytes(),
        Input::Files(0) => archive.clone(),
        Input::Nothing
        | Input::Text(_)
        | Input::Files(_)
        | Input::Passphrase { .. }
        | Input::Both { .. } => {
            panic!("{input}")
        }
    });
    let before = "mount -t tmpfs -o mode=0755 none /mnt\numask 077\n";
    let find = "cd /mnt\nfind . -printf '%M %U:%G %p\\n' | sort -k 3\n\
                tail -n +1 etc/secrets/initrd/key var/lib/*/key etc/ssh/*\n";
    // Twice, as after an interruption.
    let found = lab.pasted(&format!("{before}{script}{script}{find}"));
    insta::assert_snapshot!(found);
}

#[test]
fn our_own_engine_activates_in_mounts_of_its_own() {
    let Some(lab) = Lab::new() else { return };
    let (toplevel, mounts) = (toplevel(), [path("/")]);
    let steps = |has_nix_env| {
        let engine = Engine::Own { has_nix_env };
        let host_key = HostKeyWay::Leave;
        install(&Finish { engine, host_key, ..finish(&toplevel, &mounts, &Fstab::default()) })
            .unwrap()
    };
    let after = "cd /mnt/nix/var/nix\nreadlink profiles/system profiles/system-1-link gcroots/profiles\n\
        readlink /mnt/etc/mtab\nfindmnt --raw --noheadings --output TARGET | grep ^/mnt\n";
    let said = lab.pasted(&format!("{SYSTEM}{}{after}", listing(&steps(false))));
    insta::assert_snapshot!(said);
    lab.pasted(&format!("{SYSTEM}{}", listing(&steps(true))));
    let profile = "/mnt/nix/var/nix/profiles/system";
    let record = lab.record("nix-env");
    let expected = format!("nix-env --store /mnt --profile {profile} --set {toplevel}\n");
    assert!(record.starts_with(&expected), "{record}");
}
