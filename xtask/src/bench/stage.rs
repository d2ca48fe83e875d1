//! The trees that contenders work on, made once below `target/bench`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::Error;
use crate::program;

/// Copies every store path of a closure to `dir/nix/store`, as an image builder that stages does.
pub(super) fn closure(store_paths: &Path, dir: &Path) -> Result<PathBuf, Error> {
    once(dir, |dir| {
        let store = dir.join("nix/store");
        fs::create_dir_all(&store).map_err(failed("create", &store))?;
        let mut copy = program::command("xargs");
        copy.arg("-a").arg(store_paths).args(["cp", "-a", "-t"]).arg(&store);
        Ok(program::run(&mut copy)?)
    })
}

/// Makes `names` small files in one directory.
pub(super) fn one_directory(names: usize, dir: &Path) -> Result<PathBuf, Error> {
    once(dir, |dir| {
        let many = dir.join("many");
        fs::create_dir_all(&many).map_err(failed("create", &many))?;
        (0..names).try_for_each(|number| {
            let path = many.join(format!("a-name-of-ordinary-length-{number}.txt"));
            fs::write(&path, number.to_string()).map_err(failed("write", &path))
        })
    })
}

/// Makes `files` small files, a thousand to a directory.
pub(super) fn small_files(files: usize, dir: &Path) -> Result<PathBuf, Error> {
    once(dir, |dir| {
        (0..files).try_for_each(|number| {
            let below = dir.join(format!("{:04}", number / 1000));
            if number % 1000 == 0 {
                fs::create_dir_all(&below).map_err(failed("create", &below))?;
            }
            let path = below.join(number.to_string());
            fs::write(&path, number.to_string()).map_err(failed("write", &path))
        })
    })
}

/// Makes `files` files of 24 MiB whose bytes differ.
pub(super) fn large_files(files: usize, dir: &Path) -> Result<PathBuf, Error> {
    once(dir, |dir| {
        (0..files).try_for_each(|number| {
            let mut make = program::command("bash");
            make.args(["-euc", r#"openssl enc -aes-128-ctr -nosalt -pass "pass:$0" </dev/zero 2>/dev/null | head -c 25165824 >"$1""#]);
            make.arg(number.to_string()).arg(dir.join(format!("large-{number}")));
            Ok(program::run(&mut make)?)
        })
    })
}

/// Makes a tree of the names and ten times the sizes of another one, all holes.
pub(super) fn ten_times(from: &Path, dir: &Path) -> Result<PathBuf, Error> {
    once(dir, |dir| {
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
        inflate(from, dir)
    })
}

fn inflate(from: &Path, to: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(from).map_err(failed("list", from))? {
        let entry = entry.map_err(failed("list", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let meta = entry.metadata().map_err(failed("read", &path))?;
        if meta.is_dir() {
            fs::create_dir_all(&target).map_err(failed("create", &target))?;
            inflate(&path, &target)?;
        } else if meta.is_file() {
            let file = File::create(&target).map_err(failed("create", &target))?;
            file.set_len(meta.len() * 10).map_err(failed("enlarge", &target))?;
        } else {
            let link = fs::read_link(&path).map_err(failed("read", &path))?;
            std::os::unix::fs::symlink(link, &target).map_err(failed("link", &target))?;
        }
    }
    Ok(())
}

/// Makes a tree unless an earlier run made it whole.
fn once(dir: &Path, make: impl FnOnce(&Path) -> Result<(), Error>) -> Result<PathBuf, Error> {
    let done = dir.with_extension("done");
    if !done.exists() {
        if dir.exists() {
            program::run(program::command("chmod").args(["-R", "u+w"]).arg(dir))?;
            fs::remove_dir_all(dir).map_err(failed("empty", dir))?;
        }
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
        make(dir)?;
        fs::write(&done, "").map_err(failed("write", &done))?;
    }
    Ok(dir.to_path_buf())
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::File { what, path, source }
}
