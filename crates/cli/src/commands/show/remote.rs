//! What a system's initrd has for somebody who unlocks its disks from afar, and the secrets that it wants.

use calve_image_core::boot::initrd_secrets::Wanted;
use calve_image_core::formats::Input;
use calve_image_core::inputs::remote_unlock::{Asks, Network, RemoteUnlock, Ssh};
use calve_image_core::inputs::secret_appender::Origin;
use calve_image_core::inputs::stage1::Stage1;
use serde::Serialize;

use crate::failure::Failure;

/// What `--json` says of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remote {
    initrd_secrets: Vec<Wants>,
    remote_unlock: RemoteUnlock,
}

/// A secret of an initrd.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Wants {
    dest: String,
    source: String,
}

impl Remote {
    /// Reads it; none where the system has no initrd.
    pub(super) fn of(input: Input<'_>) -> Result<Option<Self>, Failure> {
        let spec = input.system.main.bootspec.as_ref();
        let Some(file) = spec.and_then(|spec| spec.initrd.as_ref()) else { return Ok(None) };
        let stage1 = Stage1::read(input.store, file)
            .map_err(|error| Failure::new(crate::failure::Kind::Failed, error))?;
        // A script that cannot be read is what pre-flight refuses.
        let wanted = Wanted::read(input.store, input.system).unwrap_or_default();
        let secrets = wanted.of(&input.system.main).iter().map(|secret| Wants {
            dest: secret.dest.to_string(),
            source: match &secret.origin {
                Origin::File(path) => path.to_string(),
                Origin::Store(file) => file.to_string(),
            },
        });
        Ok(Some(Self { initrd_secrets: secrets.collect(), remote_unlock: stage1.remote }))
    }

    /// A few lines; none where there is nothing to say.
    pub(super) fn text(&self) -> String {
        let RemoteUnlock { ssh, network, network_drivers, asks, tailscale } = &self.remote_unlock;
        let mut text = String::new();
        if !self.initrd_secrets.is_empty() {
            text.push_str("\ninitrd secrets\n");
        }
        for Wants { dest, source } in &self.initrd_secrets {
            text.push_str(&format!("  {dest}, kept in {source}\n"));
        }
        let tailscale = tailscale.as_ref().map(|_| "Tailscale".to_owned());
        let doors: Vec<String> = ssh.as_ref().map(server).into_iter().chain(tailscale).collect();
        if !doors.is_empty() {
            let ways: Vec<&str> = network.iter().map(|way| Network::word(*way)).collect();
            let drivers: Vec<&str> = network_drivers.iter().map(String::as_str).collect();
            let or = |list: Vec<&str>, none: &str| {
                if list.is_empty() { none.to_owned() } else { list.join(", ") }
            };
            text.push_str(&format!(
                "\nremote unlock\n  {}\n  network by {}; cards: {}\n  asks {}\n",
                doors.join("\n  "),
                or(ways, "nothing"),
                or(drivers, "what the kernel has built in"),
                asks.as_ref().map_or("nobody".to_owned(), word),
            ));
        }
        text
    }
}

fn server(ssh: &Ssh) -> String {
    let (server, port, count) = (ssh.server.word(), ssh.port, ssh.authorized_keys);
    let who =
        if count == 1 { "1 key may log in".to_owned() } else { format!("{count} keys may log in") };
    let keys = ssh.host_keys.join(", ");
    let keys = if keys.is_empty() { String::new() } else { format!(", host keys {keys}") };
    format!("{server} on port {port}{keys}; {who}")
}

fn word(asks: &Asks) -> String {
    match asks {
        Asks::Systemd => "through systemd's password agents".to_owned(),
        Asks::CryptsetupAskpass => "through cryptsetup-askpass".to_owned(),
        Asks::Fifo(path) => format!("through the pipe {path}"),
    }
}
