//! The contract that every writer is held to, shared by the writers' test programs.
//!
//! - [`oracle`]: finds somebody else's program, or skips loudly (fails where `CI=true`)
//! - [`image`]: puts a plan into a file whose gaps are poison
//! - [`corpus`]: trees that are hard on file systems
//! - [`any`]: any small tree
//! - [`walk`]: a mounted or extracted image as the text that `Tree::listing` makes

#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]
#![allow(clippy::disallowed_types, clippy::print_stderr)]

pub mod any;
pub mod corpus;
pub mod image;
pub mod oracle;
pub mod walk;
