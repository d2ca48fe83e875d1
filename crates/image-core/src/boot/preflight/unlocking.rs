//! What stage 1 unlocks: it waits for each encrypted volume, also for one that nothing mounts.
//!
//! Volumes come from the initrd's crypttab or from the scripted stage 1. The device inside is checked
//! where it is mounted.

use super::{Findings, Subject, Told};

/// Checks the volumes that stage 1 unlocks.
pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let offered = |name: &str| {
        subject.offer.volumes.iter().any(|volume| volume.mapper.as_deref() == Some(name))
    };
    let volumes = subject.stage1.iter().flat_map(|stage1| &stage1.volumes);
    for volume in volumes.filter(|volume| !offered(&volume.name)) {
        let name = &volume.name;
        let told = Told {
            about: format!("/dev/mapper/{name}"),
            wants: format!("to unlock {} as {name:?} in stage 1", volume.device),
            gives: "no encrypted volume of that name".to_owned(),
            mend: format!(
                "use a profile with an encrypted volume named {name:?}, or remove \
                 boot.initrd.luks.devices.{name:?} from the configuration"
            ),
        };
        if volume.is_optional() { findings.warn(told) } else { findings.refuse(told) }
    }
}
