//! Asks for a passphrase on a terminal: one line, of which nothing is shown.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::console::{Console, Heard, Meaning};
use crate::tty;

/// Most bytes that a passphrase may have.
const LONGEST: usize = 4096;

/// How a question ended.
pub(crate) enum Answer {
    /// With a passphrase, which may be empty.
    Text(Zeroizing<Vec<u8>>),
    /// With Ctrl-D, or because there is nobody, or no longer.
    GivenUp,
    /// With Ctrl-C or a signal.
    Interrupted,
}

/// Asks on the terminal of stdin, else on that of the session.
pub(crate) fn ask(prompt: &str) -> io::Result<Answer> {
    let Some(tty) = tty::find(None).or_else(|| tty::find(Some(Path::new("/dev/tty")))) else {
        return Ok(Answer::GivenUp);
    };
    let console = Console::hush(tty)?;
    console.say(prompt);
    let answer = line(&console);
    console.say("\n");
    answer
}

/// Reads a line; it may be edited as elsewhere.
fn line(console: &Console) -> io::Result<Answer> {
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut chunk = Zeroizing::new([0; 256]);
    loop {
        let count = match console.read(chunk.as_mut_slice())? {
            Heard::Bytes(count) => count,
            Heard::Nothing => continue,
            Heard::Gone => return Ok(Answer::GivenUp),
            Heard::Signal => return Ok(Answer::Interrupted),
        };
        for byte in chunk.iter().take(count).copied() {
            match console.meaning(byte) {
                Meaning::Interrupt => return Ok(Answer::Interrupted),
                Meaning::End if text.is_empty() => return Ok(Answer::GivenUp),
                Meaning::End => return Ok(Answer::Text(text)),
                Meaning::Erase => erase(&mut text),
                Meaning::Kill => text.clear(),
                Meaning::Plain if byte == b'\r' || byte == b'\n' => return Ok(Answer::Text(text)),
                // Terminals send either for the key.
                Meaning::Plain if byte == 0x7f || byte == 0x08 => erase(&mut text),
                Meaning::Plain if text.len() < LONGEST => text.push(byte),
                Meaning::Plain => {}
            }
        }
    }
}

/// Takes back a whole character, which may have several bytes.
fn erase(text: &mut Vec<u8>) {
    while let Some(byte) = text.pop() {
        // 10xxxxxx goes on what another byte began.
        if byte & 0xc0 != 0x80 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::erase;

    #[test]
    fn a_character_is_taken_back_whole() {
        let mut text = "aä€".as_bytes().to_vec();
        for left in ["aä", "a", "", ""] {
            erase(&mut text);
            assert_eq!(text, left.as_bytes());
        }
    }
}
