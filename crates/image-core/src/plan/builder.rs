//! How a writer makes a plan.
//!
//! A writer places pieces in whatever order suits it; [`PlanBuilder::finish`] puts them in order of
//! offset and proves that they fit. Nesting flattens: the pieces of the inner plan become pieces of
//! the outer one, so that the loop, the listing and qcow2 see one level, whatever is inside what.

use std::sync::Arc;

use super::Plan;
use super::piece::{Content, Label, Piece, ScopeId, SecretId};
use super::sealed::{Cipher, Sealed};
use crate::tree::Source;
use crate::units::Bytes;

/// Pieces that make no plan: a defect of a writer or a size beyond what systems can address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two pieces claim the same bytes.
    #[error("{second} at byte {at} overlaps {first}, which ends at byte {end}")]
    Overlap {
        /// The earlier piece.
        first: String,
        /// Where it ends.
        end: u64,
        /// The later piece.
        second: String,
        /// Where that starts.
        at: u64,
    },
    /// A piece ends after the image.
    #[error("{label} ends at byte {end}, but the image has {size} bytes")]
    BeyondEnd {
        /// The piece.
        label: String,
        /// Where it ends.
        end: u64,
        /// The image's size.
        size: u64,
    },
    /// No file or device can be that large.
    #[error("an image of {size} bytes: expected at most {}", Bytes::MAX.get())]
    TooLarge {
        /// The size asked for.
        size: u64,
    },
    /// An encrypted plan is no whole number of sectors.
    #[error("an encrypted part of {size} bytes: expected a multiple of its {sector} byte sectors")]
    PartialSector {
        /// The inner plan's size.
        size: u64,
        /// The cipher's unit.
        sector: u64,
    },
}

/// A range of a plan that is placed elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it starts in the plan.
    pub from: Bytes,
    /// How long it is.
    pub len: Bytes,
    /// Where it is placed.
    pub to: Bytes,
}

/// Collects pieces and proves that they make a plan.
#[derive(Debug, Default)]
pub struct PlanBuilder {
    pieces: Vec<Piece>,
    scopes: Vec<String>,
}

impl PlanBuilder {
    /// Starts a plan without pieces.
    pub fn new() -> Self {
        Self { pieces: Vec::new(), scopes: vec![String::new()] }
    }

    /// Goes on with a plan that was finished: pieces can be placed where it has gaps.
    pub fn reopen(plan: Plan) -> Self {
        Self { pieces: plan.pieces, scopes: plan.scopes }
    }

    /// Places bytes that were made here.
    pub fn bytes(&mut self, offset: Bytes, label: Label, data: impl Into<Arc<[u8]>>) {
        let data = data.into();
        self.piece(offset, Bytes::of(&data), label, Content::Bytes(data));
    }

    /// Places zeros that a reader of the format relies on.
    pub fn zeros(&mut self, offset: Bytes, len: Bytes, label: Label) {
        self.piece(offset, len, label, Content::Zeros);
    }

    /// Places a whole source; an inner plan is nested under the label's words.
    pub fn source(&mut self, offset: Bytes, label: Label, source: &Source) {
        self.range(offset, label, source, Bytes::ZERO, source.size());
    }

    /// Places `len` bytes of a source from its byte `start` on: a file may lie in several extents.
    pub fn range(
        &mut self,
        offset: Bytes,
        label: Label,
        source: &Source,
        start: Bytes,
        len: Bytes,
    ) {
        match source {
            Source::Host(file) => {
                self.piece(offset, len, label, Content::Host { file: Arc::clone(file), start });
            }
            Source::Bytes(data) => {
                let content = Content::Bytes(Arc::clone(data)).cut(start, len);
                self.piece(offset, len, label, content);
            }
            Source::Plan(plan) => self.part(offset, label.what, plan, start, len),
        }
    }

    /// Places bytes that only the caller of the loop will have.
    pub fn secret(&mut self, offset: Bytes, len: Bytes, label: Label, id: SecretId) {
        self.piece(offset, len, label, Content::Secret { id, start: Bytes::ZERO });
    }

    /// Places a plan that is encrypted on its way out.
    ///
    /// # Errors
    /// [`PlanError::PartialSector`] where the inner plan ends within a sector of the cipher.
    pub fn sealed(&mut self, offset: Bytes, label: Label, sealed: Sealed) -> Result<(), PlanError> {
        let size = sealed.inner.size();
        let Cipher::AesXtsPlain64 { sector } = sealed.cipher;
        if !size.is_multiple_of(sector.bytes()) {
            return Err(PlanError::PartialSector {
                size: size.get(),
                sector: sector.bytes().get(),
            });
        }
        let sealed = Arc::new(sealed);
        self.piece(offset, size, label, Content::Sealed { sealed, start: Bytes::ZERO });
        Ok(())
    }

    /// Places all pieces of another plan, shifted by `offset`, their labels below `scope`.
    pub fn nest(&mut self, offset: Bytes, scope: &str, inner: &Plan) {
        self.part(offset, scope, inner, Bytes::ZERO, inner.size());
    }

    /// Places ranges of another plan, each where it is moved to, their labels as they are: for
    /// formats that store a disk in parts.
    pub fn ranges(&mut self, inner: &Plan, ranges: impl IntoIterator<Item = Moved>) {
        let base = self.scopes.len();
        self.scopes.extend(inner.scopes.iter().cloned());
        for Moved { from, len, to } in ranges {
            self.cut(to, base, inner, from, len);
        }
    }

    fn part(&mut self, offset: Bytes, scope: &str, inner: &Plan, start: Bytes, len: Bytes) {
        let base = self.scopes.len();
        self.scopes.extend(inner.scopes.iter().map(|name| match name.as_str() {
            "" => scope.to_owned(),
            name => format!("{scope}/{name}"),
        }));
        self.cut(offset, base, inner, start, len);
    }

    /// Places `len` bytes of a plan from `start` on; its scopes begin at `base`.
    fn cut(&mut self, offset: Bytes, base: usize, inner: &Plan, start: Bytes, len: Bytes) {
        let end = start + len;
        let first = inner.piece_after(start);
        for piece in inner.pieces[first..].iter().take_while(|piece| piece.offset < end) {
            let from = piece.offset.max(start);
            let to = piece.end().min(end);
            let scope = base + piece.label.scope.index();
            let scope = ScopeId(u16::try_from(scope).unwrap_or(ScopeId::NONE.0));
            let label = Label { scope, ..piece.label };
            let skip = from - piece.offset;
            self.piece(
                offset + (from - start),
                to - from,
                label,
                piece.content.cut(skip, to - from),
            );
        }
    }

    fn piece(&mut self, offset: Bytes, len: Bytes, label: Label, content: Content) {
        if !len.is_zero() {
            self.pieces.push(Piece { offset, len, label, content });
        }
    }

    /// Puts the pieces in order and proves that they fit into `size` bytes without overlap.
    ///
    /// # Errors
    /// Which pieces do not fit.
    pub fn finish(mut self, size: Bytes) -> Result<Plan, PlanError> {
        if size > Bytes::MAX {
            return Err(PlanError::TooLarge { size: size.get() });
        }
        self.pieces.sort_by_key(|piece| piece.offset);
        let plan = Plan { size, pieces: self.pieces, scopes: self.scopes };
        for pair in plan.pieces.windows(2) {
            if let [first, second] = pair
                && first.end() > second.offset
            {
                return Err(PlanError::Overlap {
                    first: plan.label(first),
                    end: first.end().get(),
                    second: plan.label(second),
                    at: second.offset.get(),
                });
            }
        }
        match plan.pieces.last() {
            Some(last) if last.end() > size => Err(PlanError::BeyondEnd {
                label: plan.label(last),
                end: last.end().get(),
                size: size.get(),
            }),
            Some(_) | None => Ok(plan),
        }
    }
}
