//! A system shown: how large it is, what makes it large, and the disk it would get.

use std::path::Path;

use calve_image_core::inputs::closure::PathInfo;
use calve_image_core::units::Bytes;
use serde::Serialize;

use super::Args;
use crate::drawing;
use crate::drawing::Column;
use crate::failure::Failure;
use crate::system;
use crate::system::Found;
use crate::terminal::Terminal;

/// How many store paths are listed.
const BIGGEST: usize = 10;

/// Shows a system.
pub(super) fn show(path: &Path, args: &Args, terminal: Terminal) -> Result<(), Failure> {
    let _profile = crate::profile::read(&args.profile)?;
    let found = system::locate(path, &args.source, terminal)?;
    let document = Document::of(&found);
    if args.json { terminal.print_json(&document) } else { terminal.print(&text(&document)) }
}

/// What `--json` prints; sizes are in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    toplevel: String,
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

impl Document {
    fn of(found: &Found) -> Self {
        let mut paths: Vec<&PathInfo> = found.closure.paths().iter().collect();
        // The closure is sorted by name, and the sort is stable.
        paths.sort_by_key(|info| std::cmp::Reverse(info.nar_size));
        let biggest = paths.into_iter().take(BIGGEST);
        Self {
            toplevel: found.toplevel.to_string(),
            store_paths: found.closure.paths().len(),
            nar_size: found.closure.nar_size(),
            biggest: biggest
                .map(|info| Big { path: info.path.to_string(), nar_size: info.nar_size })
                .collect(),
        }
    }
}

fn text(document: &Document) -> String {
    let total = Bytes::new(document.nar_size);
    let mut text = format!(
        "system {}\n{} store paths, {total}; the biggest:\n\n",
        document.toplevel, document.store_paths
    );
    let rows: Vec<Vec<String>> = document
        .biggest
        .iter()
        .map(|big| {
            let percent = u128::from(big.nar_size) * 100 / u128::from(document.nar_size.max(1));
            vec![Bytes::new(big.nar_size).to_string(), format!("{percent} %"), big.path.clone()]
        })
        .collect();
    text.push_str(&drawing::table(&[Column::Right, Column::Right, Column::Left], &rows));
    text
}
