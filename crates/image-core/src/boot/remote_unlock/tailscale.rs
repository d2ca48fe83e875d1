//! What it takes to be reached through Tailscale: a daemon that is started, what that needs, and a file
//! for its identity that is a secret of the initrd.

use super::{Identity, Subject, told};
use crate::boot::preflight::{Findings, modules::is_at_hand};
use crate::inputs::remote_unlock::Tailscale;
use crate::inputs::secret_appender::Origin;
use crate::tree::TreePath;

impl Subject<'_> {
    /// DEST of Tailscale's identity.
    pub(super) fn tailscale(
        &self,
        identity: Identity,
        findings: &mut Findings,
    ) -> Option<TreePath> {
        let wants = "to be reached through Tailscale";
        let Some(tailscale) = self.remote().and_then(|remote| remote.tailscale.as_ref()) else {
            findings.refuse(told(
                "Tailscale",
                wants,
                "no tailscaled",
                "add a service to boot.initrd.systemd.services that starts tailscaled (docs/remote-unlock.md \
                 has one) and rebuild",
            ));
            return None;
        };
        self.tun(tailscale, findings);
        if !tailscale.authorities {
            findings.refuse(told(
                "Tailscale",
                wants,
                "no certificates to know its server by",
                "add \"${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt\" to boot.initrd.systemd.storePaths and \
                 rebuild",
            ));
        }
        let (file, option, gives) = match identity {
            Identity::State => (
                &tailscale.state,
                "--state=/var/lib/tailscale/tailscaled.state",
                "a tailscaled without a file for its state",
            ),
            Identity::AuthKey => (
                &tailscale.auth_key,
                "--auth-key=file:/etc/tauthkey",
                "nothing that reads an auth key from a file",
            ),
        };
        let Some(file) = file else {
            findings.refuse(told("Tailscale", wants, gives, &format!("start it with {option}")));
            return None;
        };
        let dest = TreePath::parse(file).ok();
        let secret = self.secrets.iter().find(|secret| Some(&secret.dest) == dest.as_ref());
        if !secret.is_some_and(|secret| matches!(secret.origin, Origin::File(_))) {
            findings.refuse(told(
                "Tailscale",
                &format!("its identity in {file}"),
                "no such secret",
                &format!("set boot.initrd.secrets.{file:?} = \"/etc/secrets/initrd/tailscale\" and rebuild"),
            ));
            return None;
        }
        dest
    }

    fn tun(&self, tailscale: &Tailscale, findings: &mut Findings) {
        let has_tun = is_at_hand(self.configuration, self.stage1, "tun");
        if !tailscale.userspace && has_tun == Some(false) {
            findings.refuse(told(
                "Tailscale",
                "to be reached through Tailscale",
                "no module tun",
                "add \"tun\" to boot.initrd.kernelModules, or start tailscaled with \
                 --tun=userspace-networking, and rebuild",
            ));
        }
    }
}
