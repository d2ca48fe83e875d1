//! From the restart to the system that runs: unlocked where it has to be, known by its key, and looked at.
//!
//! Keys are asked for before the restart, while the installer is trusted, and kept beside the journal: whoever
//! goes on after the restart knows the system by them.

use std::fs;
use std::path::Path;
use std::time::Instant;

use calve_image_core::inputs::store_path::StorePath;
use calve_installer::host_key::PublicKey;
use calve_installer::journal::Journal;
use calve_installer::unlock::{self, Host, Keeper, Pin, Question};
use calve_installer::verify::{self, News, Order, Watch, key};
use zeroize::Zeroizing;

use super::Session;
use super::report::Report;
use super::state::State;
use super::stopped;
use super::work::Steps;
use crate::failure::Failure;
use crate::secrets::beside::{self, Beside};
use crate::secrets::initrd::Unlock;
use crate::secrets::keyring::Keyring;
use crate::secrets::unlock_host::UnlockHost;
use crate::ssh_options::ssh_options;

/// What is known of the system before it starts.
pub(super) struct After<'a> {
    steps: Steps<'a>,
    /// The installer's id, which the system will not have.
    boot: String,
    system_key: Option<PublicKey>,
    /// How it is unlocked; with the key that its initrd will have.
    unlock: Option<Unlock>,
}

impl<'a> After<'a> {
    /// Asks the installer what the system will be known by.
    pub(super) fn new(steps: &Steps<'a>, state: &State) -> Result<Self, Failure> {
        let Steps { session, reached, job, .. } = *steps;
        let target = reached.target();
        let boot = verify::boot_id(target)?;
        let ask = |path: &String| key::public_key(target, path).map_err(stopped::after);
        // A system without a key has no server either, or makes one that nobody can know yet.
        let system_key = job.host_key_file.as_ref().map(ask).transpose()?;
        let initrd_key = job.initrd_key_file.as_ref().map(ask).transpose()?;
        let unlock = job.load.given.unlock.as_ref().zip(initrd_key);
        let unlock = unlock.map(|(unlock, host_key)| Unlock {
            door: unlock.door.clone(),
            host_key,
            host: Some(unlock_host(session, unlock)),
            system: system_key.clone(),
        });
        if let Some(key) = &system_key {
            state.keep(&state.key(), &key.line())?;
            session.terminal.say(format!("host key  {key}"));
        }
        if let Some(unlock) = &unlock {
            let name = unlock.host.as_ref().map_or("machine", |host| host.host.as_str());
            let name = Path::new(name);
            Beside::write(unlock, name, calve_image_core::output::Existing::Replace)?.commit()?;
            let ticket = beside::with_ending(name, ".unlock.toml");
            session.terminal.say(format!("unlock    calve unlock {}", ticket.display()));
        }
        Ok(Self { steps: *steps, boot, system_key, unlock })
    }

    /// The key of the system.
    pub(super) fn system_key(&self) -> Option<&PublicKey> {
        self.system_key.as_ref()
    }

    /// The key of its initrd.
    pub(super) fn initrd_key(&self) -> Option<&PublicKey> {
        self.unlock.as_ref().map(|unlock| &unlock.host_key)
    }

    /// Waits for the system, and looks at it.
    pub(super) fn wait(&self, report: &mut Report) -> Result<(), Failure> {
        let Steps { session, reached, job, keyring } = self.steps;
        let Some(address) = &session.wanted.system_address else { return Ok(()) };
        let patience = session.wanted.patience;
        let restarted = Instant::now();
        let mut listener = Listener { session, keyring: Some(keyring), host: &address.name };
        verify::wait_gone(reached.target(), patience, &mut listener).map_err(stopped::after)?;
        if let Some(unlock) = &self.unlock {
            self.open(unlock, &mut listener)?;
        } else if job.is_encrypted {
            session
                .terminal
                .say("waiting   if it asks for a passphrase on its console, type it there");
        }
        if !job.has_server {
            session.terminal.say("done      the system has no SSH server, so nobody looks at it");
            return Ok(());
        }
        let order = Order {
            address,
            key: self.system_key.as_ref(),
            installer: Some(&self.boot),
            system: job.toplevel(),
            health: &session.wanted.health,
            patience,
        };
        let verified = verify::verify(&order, &mut listener).map_err(stopped::after)?;
        report.runs(&verified);
        let after = restarted.elapsed().as_secs();
        let system = job.toplevel();
        session
            .terminal
            .say(format!("installed {} runs {system}, {after} s after its restart", address.name));
        Ok(())
    }

    /// Unlocks the disk.
    fn open(&self, unlock: &Unlock, listener: &mut Listener<'_>) -> Result<(), Failure> {
        let session = self.steps.session;
        let ticket = beside::ticket(unlock, String::new());
        let host = Host {
            name: ticket.host.clone().unwrap_or_default(),
            port: Some(ticket.port),
            user: Some(ticket.user.clone()),
            pin: Pin::Key(unlock.host_key.clone()),
            options: ssh_options()?,
            hidden: session.wanted.hidden.clone(),
        };
        let order = unlock::Order {
            host: &host,
            asks: Some(&ticket.asks),
            volumes: &ticket.volumes,
            system_key: self.system_key.as_ref(),
            patience: session.wanted.patience,
        };
        let unlocked = unlock::unlock(&order, listener).map_err(stopped::after)?;
        session.terminal.say(format!(
            "unlocked  {}, after {:.1} s",
            host.name,
            unlocked.unlock.as_secs_f64()
        ));
        Ok(())
    }
}

/// Looks at a system that an earlier run restarted.
pub(super) fn look(session: &Session<'_>, state: &State, journal: &Journal) -> Result<(), Failure> {
    let Some(address) = &session.wanted.system_address else {
        session.terminal.say("had       all of it: this machine was restarted");
        return Ok(());
    };
    let header = journal.header();
    let toplevel: StorePath = header.toplevel.parse().map_err(Failure::internal)?;
    let text = fs::read(state.key()).ok();
    let key = text.and_then(|text| PublicKey::read(&text).ok());
    session.terminal.say("had       all but a look at the system");
    let order = Order {
        address,
        key: key.as_ref(),
        installer: Some(&header.boot),
        system: &toplevel,
        health: &session.wanted.health,
        patience: session.wanted.patience,
    };
    let mut listener = Listener { session, keyring: None, host: &address.name };
    verify::verify(&order, &mut listener).map_err(stopped::after)?;
    session.terminal.say(format!("installed {} runs {toplevel}", address.name));
    Ok(())
}

/// Where the machine is while it waits to be unlocked: what was said, else where its installer was.
fn unlock_host(session: &Session<'_>, unlock: &Unlock) -> UnlockHost {
    let given = unlock.host.clone();
    given.unwrap_or_else(|| {
        let address = session.wanted.system_address.as_ref();
        let name = address.map_or("localhost", |address| address.name.as_str());
        let host = name.rsplit_once('@').map_or(name, |(_, host)| host).to_owned();
        UnlockHost { host, port: address.and_then(|address| address.port) }
    })
}

/// Hears what happens, and has the passphrases.
struct Listener<'a> {
    session: &'a Session<'a>,
    keyring: Option<&'a Keyring>,
    host: &'a str,
}

impl Watch for Listener<'_> {
    fn tell(&mut self, news: News<'_>) {
        let host = self.host;
        let line = match news {
            News::Gone => format!("gone      the installer of {host}"),
            News::Waiting(why) => format!("waiting   for {host}: {why}"),
            News::Reached { after } => {
                format!("reached   {host} after {:.1} s", after.as_secs_f64())
            }
            News::State(state) => format!("state     {state}"),
            News::Healthy(command) => format!("healthy   {command}"),
        };
        self.session.terminal.say(line);
    }

    fn is_over(&self) -> bool {
        self.session.interrupt.came()
    }
}

impl Keeper for Listener<'_> {
    fn answer(&mut self, question: &Question) -> Option<Zeroizing<Vec<u8>>> {
        // What was right when the volume was made is right, or it is another volume.
        let keyring = self.keyring.filter(|_| question.wrong == 0)?;
        keyring.key(&question.volume, 0)
    }

    fn tell(&mut self, news: unlock::News<'_>) {
        let host = self.host;
        let line = match news {
            unlock::News::Waiting(trouble) => format!("waiting   for {host}: {trouble}"),
            unlock::News::Reached { after } => {
                format!("reached   its initrd after {:.1} s", after.as_secs_f64())
            }
            unlock::News::Opened(volume) => format!("opened    {volume}"),
            unlock::News::Gone { .. } => return,
            unlock::News::Words(words) => format!("ssh       {words}"),
        };
        self.session.terminal.say(line);
    }

    fn is_over(&self) -> bool {
        self.session.interrupt.came()
    }
}
