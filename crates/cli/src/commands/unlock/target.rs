//! Which host: what a ticket says, what the arguments say, and what is left to ssh.

use std::path::Path;

use calve_installer::host_key::PublicKey;
use calve_installer::keys::{Named, Source};
use calve_installer::unlock::{Asks, Host, Pin, Ticket};

use super::Args;
use crate::failure::Failure;
use crate::ssh_options::ssh_options;

/// What is to be unlocked.
pub(super) struct Target {
    /// The host in its initrd.
    pub(super) host: Host,
    /// The same host, once its system runs.
    pub(super) system: Host,
    pub(super) asks: Option<Asks>,
    pub(super) volumes: Vec<String>,
    pub(super) system_key: Option<PublicKey>,
}

impl Target {
    /// Reads the ticket, if it is one.
    pub(super) fn find(args: &Args) -> Result<Self, Failure> {
        let text = args.target.as_str();
        let is_file = text.contains('/')
            || Path::new(text).extension().is_some_and(|extension| extension == "toml");
        if is_file { Self::of_ticket(args, Path::new(text)) } else { Self::of_name(args, text) }
    }

    /// Keeps every ssh from seeing where keys come from.
    pub(super) fn hide(&mut self, keys: &[Named]) {
        let hidden: Vec<Source> = keys.iter().map(|key| key.source.clone()).collect();
        self.system.hidden.clone_from(&hidden);
        self.host.hidden = hidden;
    }

    fn of_ticket(args: &Args, path: &Path) -> Result<Self, Failure> {
        if args.accept_new {
            return Err(Failure::usage(
                "--accept-new cannot be used with a ticket, which pins the host's key",
            ));
        }
        let read = Ticket::read(path)?;
        let ticket = read.ticket;
        let Some(name) = args.host.clone().or(ticket.host) else {
            return Err(Failure::usage(format!(
                "{} does not tell where the host is",
                path.display()
            ))
            .hint("name it: --host HOST"));
        };
        let user = args.user.clone().unwrap_or(ticket.user);
        let port = args.port.unwrap_or(ticket.port);
        let host = host(&name, Some(port), Some(user), Pin::Key(read.key))?;
        let pin = read.system_key.clone().map_or(Pin::Known, Pin::Key);
        Ok(Self {
            system: system(&host, pin, args),
            host,
            asks: Some(ticket.asks),
            volumes: ticket.volumes,
            system_key: read.system_key,
        })
    }

    fn of_name(args: &Args, name: &str) -> Result<Self, Failure> {
        if args.host.is_some() {
            return Err(Failure::usage("--host is for tickets: the host was named already"));
        }
        let pin = if args.accept_new { Pin::AcceptNew } else { Pin::Known };
        let user = args.user.clone().or_else(|| (!name.contains('@')).then(|| "root".to_owned()));
        let host = host(name, args.port, user, pin)?;
        let system = system(&host, Pin::Known, args);
        Ok(Self { host, system, asks: None, volumes: Vec::new(), system_key: None })
    }
}

fn host(name: &str, port: Option<u16>, user: Option<String>, pin: Pin) -> Result<Host, Failure> {
    let is_none = name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace);
    if is_none {
        return Err(Failure::usage(format!("expected a host as ssh takes it, found {name:?}")));
    }
    Ok(Host { name: name.to_owned(), port, user, pin, options: ssh_options()?, hidden: Vec::new() })
}

/// The system's own SSH server: nobody logs in to it, so it does not matter who.
fn system(host: &Host, pin: Pin, args: &Args) -> Host {
    Host { port: args.system_port, user: None, pin, ..host.clone() }
}
