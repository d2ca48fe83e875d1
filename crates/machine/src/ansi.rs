//! Takes the escape sequences out of a serial console's bytes, as they come.
//!
//! Firmware and systemd colour their output and move the cursor; matching and reading want the
//! words alone. A sequence may be cut anywhere between two reads, so this is a state machine.
//! A move to the first column or to another row counts as a new line and a move within the row as
//! a space, else words far apart on the screen would run together. It does not emulate a screen.
//! Follows ECMA-48 (5.4 control sequences, 5.6 control strings).

/// Where in a sequence the last byte left off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte, such as `(` in `ESC ( B`.
    Intermediate,
    /// In a control sequence, `ESC [ …`.
    Control,
    /// In a control string, `ESC ] …`, until BEL or `ESC \`.
    String,
    /// After ESC within a control string.
    StringEscape,
}

/// A streaming filter: bytes in, text without escape sequences out.
#[derive(Debug, Default)]
pub(crate) struct Stripper {
    state: State,
    parameters: Vec<u8>,
    last: Option<u8>,
    /// The row of the last cursor move, as it was written.
    row: Vec<u8>,
}

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
/// More parameter bytes than this carry no meaning for us; a broken sequence must not grow.
const PARAMETERS_KEPT: usize = 32;

impl Stripper {
    /// Filters `input` and appends what remains to `out`.
    pub(crate) fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for &byte in input {
            self.state = match self.state {
                State::Text => self.text(byte, out),
                State::Escape => self.escape(byte),
                State::Intermediate => match byte {
                    0x20..=0x2f => State::Intermediate,
                    _ => State::Text,
                },
                State::Control => self.control(byte, out),
                State::String => match byte {
                    BEL => State::Text,
                    ESC => State::StringEscape,
                    _ => State::String,
                },
                State::StringEscape => match byte {
                    b'\\' => State::Text,
                    _ => State::String,
                },
            };
        }
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) -> State {
        match byte {
            ESC => return State::Escape,
            b'\n' | b'\t' => self.emit(byte, out),
            0x00..=0x1f | 0x7f => {}
            _ => self.emit(byte, out),
        }
        State::Text
    }

    fn escape(&mut self, byte: u8) -> State {
        match byte {
            b'[' => {
                self.parameters.clear();
                State::Control
            }
            b']' | b'P' | b'X' | b'^' | b'_' => State::String,
            0x20..=0x2f => State::Intermediate,
            ESC => State::Escape,
            _ => State::Text,
        }
    }

    fn control(&mut self, byte: u8, out: &mut Vec<u8>) -> State {
        match byte {
            0x40..=0x7e => {
                if matches!(byte, b'H' | b'f') {
                    self.moved(out);
                }
                State::Text
            }
            // A new ESC abandons the sequence.
            ESC => State::Escape,
            _ => {
                if self.parameters.len() < PARAMETERS_KEPT {
                    self.parameters.push(byte);
                }
                State::Control
            }
        }
    }

    /// Stands for a cursor move: a line break to column 1 or another row, else a space.
    fn moved(&mut self, out: &mut Vec<u8>) {
        let mut numbers = self.parameters.split(|&byte| byte == b';').map(significant);
        let row = numbers.next().unwrap_or_default().to_vec();
        let column = numbers.next().unwrap_or_default();
        let new_line = column.is_empty() || column == b"1" || row != self.row;
        self.row = row;
        match (self.last, new_line) {
            (None | Some(b'\n'), _) | (Some(b' ' | b'\t'), false) => {}
            (Some(_), true) => self.emit(b'\n', out),
            (Some(_), false) => self.emit(b' ', out),
        }
    }

    fn emit(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.last = Some(byte);
        out.push(byte);
    }
}

/// A decimal number without leading zeros; nothing for zero.
fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(pieces: &[&[u8]]) -> String {
        let mut stripper = Stripper::default();
        let mut out = Vec::new();
        for piece in pieces {
            stripper.feed(piece, &mut out);
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn colours_strings_and_carriage_returns_go() {
        let input: &[u8] =
            b"[\x1b[0;32m  OK  \x1b[0m] Reached\x1b]0;title\x07 target\r\n\x1b(Bx\x1b]1;a\x1b\\y";
        assert_eq!(strip(&[input]), "[  OK  ] Reached target\nxy");
    }

    #[test]
    fn any_cut_gives_the_same_text() {
        let input: &[u8] = b"a\x1b[1;31mb\x1b[2;1Hc\x1b[2;20Hd\x1b]0;t\x1b\\e\xe2\x97\x8f\r\n";
        let whole = strip(&[input]);
        assert_eq!(whole, "ab\nc de\u{25cf}\n");
        for cut in 0..input.len() {
            let (head, tail) = input.split_at(cut);
            assert_eq!(strip(&[head, tail]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_menu_drawn_by_cursor_moves_reads_as_lines() {
        let input: &[u8] =
            b"\x1b[01;01H\x1b[24;23H\x1b[47m NixOS \x1b[25;23H NixOS (debug) \x1b[25;60Hx\x1b[28;01HBoot in";
        assert_eq!(strip(&[input]), " NixOS \n NixOS (debug) x\nBoot in");
    }

    #[test]
    fn an_endless_sequence_keeps_a_bounded_state() {
        let mut stripper = Stripper::default();
        let mut out = Vec::new();
        stripper.feed(b"\x1b[", &mut out);
        stripper.feed(&[b'1'; 100_000], &mut out);
        assert_eq!(stripper.parameters.len(), PARAMETERS_KEPT);
        assert!(out.is_empty());
    }
}
