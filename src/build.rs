//! Build step: prepares what the binary carries with it.
//!
//! - `static/` becomes `$OUT_DIR/static/NAME.HASH.EXT`, each compressible file with a `.gz` twin, and `assets.rs`, the table
//!   from the plain name to the hashed one. A changed file changes its address, so browsers may keep it for ever.
//! - `src/i18n/LANGUAGE/*.ftl` becomes `texts.rs`, the list of the Fluent files of each language.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Files that are compressed already gain nothing from gzip.
const COMPRESSIBLE: [&str; 4] = ["css", "js", "svg", "txt"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    assets(&root.join("static"), &out)?;
    texts(&root.join("src/i18n"), &out)?;
    watch(&root.join("src/build.rs"));
    watch(&root.join("migrations"));
    Ok(())
}

fn assets(from: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    watch(from);
    let to = out.join("static");
    if to.exists() {
        fs::remove_dir_all(&to)?;
    }
    fs::create_dir_all(&to)?;
    let mut table = String::from("&[\n");
    for path in files(from)? {
        let bytes = fs::read(&path)?;
        let (stem, ext) = name_parts(&path)?;
        let hashed = format!("{stem}.{}.{ext}", short_hash(&bytes));
        fs::write(to.join(&hashed), &bytes)?;
        if COMPRESSIBLE.contains(&ext) {
            fs::write(to.join(format!("{hashed}.gz")), gzip(&bytes)?)?;
        }
        writeln!(table, "    ({:?}, {hashed:?}),", format!("{stem}.{ext}"))?;
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

fn texts(from: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    watch(from);
    let mut table = String::from("&[\n");
    for language in ["en", "es"] {
        for path in files(&from.join(language))? {
            let (stem, _) = name_parts(&path)?;
            writeln!(table, "    ({language:?}, {stem:?}, include_str!({path:?})),")?;
        }
    }
    table.push(']');
    fs::write(out.join("texts.rs"), table)?;
    Ok(())
}

/// The files of a folder, in the order of their names: the same input makes the same binary.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn name_parts(path: &Path) -> Result<(&str, &str), Box<dyn Error>> {
    let part = |part: Option<&'_ std::ffi::OsStr>| part.and_then(std::ffi::OsStr::to_str).map(str::len);
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file name is not UTF-8")?;
    let stem = part(path.file_stem()).ok_or("a file has no name")?;
    let ext = part(path.extension()).ok_or("a file has no extension")?;
    Ok((&name[..stem], &name[name.len() - ext..]))
}

fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(6).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
