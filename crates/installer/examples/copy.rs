//! Copies a closure over SSH: `copy PORT KEY ROOT TOPLEVEL REGISTRATION calve|nix`, to 127.0.0.1. What
//! `cargo xtask bench install` times.

#![allow(missing_docs, clippy::print_stderr)]

use std::error::Error;
use std::num::NonZeroUsize;

use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::registration;
use calve_image_core::inputs::store::HostStore;
use calve_installer::copy::{self, Hear, Order, Progress, Source, To};
use calve_installer::target::Ssh;
use calve_installer::target::ssh::Address;

struct Quiet;

impl Hear for Quiet {
    fn progress(&mut self, _progress: &Progress) {}

    fn is_over(&self) -> bool {
        false
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, key, root, toplevel, registration, way] = arguments.as_slice() else {
        return Err("expected PORT KEY ROOT TOPLEVEL REGISTRATION calve|nix".into());
    };
    let toplevel = HostStore::host().find(toplevel.as_ref())?;
    let infos = registration::parse(&std::fs::read_to_string(registration)?)?;
    let closure = Closure::of(infos, std::slice::from_ref(&toplevel))?;
    let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let store = HostStore::host().with_workers(workers);
    let options = [
        "-F/dev/null".to_owned(),
        format!("-oIdentityFile={key}"),
        "-oIdentitiesOnly=yes".to_owned(),
        format!("-oUserKnownHostsFile={key}.known"),
    ];
    let address = Address {
        name: "root@127.0.0.1".to_owned(),
        port: Some(port.parse()?),
        accept_new: true,
        options: options.to_vec(),
        hidden: Vec::new(),
    };
    let ssh = Ssh::connect(&address, &mut |_| {})?;
    let (closure, store) = (&closure, &store);
    let source = match way.as_str() {
        "nix" => Source::Nix { closure, store },
        _ => Source::Files { closure, store },
    };
    let order = Order {
        toplevel: &toplevel,
        source,
        root,
        substitutes: false,
        keys: &[],
        under: &[],
        hidden: &[],
        doubts: false,
    };
    eprintln!("{:?}", copy::copy(&order, To::Ssh(&ssh), &mut Quiet)?);
    Ok(())
}
