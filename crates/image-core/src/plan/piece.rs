//! One run of bytes of an image.

use std::sync::Arc;

use super::sealed::Sealed;
use crate::tree::HostFile;
use crate::units::Bytes;

/// A run of bytes: where, how many, what for, and what they are.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Where it starts, from the start of the plan.
    pub offset: Bytes,
    /// How long it is; never zero.
    pub len: Bytes,
    /// What it is for, in the words of its format.
    pub label: Label,
    /// What the bytes are.
    pub content: Content,
}

impl Piece {
    /// Returns the offset after the last byte.
    pub fn end(&self) -> Bytes {
        self.offset + self.len
    }
}

/// What the bytes of a piece are.
#[derive(Clone, Debug)]
pub enum Content {
    /// These bytes; as many as the piece is long.
    Bytes(Arc<[u8]>),
    /// Zeros that a reader relies on.
    Zeros,
    /// A range of a host file, from `start` for the length of the piece.
    Host {
        /// Which file.
        file: Arc<HostFile>,
        /// The first byte of the file that belongs to the piece.
        start: Bytes,
    },
    /// Bytes that only the caller of the loop has; the plan knows how many.
    Secret {
        /// Which bytes.
        id: SecretId,
        /// The first of them that belongs to the piece.
        start: Bytes,
    },
    /// Another plan, encrypted: a range of its bytes.
    Sealed {
        /// The inner plan, its cipher and the name of its key.
        sealed: Arc<Sealed>,
        /// The first byte of the inner plan that belongs to the piece; a whole number of sectors.
        start: Bytes,
    },
}

impl Content {
    /// Returns the content without its first `skip` bytes, `len` bytes long.
    pub(super) fn cut(&self, skip: Bytes, len: Bytes) -> Self {
        match self {
            Self::Bytes(data) => {
                let start = skip.to_len().map_or(data.len(), |start| start.min(data.len()));
                let end = (skip + len).to_len().map_or(data.len(), |end| end.min(data.len()));
                if end - start == data.len() {
                    Self::Bytes(Arc::clone(data))
                } else {
                    Self::Bytes(data[start..end].into())
                }
            }
            Self::Zeros => Self::Zeros,
            Self::Host { file, start } => {
                Self::Host { file: Arc::clone(file), start: *start + skip }
            }
            Self::Secret { id, start } => Self::Secret { id: id.clone(), start: *start + skip },
            Self::Sealed { sealed, start } => {
                Self::Sealed { sealed: Arc::clone(sealed), start: *start + skip }
            }
        }
    }
}

/// Names bytes that the plan must not hold; the caller of the loop has them in its `Keys`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretId(pub Arc<str>);

/// What a piece is for: a few words of its format, numbered where there are many, within a scope.
///
/// Small and without a text of its own, because a plan holds one a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    pub(super) scope: ScopeId,
    pub(super) what: &'static str,
    pub(super) number: Option<u32>,
}

impl Label {
    /// Labels the only piece of its sort.
    pub const fn new(what: &'static str) -> Self {
        Self { scope: ScopeId::NONE, what, number: None }
    }

    /// Labels one of many.
    pub const fn numbered(what: &'static str, number: u32) -> Self {
        Self { scope: ScopeId::NONE, what, number: Some(number) }
    }
}

/// Which nested plan a label belongs to; the plan knows its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeId(pub(super) u16);

impl ScopeId {
    /// The plan itself.
    pub(super) const NONE: Self = Self(0);

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}
