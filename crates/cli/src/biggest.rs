//! The biggest store paths of a closure: what an image's size comes from.

use calve_image_core::inputs::closure::{Closure, PathInfo};
use calve_image_core::units::Bytes;
use serde::Serialize;

use crate::drawing::{self, Column};
use crate::system;

/// How many store paths are listed.
const LISTED: usize = 10;

/// How large a closure is, and its biggest paths; sizes are in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Biggest {
    store_paths: usize,
    nar_size: u64,
    biggest: Vec<Big>,
}

/// A store path among the biggest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Big {
    path: String,
    nar_size: u64,
}

impl Biggest {
    /// Weighs a closure.
    pub(crate) fn of(closure: &Closure) -> Self {
        let mut paths: Vec<&PathInfo> = closure.paths().iter().collect();
        // The closure is sorted by name, and the sort is stable.
        paths.sort_by_key(|info| std::cmp::Reverse(info.nar_size));
        let big = |info: &PathInfo| Big { path: info.path.to_string(), nar_size: info.nar_size };
        Self {
            store_paths: closure.paths().len(),
            nar_size: closure.nar_size(),
            biggest: paths.into_iter().take(LISTED).map(big).collect(),
        }
    }

    /// A line on the closure and a table of the paths.
    pub(crate) fn text(&self) -> String {
        let Self { store_paths, nar_size, biggest } = self;
        let (counted, total) = (system::counted(*store_paths), Bytes::new(*nar_size));
        let row = |big: &Big| {
            let percent = u128::from(big.nar_size) * 100 / u128::from((*nar_size).max(1));
            vec![Bytes::new(big.nar_size).to_string(), format!("{percent} %"), big.path.clone()]
        };
        let rows: Vec<Vec<String>> = biggest.iter().map(row).collect();
        let table = drawing::table(&[Column::Right, Column::Right, Column::Left], &rows);
        format!("{counted}, {total}; the biggest\n{table}")
    }
}
