//! Images of a sample system: built by the `calve` binary that `CALVE_BIN` names, in a directory of
//! their own, and judged by somebody else's tools once a guest has worked on them.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::Error;

/// The registration's name in the scratch directory.
const REGISTRATION: &str = "registration";
/// The list of the sample's store paths, there too.
const STORE_PATHS: &str = "store-paths";

/// The sample systems of `cargo xtask fixture`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Kernel, static busybox, toplevel.
    Mini,
    /// systemd with a scripted stage 1.
    Full,
    /// systemd, also as stage 1.
    FullSystemd,
    /// `Mini` with an SSH server, on an encrypted root that a script opens.
    Encrypted,
    /// systemd, also as stage 1, on an encrypted root.
    EncryptedSystemd,
    /// The same with a second encrypted volume.
    EncryptedTwo,
    /// systemd as a container brings it: no kernel, and a database that it loads itself.
    Container,
    /// systemd in the shape of NixOS-WSL.
    Wsl,
    /// `Mini` in the shape of a medium, without a boot loader of its own.
    LiveMini,
    /// systemd in the shape of a medium, with a scripted stage 1 and GRUB.
    Live,
    /// systemd in the shape of a medium, also as stage 1, and syslinux.
    LiveSystemd,
    /// `Live` with what an installation takes.
    Installer,
}

impl Sample {
    /// Its directory below `target/fixture`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mini => "mini",
            Self::Full => "full",
            Self::FullSystemd => "full-systemd",
            Self::Encrypted => "encrypted",
            Self::EncryptedSystemd => "encrypted-systemd",
            Self::EncryptedTwo => "encrypted-two",
            Self::Container => "container",
            Self::Wsl => "wsl",
            Self::LiveMini => "live-mini",
            Self::Live => "live",
            Self::LiveSystemd => "live-systemd",
            Self::Installer => "installer",
        }
    }
}

/// A sample, a `calve`, and a scratch directory.
#[derive(Debug)]
pub struct Images {
    system: PathBuf,
    calve: PathBuf,
    scratch: tempfile::TempDir,
}

impl Images {
    /// Prepares to build images; none if something is missing here.
    pub fn new(name: &'static str, sample: Sample) -> Result<Option<Self>, Error> {
        or_skip(name, Self::prepare(name, sample)?)
    }

    pub(crate) fn prepare(name: &str, sample: Sample) -> Result<Result<Self, String>, Error> {
        let Some(calve) = env::var_os("CALVE_BIN").map(PathBuf::from) else {
            return Ok(Err("CALVE_BIN does not name a calve binary".to_owned()));
        };
        let sample = workspace().join("target/fixture").join(sample.name());
        if !sample.join("system").exists() {
            return Ok(Err(format!("no {}; run `cargo xtask fixture`", sample.display())));
        }
        let scratch = tempfile::Builder::new().prefix(name).tempdir()?;
        // Some tests go on as another user, who may not look into this checkout.
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755))?;
        for name in [REGISTRATION, STORE_PATHS] {
            fs::copy(sample.join(name), scratch.path().join(name))?;
        }
        let system = sample.join("system").canonicalize()?;
        Ok(Ok(Self { system, calve, scratch }))
    }

    /// The file in which the sample's closure is registered.
    pub fn registration(&self) -> PathBuf {
        self.scratch().join(REGISTRATION)
    }

    /// The binary under test.
    pub fn calve_bin(&self) -> &Path {
        &self.calve
    }

    /// A copy of the binary under test that every user may run.
    pub fn calve_for_anyone(&self) -> Result<PathBuf, Error> {
        let copy = self.scratch().join("calve");
        fs::copy(&self.calve, &copy)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
        Ok(copy)
    }

    /// A new directory in the scratch directory that every user may write to.
    pub fn directory(&self, name: &str) -> Result<PathBuf, Error> {
        let directory = self.scratch().join(name);
        fs::create_dir(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777))?;
        Ok(directory)
    }

    /// The scenario's own directory, which goes when it ends.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Builds a disk of the sample with more arguments for `calve build disk`.
    pub fn build(&self, arguments: &[&str]) -> Result<PathBuf, Error> {
        let image = self.scratch().join("disk.img");
        let mut all = self.arguments();
        all.extend(["-o".to_owned(), image.display().to_string()]);
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self.calve(&all)?;
        Ok(image)
    }

    /// Builds something else of the sample, `calve build FORMAT`, under this name.
    pub fn archive(&self, format: &str, name: &str, more: &[&str]) -> Result<PathBuf, Error> {
        let image = self.scratch().join(name);
        let mut all = self.arguments_for(format);
        all.extend(["-o".to_owned(), image.display().to_string()]);
        all.extend(more.iter().map(|&argument| argument.to_owned()));
        self.calve(&all)?;
        Ok(image)
    }

    /// Where another sample's closure is described as nixpkgs' `closureInfo` describes one.
    pub fn closure_info(sample: Sample) -> PathBuf {
        workspace().join("target/fixture").join(sample.name())
    }

    /// The private key that the samples let in over SSH.
    pub fn login_key() -> PathBuf {
        workspace().join("target/fixture/ssh/id_ed25519")
    }

    /// The arguments that name the command for disks and the sample.
    pub fn arguments(&self) -> Vec<String> {
        self.arguments_for("disk")
    }

    /// The arguments that name a command of `calve build` and the sample.
    pub fn arguments_for(&self, format: &str) -> Vec<String> {
        let (system, registration) = (self.system.display(), self.registration());
        let registration = registration.display();
        ["build", format, &system.to_string(), "--registration", &registration.to_string()]
            .map(str::to_owned)
            .to_vec()
    }

    /// The toplevel of the sample.
    pub fn system(&self) -> &Path {
        &self.system
    }

    /// The store paths of the sample, sorted.
    pub fn store_paths(&self) -> Result<Vec<String>, Error> {
        let paths = fs::read_to_string(self.scratch().join(STORE_PATHS))?;
        Ok(paths.lines().map(str::to_owned).collect())
    }

    /// Runs `calve`, and gives what it wrote to its standard output.
    pub fn calve(&self, arguments: &[String]) -> Result<String, Error> {
        // Never what the user's own builds left.
        let cache = self.scratch().join("cache");
        let mut calve = Command::new(&self.calve);
        let output = self.run(calve.args(arguments).env("CALVE_CACHE", cache))?;
        if !output.status.success() {
            return Err(Error::Calve {
                arguments: arguments.to_vec(),
                stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a program, in the scratch directory if in no other, whatever comes of it.
    pub fn run(&self, command: &mut Command) -> Result<Output, Error> {
        if command.get_current_dir().is_none() {
            command.current_dir(self.scratch());
        }
        let run = command.output();
        run.map_err(|source| Error::Run { program: command.get_program().into(), source })
    }

    /// Runs a program that must succeed, and gives what it wrote to its standard output.
    pub fn expect(&self, command: &mut Command) -> Result<String, Error> {
        let output = self.run(command)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned());
        Err(Error::Tool {
            program: command.get_program().into(),
            arguments: arguments.collect(),
            said: said + &String::from_utf8_lossy(&output.stderr),
        })
    }

    /// The size that a guest sees, as `qemu-img` tells it.
    pub fn virtual_size(&self, image: &Path) -> Result<u64, Error> {
        let mut info = administration("qemu-img");
        let said = self.expect(info.args(["info", "--output", "json"]).arg(image))?;
        let info: Option<serde_json::Value> = serde_json::from_str(&said).ok();
        let size = info.and_then(|info| info["virtual-size"].as_u64());
        size.ok_or(Error::Garbled { command: "qemu-img info".to_owned(), answer: said })
    }

    /// Lets `e2fsck` judge the root of a disk with 512-byte sectors that a guest has left cleanly.
    pub fn check_root(&self, image: &Path) -> Result<(), Error> {
        let raw = self.scratch().join("checked.raw");
        let mut convert = administration("qemu-img");
        self.expect(convert.args(["convert", "-O", "raw"]).args([image, &raw]))?;
        let table = self.expect(administration("sfdisk").arg("--json").arg(&raw))?;
        let start = start_of_root(&table).ok_or(Error::NoRoot { table })?;
        let name = format!("{}?offset={}", raw.display(), start * 512);
        let said = self.expect(administration("e2fsck").args(["-fn", &name]))?;
        fs::remove_file(&raw)?;
        // It warns of a journal that it may not replay, and ends well.
        let is_clean =
            said.lines().all(|line| line.starts_with("Pass ") || line.contains("files ("));
        if is_clean { Ok(()) } else { Err(Error::Unclean { said }) }
    }
}

/// The first sector of the partition that the profiles call `nixos`.
fn start_of_root(table: &str) -> Option<u64> {
    let table: serde_json::Value = serde_json::from_str(table).ok()?;
    let partitions = table.pointer("/partitiontable/partitions")?.as_array()?;
    let root = partitions.iter().find(|found| found["name"] == "nixos")?;
    root["start"].as_u64()
}

/// A program that may lie where only the administrator's search path leads.
fn administration(program: &str) -> Command {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    // The name is looked up in the search path that the child gets.
    let mut command = Command::new(program);
    command.env("PATH", path).env("LC_ALL", "C");
    command
}

/// Whether this process may become another user.
pub fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|own| own.uid() == 0)
}

/// The workspace's root.
pub(crate) fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Passes what was found; what is missing is a skip, and a failure where `CI=true`.
pub(crate) fn or_skip<T>(name: &str, found: Result<T, String>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(missing) if env::var("CI").as_deref() == Ok("true") => Err(Error::Missing(missing)),
        Err(missing) => {
            skip(name, &missing);
            Ok(None)
        }
    }
}

/// Says that a test is skipped, past the test runner, which hides what passing tests print.
fn skip(name: &str, missing: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "SKIPPED {name}: {missing}");
}
