//! The chain: what a seal is a hash of.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::Row;

/// What stands before the first seal.
pub const BEGINNING: &str = "";

/// The seal of an entry: SHA-256 over the seal before, its place, and every column of the entry as it is stored. Each part is
/// written with its length before it, and an absent one otherwise than an empty one, so that no two entries read alike.
pub fn seal(before: &str, seq: i64, entry: &Row) -> String {
    let mut hash = Sha256::new();
    let mut put = |part: Option<&str>| match part {
        None => hash.update([0]),
        Some(text) => {
            hash.update([1]);
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text);
        }
    };
    put(Some(before));
    put(Some(&seq.to_string()));
    put(Some(&entry.id));
    put(entry.cause.as_deref());
    put(Some(&entry.at.to_string()));
    put(entry.tenant_id.as_deref());
    put(Some(&entry.actor_kind));
    put(entry.actor_id.as_deref());
    put(Some(&entry.action));
    put(entry.object_id.as_deref());
    put(entry.before.as_deref());
    put(entry.after.as_deref());
    put(entry.address.as_deref());
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// What is wrong with a chain, at its first broken place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// The entry was changed after it was sealed, or its seal was.
    Altered {
        /// Its place.
        seq: i64,
        /// Its id.
        entry: String,
    },
    /// Seals are missing from this place on.
    Gap {
        /// The place that has no seal.
        seq: i64,
    },
    /// The entry of a seal is gone.
    Missing {
        /// Its place.
        seq: i64,
        /// Its id.
        entry: String,
    },
    /// An entry has no seal and does not wait for one.
    Unsealed {
        /// Its id.
        entry: String,
    },
    /// The seal that was noted earlier is not in the chain: its end was cut off, or all of it made anew.
    Replaced,
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Altered { seq, entry } => {
                write!(f, "entry {entry}, number {seq} of the chain, is not what was sealed")
            }
            Self::Gap { seq } => write!(f, "number {seq} of the chain is missing"),
            Self::Missing { seq, entry } => write!(f, "entry {entry}, number {seq} of the chain, is gone"),
            Self::Unsealed { entry } => write!(f, "entry {entry} was never sealed and does not wait for it"),
            Self::Replaced => {
                f.write_str("the seal that was noted earlier is not in the chain: its end was cut off")
            }
        }
    }
}

/// A walk along the chain, entry by entry.
#[derive(Clone, Debug)]
pub struct Walk {
    seq: i64,
    head: String,
    looked_for: Option<String>,
}

impl Walk {
    /// From the beginning, looking out for a seal that was noted earlier.
    pub fn new(noted: Option<String>) -> Self {
        Self { seq: 0, head: BEGINNING.to_owned(), looked_for: noted }
    }

    /// Entries that were found in order.
    pub fn len(&self) -> i64 {
        self.seq
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.seq == 0
    }

    /// The last seal.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// The next link: its place, its seal, and the entry where it is there.
    ///
    /// # Errors
    /// What is broken here.
    pub fn next(&mut self, seq: i64, id: &str, hash: &str, entry: Option<&Row>) -> Result<(), Break> {
        let due = self.seq + 1;
        if seq != due {
            return Err(Break::Gap { seq: due });
        }
        let Some(entry) = entry else { return Err(Break::Missing { seq, entry: id.to_owned() }) };
        if seal(&self.head, seq, entry) != hash {
            return Err(Break::Altered { seq, entry: id.to_owned() });
        }
        self.seq = seq;
        hash.clone_into(&mut self.head);
        if self.looked_for.as_deref() == Some(hash) {
            self.looked_for = None;
        }
        Ok(())
    }

    /// The end of the chain.
    ///
    /// # Errors
    /// What was looked for was not there.
    pub fn end(&self) -> Result<(), Break> {
        if self.looked_for.is_some() { Err(Break::Replaced) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The texts of an entry, in the order of its columns.
    type Texts = [Option<String>; 10];

    /// Those that a row always has.
    const ALWAYS: [usize; 3] = [0, 3, 5];

    fn row(at: i64, texts: &Texts) -> Row {
        let [id, cause, tenant_id, actor_kind, actor_id, action, object_id, before, after, address] =
            texts.clone();
        let (id, actor_kind) = (id.unwrap_or_default(), actor_kind.unwrap_or_default());
        let action = action.unwrap_or_default();
        Row { id, cause, at, tenant_id, actor_kind, actor_id, action, object_id, before, after, address }
    }

    fn texts() -> impl Strategy<Value = Texts> {
        prop::array::uniform10(prop::option::of("[a-c\u{0}é]{0,3}")).prop_map(|mut texts| {
            for always in ALWAYS {
                texts[always].get_or_insert_default();
            }
            texts
        })
    }

    /// The same with one character of a column another, moved to the next column, or the column absent instead of empty.
    fn altered(texts: &Texts, column: usize, place: usize, how: u8) -> Texts {
        let mut other = texts.clone();
        let mut characters: Vec<char> = texts[column].clone().unwrap_or_default().chars().collect();
        match (how, characters.len()) {
            (0, 0) | (1, 0) => {
                let is_always = ALWAYS.contains(&column);
                other[column] =
                    if texts[column].is_some() && !is_always { None } else { Some("x".to_owned()) };
            }
            (0, length) => {
                characters[place % length] = 'x';
                other[column] = Some(characters.into_iter().collect());
            }
            (_, length) => {
                let moved = characters.remove(place % length);
                other[column] = Some(characters.into_iter().collect());
                let next = &mut other[(column + 1) % 10];
                *next = Some(format!("{moved}{}", next.clone().unwrap_or_default()));
            }
        }
        other
    }

    proptest! {
        #[test]
        fn no_two_entries_places_or_pasts_have_the_same_seal(
            entry in texts(), column in 0..10_usize, place in 0..3_usize, how in 0..2_u8, at in 0..9_i64, seq in 1..9_i64,
        ) {
            let sealed = seal("before", seq, &row(at, &entry));
            let other = altered(&entry, column, place, how);
            prop_assert_ne!(&other, &entry);
            prop_assert_ne!(&seal("before", seq, &row(at, &other)), &sealed);
            prop_assert_ne!(&seal("before", seq, &row(at + 1, &entry)), &sealed);
            prop_assert_ne!(&seal("before", seq + 1, &row(at, &entry)), &sealed);
            prop_assert_ne!(&seal("befor", seq, &row(at, &entry)), &sealed);
            prop_assert_eq!(&seal("before", seq, &row(at, &entry)), &sealed);
        }
    }

    #[test]
    fn a_seal_without_its_entry_is_told() {
        let mut walk = Walk::new(None);
        let gone = Break::Missing { seq: 1, entry: "aud_1".to_owned() };
        assert_eq!(walk.next(1, "aud_1", "hash", None), Err(gone));
    }
}
