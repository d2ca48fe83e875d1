//! A QR code in half blocks, to be read off a terminal by a phone.
//!
//! Two rows of modules make one line. Light on dark in colours of its own, because a terminal's own
//! colours may be either way round and readers want dark modules on a light ground, with four light
//! modules around.

use qrcode::{Color, EcLevel, QrCode};
use zeroize::Zeroizing;

/// Light modules around the code (ISO/IEC 18004).
const MARGIN: usize = 4;

/// Bright white on black, and back.
const COLOURS: (&str, &str) = ("\x1b[97;40m", "\x1b[0m");

/// Draws a text; none where no code holds it.
pub(super) fn drawing(text: &str) -> Option<Zeroizing<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let is_light = |x: usize, y: usize| {
        let inner = |at: usize| at.checked_sub(MARGIN).filter(|at| *at < width);
        match (inner(x), inner(y)) {
            (Some(x), Some(y)) => code[(x, y)] == Color::Light,
            (_, _) => true,
        }
    };
    let size = width + 2 * MARGIN;
    let mut drawing = Zeroizing::new(String::with_capacity(size * (size + 10) * 2));
    for y in (0..size).step_by(2) {
        drawing.push_str(COLOURS.0);
        for x in 0..size {
            // Below the last row the ground goes on.
            drawing.push(match (is_light(x, y), y + 1 >= size || is_light(x, y + 1)) {
                (true, true) => '\u{2588}',
                (true, false) => '\u{2580}',
                (false, true) => '\u{2584}',
                (false, false) => ' ',
            });
        }
        drawing.push_str(COLOURS.1);
        drawing.push('\n');
    }
    drawing.push('\n');
    Some(drawing)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_recovery_key_fits_a_terminal() {
        let text = ["cbdefghi"; 8].join("-");
        let drawing = drawing(&text).unwrap();
        let lines: Vec<&str> = drawing.lines().filter(|line| !line.is_empty()).collect();
        let shown = |line: &str| line.chars().filter(|char| !char.is_ascii()).count();
        assert!(lines.len() <= 24, "{} lines", lines.len());
        assert_eq!(shown(lines[0]), 41, "{}", lines[0]);
        assert!(lines.iter().all(|line| line.ends_with("\x1b[0m")));
    }
}
