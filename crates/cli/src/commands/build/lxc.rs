//! `calve build lxc`: a container template for Proxmox.

use std::path::PathBuf;

use calve_image_core::formats::{Format, lxc};
use calve_image_core::region::Keys;

use super::archive::{ArchiveArgs, Contents};
use super::compression::Compression;
use crate::failure::Failure;
use crate::host_key::HostKeyArgs;
use crate::system::{Subject, SystemArgs};
use crate::terminal::Terminal;

/// Make a container template for Proxmox
///
/// Holds the system against what Proxmox does with a template, and packs its root file system. The
/// file appears under its name only when it is complete.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve build lxc                                    ./result, zstd
  calve build lxc --flake .#web --compress xz:release
  calve build lxc -o - | ssh root@pve 'cat > /var/lib/vz/template/cache/web.tar.zst'
  pct create 100 local:vztmpl/web.tar.zst --unprivileged 1 --features nesting=1")]
pub(crate) struct Args {
    #[command(flatten)]
    system: SystemArgs,

    /// Where the template goes; - is stdout [default: nixos-image-lxc-proxmox-LABEL-PLATFORM.tar.zst]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// zstd, xz, gzip or none; with a level (:fast, :default, :release or a number) if not the default
    /// [default: what the ending of FILE says, else zstd]
    #[arg(long, value_name = "HOW[:LEVEL]")]
    compress: Option<Compression>,

    #[command(flatten)]
    host_key: HostKeyArgs,

    #[command(flatten)]
    archive: ArchiveArgs,
}

/// Makes the template.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let output = args.output.as_deref();
    let compression = Compression::resolve(args.compress, output, "zstd")?;
    let spec = args.archive.resolve(args.output, compression)?;
    let terminal = spec.keep_words_out(terminal);
    let host_key = args.host_key.read(terminal)?;
    let mut keys = Keys::none();
    host_key.iter().for_each(|key| key.lend(&mut keys));
    let subject = Subject::find(&args.system, terminal)?;
    let input = subject.input();
    let wanted = lxc::LxcSpec {
        overlays: &spec.packing.overlays,
        rules: &spec.packing.rules,
        epoch: spec.packing.epoch,
        host_key: host_key.as_ref(),
    };
    let lxc::Lxc { tree, findings } = lxc::tree(&wanted, input)?;
    let name = lxc::file_name(input.system, &compression.ending());
    let contents = Contents { format: Format::Lxc, name, tree, keys, findings };
    spec.build(contents, input, terminal)
}
