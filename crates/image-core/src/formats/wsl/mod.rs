//! A WSL distribution: the root file system as WSL imports it, before NixOS ever ran in it.
//!
//! WSL calls a shell, `mount`, `login` and `/sbin/init`, and asks passwd for users, before the first
//! activation made any of them. NixOS-WSL has them from a run of that activation as root; here they are
//! made of what the activation's text says and of the closure's own files.
//!
//! - [`host`]: the programs that WSL calls, and what starts the system
//! - [`user`]: who is logged in
//! - [`conf`]: `/etc/wsl.conf` and `/etc/wsl-distribution.conf`
//! - [`icon`]: the picture in the start menu
//! - [`rules`]: what Microsoft asks of a distribution, each rule a check of the finished tree
//!
//! Follows Microsoft's "Build a Custom Linux Distribution for WSL", the sources of WSL (`src/linux/init`:
//! `main.cpp` imports, `config.cpp` and `init.cpp` start), and NixOS-WSL's modules. Not made: the
//! manifest of a distribution that `wsl --install NAME` finds.

pub mod conf;
pub mod host;
pub mod icon;
pub mod rules;
pub mod user;

use super::Input;
use super::fill::{Fill, FillError};
use crate::boot::preflight::{Finding, Severity};
use crate::epoch::Epoch;
use crate::ids::Ids;
use crate::inputs::activation::Activation;
use crate::inputs::etc_dir::EtcDir;
use crate::inputs::overlay::{Overlay, Rule};
use crate::inputs::users::{self, Accounts, Declared, Note};
use crate::inputs::{store, store_path};
use crate::tree::path::PathError;
use crate::tree::source::SourceError;
use crate::tree::{Entry, Meta, Mode, Source, Tree, TreePath};
use crate::units::{Bytes, MIB};
use conf::Conf;
use icon::Icon;

/// The name of the file where nobody has named it, as NixOS-WSL names it.
pub const FILE_NAME: &str = "nixos.wsl";

/// No text that is read here is larger.
const TEXT_MAX: Bytes = Bytes::new(16 * MIB.get());

/// What makes a configuration one for WSL.
const MODULE: &str = "import NixOS-WSL's module and set wsl.enable = true";

/// What distribution to make of a system.
#[derive(Clone, Copy, Debug)]
pub struct WslSpec<'a> {
    /// Directories of the host whose files go into the image.
    pub overlays: &'a [Overlay],
    /// What those files' owners and modes are, where the host cannot say.
    pub rules: &'a [Rule],
    /// The time of everything that is not the store's.
    pub epoch: Epoch,
    /// Who is logged in, where somebody said so.
    pub user: Option<&'a str>,
    /// The picture in the start menu.
    pub icon: Option<&'a Icon>,
}

/// The files of a distribution.
#[derive(Debug)]
pub struct Wsl {
    /// The files.
    pub tree: Tree,
    /// The user who is logged in.
    pub user: String,
    /// What was found; warnings only.
    pub findings: Vec<Finding>,
}

/// Why no distribution can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// WSL could not start the system, or not as it says.
    #[error("this system would not start in WSL")]
    Refused(Vec<Finding>),
    /// The user that was asked for does not exist.
    #[error("the system has no user {name:?}; its people are {}", known(people))]
    NoUser {
        /// The name that was asked for.
        name: String,
        /// The accounts of people.
        people: Vec<String>,
    },
    /// The accounts cannot be made.
    #[error(transparent)]
    Users(#[from] users::Error),
    /// A file that decides it cannot be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file of the tree cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The image cannot be filled.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// A path that is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A file of the store that is none.
    #[error(transparent)]
    StorePath(#[from] store_path::Error),
}

fn known(people: &[String]) -> String {
    if people.is_empty() { "none".to_owned() } else { people.join(", ") }
}

/// Collects findings about what WSL gives.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    fn refuse(&mut self, about: &str, wants: String, gives: &str, mend: &str) {
        self.add(Severity::Refusal, about, wants, gives, mend);
    }

    fn warn(&mut self, about: &str, wants: String, gives: &str, mend: &str) {
        self.add(Severity::Warning, about, wants, gives, mend);
    }

    fn add(&mut self, severity: Severity, about: &str, wants: String, gives: &str, mend: &str) {
        let [about, gives, mend] = [about, gives, mend].map(str::to_owned);
        self.0.push(Finding { severity, about, wants, gives, mend, specialisation: None });
    }

    /// The warnings, or all of it as an error where one is a refusal.
    fn settle(mut self) -> Result<Vec<Finding>, Error> {
        self.0.sort_by_key(|finding| finding.severity);
        match self.0.first() {
            Some(first) if first.severity == Severity::Refusal => Err(Error::Refused(self.0)),
            Some(_) | None => Ok(self.0),
        }
    }
}

/// What is put around the store, decided before anything large is looked at.
struct Parts {
    accounts: Accounts,
    programs: Vec<(TreePath, Entry)>,
    files: Vec<(&'static str, Vec<u8>)>,
    user: String,
    findings: Findings,
}

/// Decides what files a distribution has.
///
/// # Errors
/// [`Error::Refused`] with all findings, or what cannot be read.
pub fn tree(spec: &WslSpec<'_>, input: Input<'_>) -> Result<Wsl, Error> {
    let Parts { accounts, programs, files, user, mut findings } = parts(spec, input)?;
    let fill = Fill {
        overlays: spec.overlays,
        rules: spec.rules,
        epoch: spec.epoch,
        etc: EtcDir::Plain,
        registration: false,
        mount_points: &[],
    };
    let tree = fill.tree(input, |tree| {
        accounts.add(tree, spec.epoch)?;
        let layer = tree.layer("what WSL needs");
        for (path, entry) in programs {
            tree.add(layer, path, entry);
        }
        for (path, bytes) in files {
            let entry = Entry::file(Meta::root(Mode::F644, spec.epoch), Source::bytes(bytes));
            tree.add(layer, TreePath::parse(path)?, entry);
        }
        let tmp = Entry::directory(Meta::root(Mode::new(0o1777), spec.epoch));
        tree.add(layer, TreePath::parse("/tmp")?, tmp);
        Ok::<_, Error>(())
    })?;
    let toplevel = TreePath::parse(input.system.main.toplevel.to_string())?;
    rules::check(&rules::Subject { tree: &tree, toplevel: &toplevel }, &mut findings)?;
    Ok(Wsl { tree, user, findings: findings.settle()? })
}

/// Decides everything that the system itself decides.
fn parts(spec: &WslSpec<'_>, input: Input<'_>) -> Result<Parts, Error> {
    let mut findings = Findings::default();
    let Some(activation) = activation(input, &mut findings)? else {
        // All that follows would be said to be missing, too.
        return Err(Error::Refused(findings.0));
    };
    let accounts = accounts(input, &activation, &mut findings)?;
    let programs = host::programs(input, &activation, spec.epoch, &mut findings)?;
    let conf = conf::of_closure(input, conf::WSL)?;
    let user = user::choose(spec.user, conf.as_ref(), &accounts, &mut findings)?;
    let distribution = conf::of_closure(input, conf::DISTRIBUTION)?;
    if distribution.is_some() && spec.icon.is_some() {
        findings.refuse(
            "icon",
            format!("the {} of its own configuration", conf::DISTRIBUTION),
            "the icon that this file names",
            "leave --icon out, or leave this file out of environment.etc",
        );
    }
    let findings = Findings(findings.settle()?);
    let conf = conf.unwrap_or_else(|| Conf::wsl(&user.name));
    let distribution =
        distribution.unwrap_or_else(|| Conf::distribution(user.uid, spec.icon.is_some()));
    let mut files =
        vec![(conf::WSL, conf.text().into()), (conf::DISTRIBUTION, distribution.text().into())];
    files.extend(os_release(input)?.map(|text| ("/etc/os-release", text.into())));
    files.extend(spec.icon.map(|icon| (icon::PATH, icon.bytes().into())));
    Ok(Parts { accounts, programs, files, user: user.name, findings })
}

/// Reads the activation script, without which nothing would become of the image.
fn activation(input: Input<'_>, findings: &mut Findings) -> Result<Option<Activation>, Error> {
    let toplevel = &input.system.main.toplevel;
    if input.system.main.etc_overlay {
        findings.refuse(
            "/etc",
            "to mount /etc from an image".to_owned(),
            "an /etc that it reads before the system runs",
            "set system.etc.overlay.enable = false",
        );
    }
    let activation = Activation::read(input.store, toplevel)?;
    if activation.is_none() {
        findings.refuse(
            "activation",
            format!("nothing to be done at its start: {toplevel} has no activate"),
            "a file system in which the system was never active",
            MODULE,
        );
    }
    Ok(activation)
}

/// Makes the accounts that the first activation would make.
fn accounts(
    input: Input<'_>,
    activation: &Activation,
    findings: &mut Findings,
) -> Result<Accounts, Error> {
    let toplevel = &input.system.main.toplevel;
    let Some(file) = activation.users_groups() else {
        findings.refuse(
            "users",
            "its users made by something else than update-users-groups.pl".to_owned(),
            "a look into /etc/passwd before anything of the system runs",
            "set systemd.sysusers.enable = false and services.userborn.enable = false",
        );
        return Ok(Accounts::none());
    };
    if !input.closure.contains(file.path()) {
        findings.refuse(
            "users",
            format!("its users made of {file}"),
            "the store paths of the closure, and it is not among them",
            "give the registration of this very system",
        );
        return Ok(Accounts::none());
    }
    let text = input.store.read_text(&file, TEXT_MAX)?;
    let declared = Declared::parse(&text, &file.to_string())?;
    let ids = Ids::from_parts(&[b"wsl", toplevel.to_string().as_bytes()]);
    let accounts = Accounts::of(&declared, &ids)?;
    for note in &accounts.notes {
        match note {
            Note::UnknownGroup { user, group } => findings.warn(
                &format!("user {user}"),
                format!("to be in the group {group}, which is declared nowhere"),
                "the group nogroup",
                "declare the group: users.groups",
            ),
            Note::PasswordFile { user, file } => findings.warn(
                &format!("user {user}"),
                format!("a password from {file}"),
                "a file system without it, so without this password",
                if declared.mutable_users {
                    "set it once in the distribution: wsl -u root passwd USER"
                } else {
                    "put the file there in the distribution: the next activation reads it"
                },
            ),
        }
    }
    Ok(accounts)
}

/// Reads os-release, which WSL shows as flavor and version.
fn os_release(input: Input<'_>) -> Result<Option<String>, Error> {
    let file = input.system.main.toplevel.join("etc/os-release")?;
    match input.store.read_text(&file, TEXT_MAX) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
