//! What every image is filled with, whatever its format: the store, Nix' state, and the user's files.
//!
//! The order of the layers decides who may say what about a path: the closure first, then calve's
//! own files and those of the format, overlays last.

use super::Input;
use crate::epoch::Epoch;
use crate::inputs::etc_dir::EtcDir;
use crate::inputs::generated::{self, Generated};
use crate::inputs::overlay::{self, Overlay, Overlays, Rule};
use crate::inputs::store_tree;
use crate::tree::{Conflict, Tree, TreeBuilder, TreePath};

/// What an image holds, but for the files of its format.
#[derive(Clone, Copy, Debug)]
pub struct Fill<'a> {
    /// Directories of the host whose files go into the image.
    pub overlays: &'a [Overlay],
    /// What those files' owners and modes are, where the host cannot say.
    pub rules: &'a [Rule],
    /// The time of everything that is not the store's.
    pub epoch: Epoch,
    /// What `/etc` is when the system runs.
    pub etc: EtcDir,
    /// Whether to add `/nix-path-registration`, for closures that load it at their first boot.
    pub registration: bool,
    /// Where other volumes are mounted.
    pub mount_points: &'a [TreePath],
}

/// Why an image cannot be filled.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// A store path cannot be read.
    #[error(transparent)]
    Store(#[from] store_tree::Error),
    /// Nix' database and its like cannot be made.
    #[error(transparent)]
    Generated(#[from] generated::Error),
    /// An overlay cannot be read or has no place.
    #[error(transparent)]
    Overlay(#[from] overlay::Error),
    /// Two sources claim one path.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

impl Fill<'_> {
    /// Makes the tree; `own` claims the files of the format.
    ///
    /// # Errors
    /// See [`FillError`], and what `own` says.
    pub fn tree<E: From<FillError>>(
        &self,
        input: Input<'_>,
        own: impl FnOnce(&mut TreeBuilder) -> Result<(), E>,
    ) -> Result<Tree, E> {
        let mut tree = TreeBuilder::new(self.epoch);
        self.system(&mut tree, input)?;
        own(&mut tree)?;
        let Self { overlays, rules, etc, epoch, .. } = *self;
        Overlays { overlays, rules, etc, epoch }.add(&mut tree).map_err(FillError::from)?;
        Ok(tree.build().map_err(FillError::from)?)
    }

    /// Claims the closure and Nix' state.
    fn system(&self, tree: &mut TreeBuilder, input: Input<'_>) -> Result<(), FillError> {
        store_tree::add(tree, input.store, input.closure)?;
        let Self { etc, registration, mount_points, epoch, .. } = *self;
        let toplevel = &input.system.main.toplevel;
        let closure = input.closure;
        Generated { closure, toplevel, etc, registration, mount_points, epoch }.add(tree)?;
        Ok(())
    }
}
