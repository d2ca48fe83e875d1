//! A place in a tree.
//!
//! Names are bytes: a store path may hold any name that Linux allows, and an image that dropped or
//! re-encoded one would not be the closure. Order is by component, so that a directory is followed
//! by what is below it (`/etc/x` sorts before `/etc-x`).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// An absolute path inside an image, without `.`, `..`, empty components or NUL.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TreePath {
    /// Components joined by `/`, without a leading one; empty is the root.
    joined: Vec<u8>,
}

/// A text that is no place in a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A path climbs out or stands still.
    #[error("{path:?} holds the component {component:?}, which names no place in an image")]
    Component {
        /// The whole path.
        path: String,
        /// What was found in it.
        component: String,
    },
    /// A path holds the one byte no name can have.
    #[error("{path:?} holds a NUL byte")]
    Nul {
        /// The whole path.
        path: String,
    },
}

impl TreePath {
    /// Returns the root directory.
    pub const fn root() -> Self {
        Self { joined: Vec::new() }
    }

    /// Reads a path; a leading `/`, a trailing one and doubled ones count for nothing.
    ///
    /// # Errors
    /// `.` and `..` and NUL are refused, with the path.
    pub fn parse(path: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let path = path.as_ref();
        let shown = || String::from_utf8_lossy(path).into_owned();
        if path.contains(&0) {
            return Err(PathError::Nul { path: shown() });
        }
        let mut joined = Vec::with_capacity(path.len());
        for component in path.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
        {
            if component == b"." || component == b".." {
                let component = String::from_utf8_lossy(component).into_owned();
                return Err(PathError::Component { path: shown(), component });
            }
            if !joined.is_empty() {
                joined.push(b'/');
            }
            joined.extend_from_slice(component);
        }
        Ok(Self { joined })
    }

    /// Takes components that are joined already.
    pub(super) fn from_joined(joined: Vec<u8>) -> Self {
        Self { joined }
    }

    pub(crate) fn from_components<'a>(components: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut path = Self::root();
        for component in components {
            path.push(component);
        }
        path
    }

    fn push(&mut self, component: &[u8]) {
        if !self.joined.is_empty() {
            self.joined.push(b'/');
        }
        self.joined.extend_from_slice(component);
    }

    /// Returns this path with another one below it.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        let mut path =
            Self { joined: Vec::with_capacity(self.joined.len() + 1 + below.joined.len()) };
        path.joined.extend_from_slice(&self.joined);
        if !below.is_root() {
            path.push(&below.joined);
        }
        path
    }

    /// Walks the components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.joined.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
    }

    /// Returns the components joined by `/`, without a leading one: what archives call the name.
    pub fn relative(&self) -> &[u8] {
        &self.joined
    }

    /// The same, and the path goes.
    pub fn into_relative(self) -> Vec<u8> {
        self.joined
    }

    /// Returns the last component; none for the root.
    pub fn name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// Returns the path of the directory that holds this one; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let cut = self.joined.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        (!self.is_root()).then(|| Self { joined: self.joined[..cut].to_vec() })
    }

    /// Tells whether this is the root.
    pub fn is_root(&self) -> bool {
        self.joined.is_empty()
    }

    /// Tells whether this is `other` or lies above it.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_root()
            || (other.joined.starts_with(&self.joined)
                && matches!(other.joined.get(self.joined.len()), None | Some(b'/')))
    }

    /// Returns the rest of this path below `above`; none where it does not lie there.
    pub fn below(&self, above: &Self) -> Option<Self> {
        above.contains(self).then(|| {
            let skip = above.joined.len();
            let rest = &self.joined[skip..];
            Self { joined: rest.strip_prefix(b"/").unwrap_or(rest).to_vec() }
        })
    }

    /// Returns the path as text for people; bytes that are no UTF-8 show as U+FFFD.
    pub fn lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.joined)
    }
}

/// Orders joined paths by component: no name holds NUL, so `/` may stand as the lowest byte.
pub(super) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let differs = left.iter().zip(right).position(|(left, right)| left != right);
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    match differs {
        Some(at) => rank(left[at]).cmp(&rank(right[at])),
        None => left.len().cmp(&right.len()),
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.joined, &other.joined)
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.lossy())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl std::str::FromStr for TreePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
