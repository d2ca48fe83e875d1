//! Drawings in text: a disk to scale, and tables.
//!
//! Widths are counted in characters. A part too small for its text gets the room that the text needs,
//! so "to scale" bends for slivers and holds for everything a person would compare.

use std::fmt::Write;

/// Columns that drawings take, whatever the terminal: what is piped to a file looks the same.
pub(crate) const WIDTH: usize = 96;

/// No part is narrower than this, so that a few letters of its name can be read.
const NARROWEST: usize = 8;

/// A part of a drawing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// How large it is, in any unit.
    pub(crate) weight: u64,
    /// What is written into it.
    pub(crate) lines: Vec<String>,
}

/// Draws parts side by side, as wide as their weights.
pub(crate) fn draw(parts: &[Part]) -> String {
    if parts.is_empty() {
        return String::new();
    }
    let widths = widths(parts, WIDTH.saturating_sub(parts.len() + 1));
    let height = parts.iter().map(|part| part.lines.len()).max().unwrap_or_default();
    let border = |left: &str, middle: &str, right: &str| {
        let bars: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        format!("{left}{}{right}\n", bars.join(middle))
    };
    let mut text = border("┌", "┬", "┐");
    for row in 0..height {
        for (part, width) in parts.iter().zip(&widths) {
            let line = part.lines.get(row).map_or("", String::as_str);
            text.push('│');
            text.push_str(&fit(line, *width));
        }
        text.push_str("│\n");
    }
    text.push_str(&border("└", "┴", "┘"));
    text
}

/// Shares `room` among the parts: what each needs first, the rest by weight.
fn widths(parts: &[Part], room: usize) -> Vec<usize> {
    let needs: Vec<usize> = parts
        .iter()
        .map(|part| {
            let longest = part.lines.iter().map(|line| line.chars().count()).max();
            (longest.unwrap_or_default() + 1).clamp(NARROWEST, (room / parts.len()).max(NARROWEST))
        })
        .collect();
    let total: u128 = parts.iter().map(|part| u128::from(part.weight)).sum();
    let share = |weight: u64| -> usize {
        let share = u128::from(weight) * u128::try_from(room).unwrap_or_default() / total.max(1);
        usize::try_from(share).unwrap_or_default()
    };
    let mut widths: Vec<usize> =
        parts.iter().zip(&needs).map(|(part, need)| share(part.weight).max(*need)).collect();
    // Narrow parts were widened at the cost of the widest, and what rounding left is theirs too.
    loop {
        let taken: usize = widths.iter().sum();
        let Some(widest) = (0..widths.len()).max_by_key(|index| widths[*index]) else { break };
        if taken < room {
            widths[widest] += room - taken;
        } else if taken > room && widths[widest] > NARROWEST {
            widths[widest] -= 1;
        } else {
            break;
        }
    }
    widths
}

/// Fills or cuts a line to a width.
fn fit(line: &str, width: usize) -> String {
    if line.chars().count() > width {
        let cut: String = line.chars().take(width.saturating_sub(1)).collect();
        return format!("{cut}…");
    }
    format!("{line:<width$}")
}

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Lays rows out in columns, two spaces apart, without spaces at line ends.
pub(crate) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let width = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(&widths) {
            // Writing to a string cannot fail.
            let _ = match column {
                Column::Left => write!(line, "  {cell:<width$}"),
                Column::Right => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(weight: u64, lines: &[&str]) -> Part {
        Part { weight, lines: lines.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn parts_are_as_wide_as_their_weight() {
        assert_eq!(widths(&[part(1, &[]), part(3, &[])], 80), [20, 60]);
        assert_eq!(widths(&[part(0, &[]), part(0, &[])], 80), [8, 72]);
    }

    #[test]
    fn a_sliver_can_still_be_read() {
        let parts = [part(1, &["ESP", "512 MiB vfat"]), part(1_000_000, &["nixos"])];
        assert_eq!(widths(&parts, 80), [13, 67]);
        let drawing = draw(&parts);
        assert!(drawing.lines().all(|line| line.chars().count() == WIDTH), "{drawing}");
    }

    #[test]
    fn many_parts_still_fit() {
        let parts: Vec<Part> = (0..8).map(|n| part(n, &["a rather long name"])).collect();
        assert!(draw(&parts).lines().all(|line| line.chars().count() == WIDTH));
    }

    #[test]
    fn tables_end_their_lines() {
        let rows = vec![vec!["a".into(), "10".into()], vec!["long".into(), "5".into()]];
        let text = table(&[Column::Left, Column::Right], &rows);
        assert_eq!(text, "  a     10\n  long   5\n");
    }
}
