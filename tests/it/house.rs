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

    fn uses(&self, what: &str) -> bool {
        self.code.match_indices(what).any(|(at, _)| {
            let before = self.code[..at].chars().next_back();
            let after = self.code[at + what.len()..].chars().next();
            let part_of_a_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !part_of_a_name(before) && (what.ends_with(':') || !part_of_a_name(after))
        })
    }

    /// Whether it uses a sibling layer, or that layer of any feature.
    fn uses_layer(&self, layer: &str) -> bool {
        self.uses(&format!("super::{layer}"))
            || (self.layer() == "mod" && self.uses(&format!("self::{layer}")))
            || (self.layer() == "mod"
                && self.uses(&format!("{layer}::"))
                && self.declares(layer)
                && self.calls(layer))
            || self.uses(&format!("crate::{}::{layer}", self.feature()))
    }

    fn declares(&self, layer: &str) -> bool {
        self.code.lines().any(|line| line.trim_end().ends_with(&format!("mod {layer};")))
    }

    /// A bare `layer::…` that is not a re-export of the feature's front door.
    fn calls(&self, layer: &str) -> bool {
        self.code.lines().any(|line| {
            let line = line.trim_start();
            line.contains(&format!("{layer}::"))
                && !line.starts_with("pub use ")
                && !line.starts_with("pub(crate) use ")
                && !line.contains(&format!("::{layer}::"))
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

/// Features with layers; the others are tools of one layer or worlds of their own.
fn is_feature(file: &Source) -> bool {
    !matches!(file.feature(), "" | "db" | "web" | "i18n" | "stripe" | "sandbox" | "demo")
}

#[test]
fn rules_know_neither_pages_nor_rows() {
    let found = breaches(|file| {
        let rules = is_feature(file) && file.layer() == "mod";
        let forbidden =
            ["axum::", "sqlx::", "db::", "Clock"].into_iter().find(|name| rules && file.uses(name));
        let layer = ["web", "api", "store", "work"].into_iter().find(|layer| rules && file.uses_layer(layer));
        forbidden.or(layer).map(|what| format!("rules must not use {what}"))
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn stores_know_no_pages_and_pages_know_no_work() {
    let found = breaches(|file| {
        let above: &[&str] = match file.layer() {
            "store" if is_feature(file) => &["web", "api", "work"],
            "work" if is_feature(file) => &["web", "api"],
            _ => &[],
        };
        let page = file.layer() == "store" && is_feature(file) && file.uses("axum::");
        let layer = above.iter().copied().find(|layer| file.uses_layer(layer));
        page.then_some("axum").or(layer).map(|what| format!("{} must not use {what}", file.layer()))
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn only_the_data_layer_speaks_to_the_drivers() {
    let found = breaches(|file| {
        let code = file.code.replace("sqlx::FromRow", "").replace("sqlx::Type", "");
        (file.feature() != "db" && code.contains("sqlx::")).then(|| "uses sqlx beside its derives".to_owned())
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_sandbox_and_the_portal_do_not_know_each_other() {
    let found = breaches(|file| {
        match file.feature() {
            "sandbox" => file.uses("crate::").then(|| {
                let others = file.code.match_indices("crate::").map(|(at, _)| &file.code[at..]);
                others.filter(|path| !path.starts_with("crate::sandbox")).count()
            }),
            "demo" => None,
            _ => (file.uses("sandbox::") && file.path != "cli.rs").then_some(1),
        }
        .filter(|count| *count > 0)
        .map(|count| format!("{count} uses across the border"))
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
