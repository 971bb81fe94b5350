//! The rules of the house that no compiler checks, read from the source itself.

use std::fs;
use std::path::{Path, PathBuf};

use billing_portal::db;

/// A source file: its path from `src/`, and its text without comments.
struct Source {
    path: String,
    code: String,
}

impl Source {
    /// The feature's folder, or nothing for a file of the top level.
    fn feature(&self) -> &str {
        self.path.split_once('/').map_or("", |(feature, _)| feature)
    }

    /// Which layer the file is: its name without `.rs`, or the folder of a layer that is several files.
    fn layer(&self) -> &str {
        let inside = self.path.split_once('/').map_or(self.path.as_str(), |(_, rest)| rest);
        inside.split(['/', '.']).next().unwrap_or_default()
    }

    /// The first of these paths that the code goes through. What a file lets others use through its own front door
    /// (`pub use web::router;`) is not a use.
    fn first_of<'a>(&self, paths: &[&'a str]) -> Option<&'a str> {
        let own = self
            .code
            .lines()
            .filter(|line| !line.starts_with("pub use ") && !line.starts_with("pub(crate) use "));
        let own: String = own.flat_map(|line| [line, "\n"]).collect();
        paths.iter().copied().find(|path| {
            own.match_indices(path).any(|(at, _)| {
                let before = own[..at].chars().next_back();
                !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
            })
        })
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    assert!(files.len() > 20, "the source was not found");
    files
        .into_iter()
        .map(|file| Source {
            path: file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/"),
            code: without_comments(&fs::read_to_string(&file).unwrap()),
        })
        .collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| match line.find("//") {
        Some(at) if line[..at].trim().is_empty() || line[..at].ends_with(' ') => &line[..at],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The files that break a rule, each with what it breaks.
fn breaches(broken: impl Fn(&Source) -> Option<String>) -> Vec<String> {
    sources().iter().filter_map(|file| Some(format!("{}: {}", file.path, broken(file)?))).collect()
}

/// Features with layers; the others are tools of one layer or worlds of their own, or put the features together.
fn is_feature(file: &Source) -> bool {
    !matches!(file.feature(), "" | "cli" | "db" | "web" | "i18n" | "stripe" | "sandbox" | "demo")
}

#[test]
fn each_layer_knows_only_those_below() {
    let found = breaches(|file| {
        let above: &[&str] = match file.layer() {
            "mod" => &["axum::", "sqlx::", "db::", "Clock", "web::", "api::", "work::", "store::"],
            "store" => &["axum::", "web::", "api::", "work::"],
            "work" => &["axum::", "web::", "api::"],
            _ => &[],
        };
        let used = file.first_of(above).filter(|_| is_feature(file))?;
        Some(format!("{} must not use {used}", file.layer()))
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn only_the_data_layer_speaks_to_the_drivers() {
    let found = breaches(|file| {
        let code = file.code.replace("sqlx::FromRow", "");
        (file.feature() != "db" && code.contains("sqlx::")).then(|| "uses sqlx beside FromRow".to_owned())
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_sandbox_and_the_portal_do_not_know_each_other() {
    let found = breaches(|file| match file.feature() {
        "sandbox" => {
            let mut paths = file.code.match_indices("crate::").map(|(at, _)| &file.code[at..]);
            let other = paths.find(|path| !path.starts_with("crate::sandbox"))?;
            Some(format!("knows the portal: {}", other.lines().next()?))
        }
        // The demo and the command that serves the sandbox alone.
        "demo" => None,
        _ if file.path == "cli/serve.rs" => None,
        _ => file.first_of(&["sandbox::", "demo::"]).map(|path| format!("knows {path}")),
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_statement_in_the_source_is_registered() {
    let written: usize = sources()
        .iter()
        .filter(|file| file.path != "db/sql.rs")
        .map(|file| file.code.matches("sql!(").count() + file.code.matches("bulk!(").count())
        .sum();
    let registered: Vec<_> =
        db::registered().filter(|statement| statement.file.starts_with("src/")).collect();
    assert_eq!(registered.len(), written, "a statement was written that no test prepares");
}

#[test]
fn every_rules_file_says_what_it_owns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = breaches(|file| {
        let text = fs::read_to_string(root.join(&file.path)).unwrap();
        (file.path.ends_with("mod.rs") && !text.starts_with("//!"))
            .then(|| "does not start with //!".to_owned())
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}
