//! The private half of a host key, and the proof that it belongs to its public one.
//!
//! ```text
//! "openssh-key-v1\0"  cipher  kdf  kdf options  number of keys  public key  private section
//! private section:    check  check  type  fields of the type  comment  1 2 3 …
//! ```
//!
//! A key that lost a character on a slow line is seldom told by sshd: it starts, and every client
//! refuses it. So the structure is checked to its last byte; the public half within the private section
//! must equal the one before it; and what can be computed is: the public half of an Ed25519 key from its
//! private one. The private numbers of RSA and ECDSA keys are checked for their form only: more
//! would take a library for each.
//!
//! Follows OpenSSH's `PROTOCOL.key` and `sshkey.c`, `sshkey_private_to_blob2`.

use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::base64;
use super::block::{BEGIN, Block, END};
use super::public::{self, Algorithm, PublicKey};
use super::wire::{self, Wire};

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The unit that the private section of an unencrypted key is padded to.
const PADDED: usize = 8;

/// How many characters `ssh-keygen` puts into a line.
const WIDTH: usize = 70;

/// Why a block is no key that sshd could use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The block has no end.
    #[error("the key is cut short: expected a line {END}")]
    Cut,
    /// A line is damaged.
    #[error("the key is broken: line {line} after its first is not base64")]
    NotBase64 {
        /// Which one, counted from 1.
        line: usize,
    },
    /// What the base64 holds is damaged.
    #[error("the key is broken: {what}")]
    Broken {
        /// How that was noticed.
        what: &'static str,
    },
    /// It takes a passphrase to use it.
    #[error("the key has a passphrase: host keys have none")]
    Encrypted,
    /// A sort of key that is none for hosts.
    #[error("the key is of type {found:?}: expected {}", public::words())]
    Algorithm {
        /// The word that names the sort.
        found: String,
    },
}

/// A private key that sshd can use.
pub struct PrivateKey {
    public: PublicKey,
    bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for PrivateKey {
    /// Prints the fingerprint.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({})", self.public)
    }
}

impl PrivateKey {
    /// Reads the key in a block.
    ///
    /// # Errors
    /// Why nobody could use it.
    pub fn read(block: &Block) -> Result<Self, Error> {
        let bytes = base64::decode(&block.0).ok_or(broken("its base64 has lost characters"))?;
        let rest = bytes.strip_prefix(MAGIC).ok_or(broken("its first bytes are damaged"))?;
        let mut wire = Wire(rest);
        let short = || broken("it ends too early");
        let cipher = wire.string().ok_or_else(short)?;
        let (kdf, options) = (wire.string().ok_or_else(short)?, wire.string().ok_or_else(short)?);
        if wire.number().ok_or_else(short)? != 1 {
            return Err(broken("it does not hold one key"));
        }
        let blob = wire.string().ok_or_else(short)?;
        let section = wire.string().ok_or_else(short)?;
        if cipher != b"none" || kdf != b"none" {
            return Err(Error::Encrypted);
        }
        if !options.is_empty() || !wire.is_over() {
            return Err(broken("it holds more than a key"));
        }
        let public = of_section(section, blob)?;
        Ok(Self { public, bytes })
    }

    /// Makes an Ed25519 key of 32 bytes that nobody else knows; `check` is any number.
    ///
    /// The bytes come from whoever has a random source: nothing here reads the system's.
    pub fn generate(seed: &[u8; 32], check: u32, comment: &str) -> Self {
        let point = SigningKey::from_bytes(seed).verifying_key();
        let word = Algorithm::Ed25519.word().as_bytes();
        let mut blob = Vec::new();
        wire::put(&mut blob, word);
        wire::put(&mut blob, point.as_bytes());
        // Room for all of it: a buffer that grows leaves copies behind.
        let mut section = Zeroizing::new(Vec::with_capacity(256 + comment.len()));
        section.extend_from_slice(&check.to_be_bytes());
        section.extend_from_slice(&check.to_be_bytes());
        wire::put(&mut section, word);
        wire::put(&mut section, point.as_bytes());
        let pair = Zeroizing::new([seed.as_slice(), point.as_bytes()].concat());
        wire::put(&mut section, &pair);
        wire::put(&mut section, comment.as_bytes());
        let padding = section.len().next_multiple_of(PADDED) - section.len();
        section.extend((1u8..).take(padding));
        let mut bytes = Zeroizing::new(Vec::with_capacity(section.len() + blob.len() + 64));
        bytes.extend_from_slice(MAGIC);
        for text in ["none", "none", ""] {
            wire::put(&mut bytes, text.as_bytes());
        }
        bytes.extend_from_slice(&1u32.to_be_bytes());
        wire::put(&mut bytes, &blob);
        wire::put(&mut bytes, &section);
        let public = PublicKey::ed25519(blob, comment);
        Self { public, bytes }
    }

    /// Returns the public half, called what the private one's comment says.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Writes the file that sshd reads, as `ssh-keygen` would.
    pub fn text(&self) -> Zeroizing<Vec<u8>> {
        let data = base64::encode(&self.bytes);
        let size = data.len() + data.len() / WIDTH + BEGIN.len() + END.len() + 4;
        let mut text = Zeroizing::new(Vec::with_capacity(size));
        for line in [BEGIN.as_bytes()].into_iter().chain(data.chunks(WIDTH)).chain([END.as_bytes()])
        {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text
    }
}

/// Reads the private section, whose public half must be `blob`.
fn of_section(section: &[u8], blob: &[u8]) -> Result<PublicKey, Error> {
    let short = || broken("its private section ends too early");
    if !section.len().is_multiple_of(PADDED) {
        return Err(broken("its private section has lost bytes"));
    }
    let mut wire = Wire(section);
    if wire.number().ok_or_else(short)? != wire.number().ok_or_else(short)? {
        return Err(broken("its check numbers differ"));
    }
    let word = wire.string().ok_or_else(short)?;
    let Some(algorithm) = Algorithm::of(word) else {
        let printable = word.iter().take(40).filter(|byte| byte.is_ascii_graphic());
        return Err(Error::Algorithm { found: printable.map(|byte| char::from(*byte)).collect() });
    };
    let is_whole = fields(algorithm, &mut wire, blob).ok_or_else(short)?;
    let comment = wire.string().ok_or_else(short)?;
    let is_padding = wire.0.len() < PADDED && wire.0.iter().zip(1u8..).all(|(byte, n)| *byte == n);
    match PublicKey::new(blob, comment) {
        Some(public) if is_whole && is_padding && public.algorithm() == algorithm => Ok(public),
        Some(_) | None => Err(broken("its private half does not belong to its public half")),
    }
}

/// Reads the fields of a private key and tells whether they are those of a public one.
fn fields(algorithm: Algorithm, wire: &mut Wire<'_>, blob: &[u8]) -> Option<bool> {
    let mut public = Wire(blob);
    let mut next = || public.string();
    if next() != Some(algorithm.word().as_bytes()) {
        return Some(false);
    }
    Some(match algorithm {
        Algorithm::Ed25519 => {
            let (point, pair) = (wire.string()?, wire.string()?);
            let (seed, end) = pair.split_first_chunk::<32>()?;
            let derived = SigningKey::from_bytes(seed).verifying_key();
            next() == Some(point) && end == point && derived.as_bytes() == point
        }
        Algorithm::Rsa => {
            let (n, e) = (wire.string()?, wire.string()?);
            let (d, _inverse) = (wire.string()?, wire.string()?);
            let (p, q) = (wire.string()?, wire.string()?);
            let is_pair = next() == Some(e) && next() == Some(n);
            is_pair && [d, p, q].iter().all(|number| !number.is_empty())
        }
        Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521 => {
            let (curve, point) = (wire.string()?, wire.string()?);
            let scalar = wire.string()?;
            next() == Some(curve) && next() == Some(point) && !scalar.is_empty()
        }
    })
}

fn broken(what: &'static str) -> Error {
    Error::Broken { what }
}
