//! The texts themselves: Fluent bundles, filled from what the build embeds.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use super::Language;

/// Language, feature and text of each Fluent file.
const FILES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/texts.rs"));

type Bundle = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::En));
static SPANISH: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::Es));

/// What a text can be given: a word, or a number that decides between singular and plural.
pub type Value<'a> = FluentValue<'a>;

/// Anything that can stand for a variable of a text.
pub trait Arg {
    /// As Fluent wants it.
    fn value(&self) -> Value<'_>;
}

impl<T: Arg + ?Sized> Arg for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl Arg for str {
    fn value(&self) -> Value<'_> {
        Value::from(self)
    }
}

impl Arg for String {
    fn value(&self) -> Value<'_> {
        Value::from(self.as_str())
    }
}

impl Arg for Value<'_> {
    fn value(&self) -> Value<'_> {
        self.clone()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Arg for $number {
            fn value(&self) -> Value<'_> {
                Value::from(*self)
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64, usize, i32, i64);

impl Language {
    /// The text of a key, with its variables filled in.
    ///
    /// A key without a text is shown as the key itself and logged: a missing word must not take a page down. A test finds it first.
    pub fn text<A: Arg>(self, key: &str, args: &[(&str, A)]) -> String {
        let bundle = self.bundle();
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            tracing::error!(key, language = self.code(), "a text is missing");
            return key.to_owned();
        };
        let values: FluentArgs<'_> = args.iter().map(|(name, value)| (*name, value.value())).collect();
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&values), &mut errors).into_owned();
        for error in errors {
            tracing::error!(key, language = self.code(), %error, "a text could not be filled in");
        }
        text
    }

    /// The text of a key that has no variables.
    pub fn word(self, key: &str) -> String {
        self.text::<&str>(key, &[])
    }

    /// Whether there is a text of this key.
    pub fn has(self, key: &str) -> bool {
        self.bundle().has_message(key)
    }

    fn bundle(self) -> &'static Bundle {
        match self {
            Self::En => &ENGLISH,
            Self::Es => &SPANISH,
        }
    }
}

fn bundle(language: Language) -> Bundle {
    let mut bundle = Bundle::new_concurrent(language.code().parse().into_iter().collect());
    // Marks around each variable protect texts of mixed direction; both languages run from left to right, and the marks would
    // end up in what people copy and search for.
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(match language {
        Language::En => |value, _| grouped(value, Language::En),
        Language::Es => |value, _| grouped(value, Language::Es),
    }));
    for (code, feature, text) in FILES.iter().filter(|(code, ..)| *code == language.code()) {
        let resource = FluentResource::try_new((*text).to_owned()).unwrap_or_else(|(resource, errors)| {
            tracing::error!(code, feature, ?errors, "a text file does not read");
            resource
        });
        if let Err(errors) = bundle.add_resource(resource) {
            tracing::error!(code, feature, ?errors, "a text is given twice");
        }
    }
    bundle
}

/// Whole numbers inside a text get the separators of the language.
fn grouped(value: &FluentValue<'_>, language: Language) -> Option<String> {
    match value {
        FluentValue::Number(number) => {
            number.as_string().parse().ok().map(|whole: i64| language.number(whole))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_text_file_reads_and_gives_each_key_once() {
        for (code, feature, text) in FILES {
            let read = FluentResource::try_new((*text).to_owned());
            assert!(read.is_ok(), "{code}/{feature}.ftl: {:?}", read.err().map(|(_, errors)| errors));
        }
        for language in Language::ALL {
            let mut seen = BTreeSet::new();
            for (key, _) in keys(language) {
                assert!(seen.insert(key.clone()), "{} gives {key} twice", language.code());
                assert!(language.has(&key), "{} does not read {key}", language.code());
            }
        }
    }

    #[test]
    fn a_key_belongs_to_the_feature_of_its_file() {
        for (code, feature, text) in FILES {
            for line in text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())) {
                assert!(line.starts_with(&format!("{feature}-")), "{code}/{feature}.ftl: {line}");
            }
        }
    }

    #[test]
    fn both_languages_have_the_same_keys_and_variables() {
        let (mut english, mut spanish) = (keys(Language::En), keys(Language::Es));
        english.sort();
        spanish.sort();
        for (one, other) in [(&english, &spanish), (&spanish, &english)] {
            let missing: Vec<_> = one.iter().filter(|entry| !other.contains(entry)).collect();
            assert!(missing.is_empty(), "only in one language, or with other variables: {missing:?}");
        }
    }

    #[test]
    fn a_missing_text_shows_its_key() {
        assert_eq!(Language::Es.word("no-such-key"), "no-such-key");
    }

    #[test]
    fn every_key_that_the_code_names_has_a_text_and_every_text_is_named() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut code = String::new();
        read_all(&root.join("src"), "rs", &mut code);
        read_all(&root.join("templates"), "html", &mut code);
        read_all(&root.join("templates"), "txt", &mut code);
        let literals: BTreeSet<&str> = code.split('"').collect();
        let known: BTreeSet<String> = keys(Language::En).into_iter().map(|(key, _)| key).collect();
        let unused: Vec<_> = known.iter().filter(|key| !literals.contains(key.as_str())).collect();
        assert!(unused.is_empty(), "no page says these: {unused:?}");
        for call in [
            ".t(\"",
            ".ta(\"",
            ".word(\"",
            ".text(\"",
            "Flash::success(\"",
            "Flash::info(\"",
            "Flash::warning(\"",
            "Flash::danger(\"",
        ] {
            for rest in code.split(call).skip(1) {
                let key = rest.split('"').next().unwrap_or_default();
                let is_key = key.starts_with(|c: char| c.is_ascii_lowercase())
                    && key.contains('-')
                    && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                assert!(!is_key || known.contains(key) || key == "no-such-key", "{key} has no text");
            }
        }
    }

    fn read_all(folder: &std::path::Path, ending: &str, into: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read_all(&path, ending, into);
            } else if path.extension().is_some_and(|e| e == ending) {
                into.push_str(&std::fs::read_to_string(&path).expect("a text"));
                into.push('"');
            }
        }
    }

    /// Every key of a language with the variables its text uses: for the test that holds the languages against each other.
    fn keys(language: Language) -> Vec<(String, BTreeSet<String>)> {
        let mut found = Vec::new();
        for (_, _, text) in FILES.iter().filter(|(code, ..)| *code == language.code()) {
            // The grammar is line-based where it matters here: a message starts at the first column, its variables are `$name`.
            for line in text.lines() {
                let name = line.split('=').next().unwrap_or_default().trim_end();
                let starts = line.contains('=') && name.starts_with(|c: char| c.is_ascii_lowercase());
                if starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                    found.push((name.to_owned(), BTreeSet::new()));
                }
                if let (Some((_, variables)), false) = (found.last_mut(), line.starts_with('#')) {
                    variables.extend(variables_of(line));
                }
            }
        }
        found
    }

    fn variables_of(line: &str) -> impl Iterator<Item = String> + '_ {
        line.split('$').skip(1).map(|rest| {
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').collect()
        })
    }
}
