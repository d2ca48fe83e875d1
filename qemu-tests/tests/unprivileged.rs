//! An image needs no privilege: built in a user namespace that maps nobody, without a capability,
//! with an empty `/dev` and no network, it is the same to the last byte.
#![allow(missing_docs)]

use std::process::Command;

use calve_qemu_tests::{Error, Images, Sample, is_root};

/// Proves that there is nothing here, and goes on.
const BARE: &str = r#"
    test -z "$(ls /dev)" && test -z "$(cat /proc/self/uid_map)" &&
    grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status &&
    test "$(grep -c : /proc/self/net/dev)" = 1 && exec "$@"
"#;

#[test]
fn nobody_can_build_with_nothing() -> Result<(), Error> {
    let Some(images) = Images::new("unprivileged", Sample::Mini)? else { return Ok(()) };
    let calve = images.calve_for_anyone()?;
    let directory = images.directory("bare")?;
    let image = images.build(&["--format", "raw"])?;
    // The outer namespace may mount and empties /dev, the inner one is where calve runs.
    let script = format!(
        "mount -t tmpfs none /dev && exec unshare --user sh -c '{}' sh \"$@\"",
        BARE.replace('\'', r"'\''")
    );
    let mut words = Vec::new();
    if is_root() {
        words.extend(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    words.extend(["unshare", "--user", "--map-root-user", "--mount", "--net"]);
    words.extend(["sh", "-c", &script, "sh"]);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(calve).args(images.arguments());
    command.args(["--format", "raw", "-o", "image"]).current_dir(&directory);
    images.expect(&mut command)?;
    images.expect(Command::new("cmp").arg(image).arg(directory.join("image"))).map(drop)
}
