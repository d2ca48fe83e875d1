//! Times in both of ECMA-119's notations, always UTC.

use crate::epoch::Epoch;

/// The size of a time in a volume descriptor.
pub(super) const LONG: usize = 17;

/// A time of a volume descriptor that says nothing (8.4.26.1): digits of zero and an offset of zero.
pub(super) const NEVER: [u8; LONG] = *b"0000000000000000\0";

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    year: u32,
    month: u32,
    day: u32,
    /// Seconds since midnight.
    second: u32,
}

impl Date {
    /// Converts from seconds since 1970. Years start in March here: the leap day is the last one.
    pub(super) fn of(epoch: Epoch) -> Self {
        let days = epoch.seconds() / 86_400 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * years + years / 4 - years / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = era * 400 + years + next;
        Self { year, month, day, second: epoch.seconds() % 86_400 }
    }

    fn time(self) -> [u32; 3] {
        [self.second / 3600, self.second / 60 % 60, self.second % 60]
    }

    /// Encodes the seven bytes of a directory record (9.1.5): years since 1900 end in 2155.
    pub(super) fn short(self) -> [u8; 7] {
        let [hour, minute, second] = self.time();
        [self.year - 1900, self.month, self.day, hour, minute, second, 0]
            .map(|number| u8::try_from(number).unwrap_or(u8::MAX))
    }

    /// Encodes the digits of a volume descriptor (8.4.26.1), hundredths and offset zero.
    pub(super) fn long(self) -> [u8; LONG] {
        let [hour, minute, second] = self.time();
        let Self { year, month, day, .. } = self;
        let text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00\0");
        let mut out = NEVER;
        out.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        for (seconds, text, short) in [
            (0, "1970010100000000\0", [70, 1, 1, 0, 0, 0, 0]),
            (1_709_210_096, "2024022912345600\0", [124, 2, 29, 12, 34, 56, 0]),
            (u32::MAX, "2106020706281500\0", [206, 2, 7, 6, 28, 15, 0]),
        ] {
            let date = Date::of(Epoch::new(seconds));
            assert_eq!(String::from_utf8(date.long().to_vec()).unwrap(), text);
            assert_eq!(date.short(), short);
        }
    }
}
