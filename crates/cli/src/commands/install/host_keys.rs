//! By which SSH host keys the installed system and its initrd will be known, and where those lie meanwhile.
//!
//! A key has to be where the server looks for it, so that what is pinned before the restart is what answers after it.

use calve_image_core::formats::Input;
use calve_image_core::inputs::secret_appender::{Appended, Origin};
use calve_image_core::tree::TreePath;
use calve_installer::host_key::Algorithm;
use calve_installer::steps::{self, HostKeyWay, ROOT};

use super::job::Job;
use super::wanted::HostKeyArg;
use crate::failure::{Failure, Kind};

impl Job<'_> {
    /// Where the initrd's host key is put, which is where the closure reads it.
    pub(super) fn initrd_key(&self, secrets: &[Appended]) -> Result<Option<String>, Failure> {
        let Some(unlock) = &self.load.given.unlock else { return Ok(None) };
        let key = secrets.iter().find(|secret| secret.dest == unlock.door.dest);
        match key.map(|key| &key.origin) {
            Some(Origin::File(from)) => self.below_root(from).map(Some),
            Some(Origin::Store(_)) | None => Ok(None),
        }
    }

    /// Where a path of the new system lies while it is installed.
    fn below_root(&self, path: &TreePath) -> Result<String, Failure> {
        let path = self.etc.place(path).map_err(|error| Failure::new(Kind::Refused, error))?;
        Ok(format!("{ROOT}{path}"))
    }

    /// How the system comes by its host key: where its own sshd looks for it.
    pub(super) fn host_key(
        &mut self,
        arg: &HostKeyArg,
        mounts: &[TreePath],
    ) -> Result<HostKeyWay, Failure> {
        if !self.has_server {
            return match arg {
                HostKeyArg::New => Ok(HostKeyWay::Leave),
                HostKeyArg::Given(_) | HostKeyArg::Installers => Err(Failure::new(
                    Kind::Refused,
                    "a host key is brought, but the system has no SSH server",
                )
                .hint("set services.openssh.enable, or leave the key out")),
            };
        }
        let way = self.host_key_way(arg, mounts)?;
        let path = match &way {
            HostKeyWay::Given { path, .. } | HostKeyWay::Made { path } => Some(path.clone()),
            HostKeyWay::Installers { .. } => Some(self.host_key_path()?),
            HostKeyWay::Leave => None,
        };
        self.host_key_file = path.map(|path| self.below_root(&path)).transpose()?;
        Ok(way)
    }

    fn host_key_path(&self) -> Result<TreePath, Failure> {
        let input = self.load.subject.input();
        let path = steps::host_key_path(input.store, self.toplevel());
        path.map_err(|error| Failure::new(Kind::Failed, error))
    }

    /// Whether a file is still there after the restart.
    fn is_kept(&self, path: &TreePath, mounts: &[TreePath]) -> bool {
        let fstab = &self.load.subject.input().system.main.fstab;
        self.etc.place(path).is_ok_and(|path| steps::is_kept(&path, mounts, fstab))
    }

    fn host_key_way(&self, arg: &HostKeyArg, mounts: &[TreePath]) -> Result<HostKeyWay, Failure> {
        let path = self.host_key_path()?;
        let directory = path.parent().unwrap_or_else(TreePath::root);
        Ok(match arg {
            HostKeyArg::New if self.is_kept(&path, mounts) => HostKeyWay::Made { path },
            // It has another at every start, and none can be pinned.
            HostKeyArg::New => HostKeyWay::Leave,
            HostKeyArg::Installers => HostKeyWay::Installers { directory },
            HostKeyArg::Given(key) => {
                let public = key.public();
                let name = public.algorithm().file_name();
                // A file of another kind's name would say what the key is not.
                let is_of_another = Algorithm::ALL.into_iter().any(|other| {
                    other != public.algorithm() && path.name() == Some(other.file_name().as_bytes())
                });
                let named = directory.join(&TreePath::parse(name).map_err(Failure::internal)?);
                let path = if is_of_another { named } else { path };
                HostKeyWay::Given { path, public: public.line() }
            }
        })
    }
}

/// Whether a system starts an SSH server.
pub(super) fn has_server(input: Input<'_>) -> Result<bool, Failure> {
    let file = input.system.main.toplevel.join("etc/ssh/sshd_config");
    let kind = input.store.kind(&file.map_err(Failure::internal)?);
    Ok(kind.map_err(|error| Failure::new(Kind::Failed, error))?.is_some())
}
