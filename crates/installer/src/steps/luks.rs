//! Encrypted volumes: made with an image's header and keyslots, and opened.

use calve_image_core::disk::LuksVolume;
use calve_image_core::disk::luks2::{Kdf, Luks2};
use calve_image_core::plan::KeyId;
use calve_image_core::units::KIB;

use super::step::{Command, Input};

/// How a passphrase is added to a volume that has one: neither is an argument, and both are gone when it ends.
const ADD_KEY: &str = include_str!("add_key.sh");

/// Opens a volume that is not open.
const OPEN: &str = r#"cryptsetup status "$2" >/dev/null 2>&1 || exec cryptsetup open --type luks2 --key-file=- "$1" "$2""#;

/// Lists what makes a header and its keyslots.
pub(super) fn encrypt(luks: &LuksVolume, device: &str) -> Vec<Command> {
    let settings = &luks.luks;
    let mut words: Vec<String> = "cryptsetup luksFormat --type luks2 --batch-mode"
        .split(' ')
        .chain("--cipher aes-xts-plain64 --key-size 512 --hash sha256".split(' '))
        .map(str::to_owned)
        .collect();
    // In units of 512 bytes. Some disks would have more, for their own ways.
    words.push(format!("--offset={}", Luks2::HEADER.get() / 512));
    words.push(format!("--uuid={}", settings.uuid));
    words.push(format!("--sector-size={}", settings.sector.bytes().get()));
    words.extend(settings.label.iter().map(|label| format!("--label={label}")));
    words.extend(settings.subsystem.iter().map(|label| format!("--subsystem={label}")));
    let costs = costs(settings.kdf);
    let words = words.iter().chain(&costs).map(String::as_str);
    let passphrase = Input::Passphrase { volume: luks.key.clone(), keyslot: 0 };
    let first = Command::new(words.chain(["--key-file=-", device])).reading(passphrase);
    let more = (1..settings.keyslots).map(|keyslot| {
        let arguments = [device].into_iter().chain(costs.iter().map(String::as_str));
        let both = Input::Both { volume: luks.key.clone(), keyslot };
        Command::script(ADD_KEY, "add-key", arguments).reading(both)
    });
    std::iter::once(first).chain(more).collect()
}

/// Opens a volume, unless something is open under its name.
pub(super) fn open(mapper: &str, device: &str) -> Command {
    let passphrase = Input::Passphrase { volume: KeyId(mapper.into()), keyslot: 0 };
    Command::script(OPEN, "open", [device, mapper]).reading(passphrase)
}

/// Costs are fixed, and never measured on whatever machine installs.
fn costs(kdf: Kdf) -> Vec<String> {
    match kdf {
        Kdf::Argon2id { memory, passes, lanes } => vec![
            "--pbkdf=argon2id".to_owned(),
            format!("--pbkdf-memory={}", memory.get() / KIB.get()),
            format!("--pbkdf-force-iterations={passes}"),
            format!("--pbkdf-parallel={lanes}"),
        ],
        Kdf::Pbkdf2 { iterations } => {
            vec!["--pbkdf=pbkdf2".to_owned(), format!("--pbkdf-force-iterations={iterations}")]
        }
    }
}
