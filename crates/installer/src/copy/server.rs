//! The target's store below ROOT: what it has already, and how it is written to.
//!
//! It is `nix-store --serve` there, as root; the chroot store is opened by that program itself, so a
//! daemon of the installer has no say in it.

use std::collections::BTreeSet;

use calve_image_core::formats::nix_serve;
use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::store_path::StorePath;

use super::{Error, Hear, Order, Progress, Stage};
use crate::target::{Answer, Call, Target};

/// The program that serves a store.
pub(super) const PROGRAM: &str = "nix-store";

/// A target's store.
#[derive(Clone, Copy)]
pub(super) struct Server<'a> {
    pub(super) target: &'a dyn Target,
    pub(super) order: &'a Order<'a>,
}

impl Server<'_> {
    /// What people call the machine.
    pub(super) fn place(&self) -> &str {
        self.target.name()
    }

    /// The store as Nix calls it.
    pub(super) fn uri(&self) -> String {
        format!("local?root={}", self.order.root)
    }

    /// The program that serves the store, and what it is told besides.
    pub(super) fn words(&self, more: &[&str]) -> Vec<String> {
        let uri = self.uri();
        let serve = [PROGRAM, "--serve", "--write", "--store", &uri];
        let words = self.order.under.iter().chain(&serve).chain(more);
        words.map(|word| (*word).to_owned()).collect()
    }

    /// Asks which paths the store has; where that is wanted, it first gets what its machine's own store and its caches
    /// have.
    pub(super) fn there(
        &self,
        closure: &Closure,
        hear: &mut dyn Hear,
    ) -> Result<BTreeSet<StorePath>, Error> {
        let substitutes = self.order.substitutes;
        let stage = if substitutes { Stage::Pulling } else { Stage::Asking };
        hear.progress(&Progress::at(stage));
        let pulling = self.pulling();
        let words = self.words(if substitutes { &pulling } else { &[] });
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let input = nix_serve::ask(closure, substitutes);
        let call = Call { input: &input, as_root: true, ..Call::new(&words) };
        let answer = self.target.call(&call)?;
        if !answer.is_good() {
            return Err(self.refused(&answer));
        }
        Ok(nix_serve::valid(&answer.out)?)
    }

    /// How a target pulls: from the store that it runs from too, whose paths nobody has to vouch for, as
    /// `nixos-install` does; and a cache that does not answer is not waited for.
    fn pulling(&self) -> Vec<&str> {
        let mut options = vec!["--option", "extra-substituters", "auto?trusted=1"];
        options.extend(["--option", "connect-timeout", "10"]);
        options
    }

    /// What a program on the target that failed wanted to say.
    pub(super) fn refused(&self, answer: &Answer) -> Error {
        if is_missing(answer) {
            return Error::NoNix { place: self.place().to_owned(), program: PROGRAM };
        }
        Error::said(&answer.err, self.place(), "the closure's store")
    }
}

/// Whether a command failed because its program is not there: as a shell, sudo and flock say that.
pub(super) fn is_missing(answer: &Answer) -> bool {
    let words = ["command not found", "failed to execute"];
    answer.code == Some(127) || words.iter().any(|words| answer.err.contains(words))
}
