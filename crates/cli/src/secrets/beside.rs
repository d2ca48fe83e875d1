//! What lies beside an image that is unlocked over SSH: the ticket for `calve unlock`, and the host key.
//!
//! They are made before the image, so that a name that is taken is told at once, and get their names with
//! it: a ticket without its image unlocks nothing, and an image without its ticket is known by nobody.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use calve_image_core::boot::remote_unlock::Door;
use calve_image_core::inputs::remote_unlock::Asks;
use calve_image_core::output::{self, Existing, Output};
use calve_installer::host_key::PublicKey;
use calve_installer::unlock::{self, Ticket};

use super::initrd::Unlock;
use crate::failure::Failure;

/// What ssh can be told to look for instead of a host (`HostKeyAlias`), wherever that is.
const ALIAS: &str = "calve-initrd";

/// Files in the making.
#[derive(Debug, Default)]
pub(crate) struct Beside(Vec<Output>);

/// Files that have their names; those of an image that never came go again.
#[derive(Debug)]
pub(crate) struct Named(Vec<PathBuf>);

impl Beside {
    /// Writes the files of an image.
    pub(crate) fn write(
        unlock: &Unlock,
        image: &Path,
        existing: Existing,
    ) -> Result<Self, Failure> {
        let known_hosts = with_ending(image, ".known_hosts");
        let name = known_hosts.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ticket = ticket(unlock, name);
        let line = line(&ticket, unlock);
        let ticket = ticket.text().map_err(Failure::internal)?;
        let public = Output::create(&known_hosts, existing)?;
        let private = Output::create_private(with_ending(image, ".unlock.toml"), existing)?;
        for (output, text) in [(&public, line), (&private, ticket)] {
            output.file().write_all(text.as_bytes()).map_err(|source| output::Error::Io {
                action: "write",
                path: output.path().to_owned(),
                source,
            })?;
        }
        Ok(Self(vec![public, private]))
    }

    /// Gives all files their names.
    pub(crate) fn commit(self) -> Result<Named, output::Error> {
        let mut named = Named(Vec::new());
        for output in self.0 {
            let path = output.path().to_owned();
            match output.commit() {
                Ok(()) => named.0.push(path),
                Err(error) => {
                    named.remove();
                    return Err(error);
                }
            }
        }
        Ok(named)
    }
}

impl Named {
    /// Takes the files away.
    pub(crate) fn remove(self) {
        for path in self.0 {
            // What went wrong before is what is told.
            let _ = fs::remove_file(path);
        }
    }
}

/// What `calve unlock` is told of a machine.
pub(crate) fn ticket(unlock: &Unlock, known_hosts: String) -> Ticket {
    let Door { port, asks, volumes, .. } = &unlock.door;
    let host = unlock.host.as_ref();
    Ticket {
        version: Ticket::VERSION,
        host: host.map(|host| host.host.clone()),
        port: host.and_then(|host| host.port).unwrap_or(*port),
        user: "root".to_owned(),
        fingerprint: unlock.host_key.to_string(),
        known_hosts,
        asks: match asks {
            Asks::Systemd => unlock::Asks::Systemd,
            Asks::CryptsetupAskpass => unlock::Asks::CryptsetupAskpass,
            Asks::Fifo(path) => unlock::Asks::Fifo { path: path.clone() },
        },
        volumes: volumes.clone(),
        system_host_key: unlock.system.as_ref().map(PublicKey::line),
    }
}

/// The line of known_hosts: the key, for a name that ssh can be told to look for, and for the host if it is known.
fn line(ticket: &Ticket, unlock: &Unlock) -> String {
    let host = ticket.host.as_ref().map(|host| match ticket.port {
        22 => format!(",{host}"),
        port => format!(",[{host}]:{port}"),
    });
    format!("{ALIAS}{} {}\n", host.unwrap_or_default(), unlock.host_key.line())
}

/// The name of a file beside the image.
pub(crate) fn with_ending(image: &Path, ending: &str) -> PathBuf {
    let mut name = image.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
