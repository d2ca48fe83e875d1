//! Finds texts in console output that is still growing.
//!
//! Positions count from the console's first byte. Each text remembers how far it has looked, so
//! a wait costs one pass over the output however often it is woken.

use super::{Fatal, Order};

/// Texts that must each come once.
#[derive(Debug)]
pub(super) struct Search<'a> {
    order: Order,
    wanted: Vec<Wanted<'a>>,
    cursor: usize,
}

#[derive(Debug)]
struct Wanted<'a> {
    text: &'a str,
    from: usize,
    end: Option<usize>,
}

impl Wanted<'_> {
    /// Looks at what is new from `floor` on, and tells whether the text is there.
    fn advance(&mut self, text: &[u8], dropped: usize, floor: usize) -> bool {
        let wanted = self.text.as_bytes();
        let from = self.from.max(floor).max(dropped);
        let new = text.get(from - dropped..).unwrap_or_default();
        match find(new, wanted) {
            Some(at) => self.end = Some(from + at + wanted.len()),
            // The text may begin within the last bytes.
            None => self.from = from + (new.len() + 1).saturating_sub(wanted.len().max(1)),
        }
        self.end.is_some()
    }
}

impl<'a> Search<'a> {
    /// Looks for `texts` from `cursor` on.
    pub(super) fn new(texts: &[&'a str], order: Order, cursor: usize) -> Self {
        let wanted = texts.iter().map(|&text| Wanted { text, from: cursor, end: None }).collect();
        Self { order, wanted, cursor }
    }

    /// Looks at the output so far.
    pub(super) fn advance(&mut self, text: &[u8], dropped: usize) {
        for index in 0..self.wanted.len() {
            let (before, rest) = self.wanted.split_at_mut(index);
            let [wanted, ..] = rest else { return };
            if wanted.end.is_some() {
                continue;
            }
            // A text that is wanted twice must come twice.
            let previous = match self.order {
                Order::Any => before.iter().rev().find(|other| other.text == wanted.text),
                Order::Sequence => before.last(),
            };
            let floor = match previous.map(|previous| previous.end) {
                None => self.cursor,
                Some(Some(end)) => end,
                Some(None) => continue,
            };
            wanted.advance(text, dropped, floor);
        }
    }

    /// Where the last of the texts ends, once all have come.
    pub(super) fn end(&self) -> Option<usize> {
        self.wanted
            .iter()
            .map(|wanted| wanted.end)
            .try_fold(self.cursor, |last, end| end.map(|end| last.max(end)))
    }

    /// The texts that have not come.
    pub(super) fn missing(&self) -> Vec<String> {
        self.wanted
            .iter()
            .filter(|wanted| wanted.end.is_none())
            .map(|wanted| wanted.text.to_owned())
            .collect()
    }
}

/// Fatal lines to watch for.
#[derive(Debug)]
pub(super) struct Watch {
    signs: Vec<(Fatal, Wanted<'static>)>,
}

impl Watch {
    /// Watches for these from `cursor` on.
    pub(super) fn new(fatal: &[Fatal], cursor: usize) -> Self {
        let signs = fatal
            .iter()
            .flat_map(|&fatal| fatal.texts().iter().map(move |&text| (fatal, text)))
            .map(|(fatal, text)| (fatal, Wanted { text, from: cursor, end: None }))
            .collect();
        Self { signs }
    }

    /// The first fatal line, once it is complete or nothing more will come.
    pub(super) fn advance(
        &mut self,
        text: &[u8],
        dropped: usize,
        closed: bool,
    ) -> Option<(Fatal, String)> {
        for (_, sign) in &mut self.signs {
            if sign.end.is_none() {
                sign.advance(text, dropped, 0);
            }
        }
        let (fatal, end) = self
            .signs
            .iter()
            .filter_map(|(fatal, sign)| sign.end.map(|end| (*fatal, end)))
            .min_by_key(|&(_, end)| end)?;
        let (head, tail) = text.split_at(end.saturating_sub(dropped).min(text.len()));
        let begin = head.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let rest = match tail.iter().position(|&byte| byte == b'\n') {
            Some(at) => at,
            None if closed => tail.len(),
            None => return None,
        };
        let line = String::from_utf8_lossy(&text[begin..head.len() + rest]).trim().to_owned();
        Some((fatal, line))
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    text.windows(wanted.len()).position(|window| window == wanted)
}
