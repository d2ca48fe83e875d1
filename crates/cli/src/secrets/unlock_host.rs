//! Where a machine is reached while it waits to be unlocked: `HOST[:PORT]`.

use std::str::FromStr;

/// A name or an address, and perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnlockHost {
    pub(crate) host: String,
    /// None: where the initrd's server listens.
    pub(crate) port: Option<u16>,
}

impl FromStr for UnlockHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => {
                (host, Some(rest.strip_prefix(':').ok_or("expected [ADDRESS]:PORT")?))
            }
            // More than one colon: an address of IPv6, all of it.
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                Some(_) | None => (text, None),
            },
        };
        let is_odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == ',';
        if host.is_empty() || host.starts_with('-') || host.contains(is_odd) || host.contains('@') {
            return Err("expected the name or address of a host, and perhaps a port".to_owned());
        }
        let number = |port: &str| port.parse::<u16>().ok().filter(|port| *port > 0);
        let port = match port {
            Some(port) => Some(number(port).ok_or("expected a port from 1 to 65535")?),
            None => None,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for (text, host, port) in [
            ("web.example", "web.example", None),
            ("10.0.0.1:2222", "10.0.0.1", Some(2222)),
            ("[2001:db8::1]:22", "2001:db8::1", Some(22)),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("2001:db8::1", "2001:db8::1", None),
        ] {
            let expected = UnlockHost { host: host.to_owned(), port };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", ":22", "web:0", "web:ssh", "-oProxy", "a b", "root@web", "[::1]22", "web:"]
        {
            assert!(text.parse::<UnlockHost>().is_err(), "{text}");
        }
    }
}
