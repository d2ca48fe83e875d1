//! The guest's network: QEMU's user-mode stack, which needs no rights on the host.
//!
//! The guest sees a router at 10.0.2.2 and gets 10.0.2.15 by DHCP. Ports are forwarded from
//! 127.0.0.1 only, so a test machine is never reachable from outside.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A user-mode network with port forwards from 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Keeps the guest from reaching the host and the internet; forwards still work.
    pub restrict: bool,
    /// TCP ports of the host that lead into the guest.
    pub forwards: Vec<Forward>,
}

/// One TCP port of 127.0.0.1 that leads into the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// The port on 127.0.0.1.
    pub host: u16,
    /// The port in the guest.
    pub guest: u16,
}

impl Network {
    /// A network in which `host_port` of 127.0.0.1 leads to the guest's SSH port.
    pub fn ssh(host_port: u16) -> Self {
        Self { restrict: false, forwards: vec![Forward { host: host_port, guest: 22 }] }
    }

    /// The value of `-netdev`, for the device `net0`.
    pub(crate) fn netdev(&self) -> String {
        let mut value = String::from("user,id=net0");
        if self.restrict {
            value.push_str(",restrict=on");
        }
        for Forward { host, guest } in &self.forwards {
            value.push_str(&format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"));
        }
        value
    }
}

/// Finds a TCP port of 127.0.0.1 that is free now.
///
/// Another program may take it before QEMU does; QEMU then refuses to start, which
/// [`crate::Machine::boot`] reports.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_are_bound_to_loopback() {
        let network = Network { restrict: true, ..Network::ssh(2222) };
        assert_eq!(network.netdev(), "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22");
    }
}
