//! Whether Nix in a live system will know the store paths of its medium.
//!
//! Nix' database lies in memory there, so it is filled at every start from a file beside the store
//! paths, by `boot.postBootCommands` or a service (nixpkgs' `iso-image.nix`). Stage 2 of a system with
//! systemd in its first stage is `prepare-root`, else `init`.

use crate::boot::preflight::{Findings, Told};
use crate::formats::iso::Error;
use crate::inputs::first_boot::loads_registration;
use crate::inputs::script::Program;
use crate::inputs::store::{self, HostStore};
use crate::inputs::system::Configuration;
use crate::units::MIB;

/// Warns where Nix is there and nobody fills its database.
pub(super) fn check(
    store: &HostStore,
    configuration: &Configuration,
    findings: &mut Findings,
) -> Result<(), Error> {
    let toplevel = &configuration.toplevel;
    let is_there = |inner: &str| -> Result<bool, Error> {
        match store.kind(&toplevel.join(inner)?) {
            Ok(kind) => Ok(kind.is_some()),
            Err(store::Error::Outside { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    };
    if !is_there("sw/bin/nix-store")? {
        return Ok(());
    }
    let mut text = Vec::new();
    for script in ["init", "prepare-root"] {
        let file = toplevel.join(script)?;
        if is_there(script)? && matches!(Program::at(store, &file)?, Program::Script(_)) {
            text.extend(store.read(&file, MIB)?);
        }
    }
    if !loads_registration(store, toplevel, &text)? {
        findings.warn(Told {
            about: "Nix".to_owned(),
            wants: "Nix, but nothing that fills its database at the start".to_owned(),
            gives:
                "/nix/store/nix-path-registration; until that is loaded, Nix knows no store path"
                    .to_owned(),
            mend: "add nix-store --load-db < /nix/store/nix-path-registration to \
                   boot.postBootCommands, as nixpkgs' iso-image.nix does"
                .to_owned(),
        });
    }
    Ok(())
}
