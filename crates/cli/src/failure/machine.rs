//! Errors of machines in QEMU, with the kind and the hints that each deserves.

use super::{Failure, Kind};

impl From<calve_machine::disk::Error> for Failure {
    fn from(error: calve_machine::disk::Error) -> Self {
        Self::new(Kind::Failed, error)
    }
}

impl From<calve_machine::firmware::Error> for Failure {
    fn from(error: calve_machine::firmware::Error) -> Self {
        Self::new(Kind::Failed, error).hint("or name it: --firmware FILE")
    }
}

impl From<calve_machine::machine::Error> for Failure {
    fn from(error: calve_machine::machine::Error) -> Self {
        if let calve_machine::machine::Error::Early(failure) = error {
            failure.into()
        } else {
            Self::new(Kind::Failed, error)
        }
    }
}

impl From<calve_machine::Failure> for Failure {
    fn from(failure: calve_machine::Failure) -> Self {
        let mut notes = String::new();
        if !failure.tail.is_empty() {
            notes.push_str("the last lines of the console:\n");
            for line in &failure.tail {
                notes.push_str(&format!("  | {line}\n"));
            }
        }
        notes.push_str(&format!("the whole console: {}\n", failure.log().display()));
        Self::new(Kind::NotUp, failure).note(notes)
    }
}
