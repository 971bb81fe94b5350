//! What a password may be: 8 to 128 characters, no rules of composition, nothing that everybody tries first.

use std::fmt;

use super::Email;

/// A password that somebody may set. Never printed.
#[derive(Clone)]
pub struct Password(String);

/// Why it may not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Fewer than eight characters.
    #[error("a password has at least 8 characters; 15 are better")]
    TooShort,
    /// More than 128 characters.
    #[error("a password has at most 128 characters")]
    TooLong,
    /// Among the first that anybody would try.
    #[error("this password is among the first that strangers try")]
    Common,
}

impl Password {
    /// The fewest characters.
    pub const SHORTEST: usize = 8;
    /// The most characters. A longer one is refused and never cut.
    pub const LONGEST: usize = 128;

    /// A password for the user of this address.
    ///
    /// # Errors
    /// When it is too short, too long or too common; the user's own address is common.
    pub fn new(text: &str, of: &Email) -> Result<Self, PasswordFault> {
        match text.chars().count() {
            ..Self::SHORTEST => Err(PasswordFault::TooShort),
            Self::SHORTEST..=Self::LONGEST if is_common(text, of) => Err(PasswordFault::Common),
            Self::SHORTEST..=Self::LONGEST => Ok(Self(text.to_owned())),
            _ => Err(PasswordFault::TooLong),
        }
    }

    /// The password itself: for the hash alone.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// Words that everybody's first tries are made of, alone or with digits and marks around them, and so with letters swapped for
/// the digits that look like them.
const WORDS: &[&str] = &[
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "a1b2c3d4",
    "aaaaaaaa",
    "abc",
    "abcd",
    "admin",
    "administrator",
    "administrador",
    "angel",
    "asdf",
    "asdfgh",
    "asdfghjkl",
    "asdfjkl",
    "baseball",
    "basketball",
    "batman",
    "billing",
    "billingportal",
    "bitte",
    "butterfly",
    "changeme",
    "charlie",
    "chocolate",
    "computer",
    "contrasena",
    "contraseña",
    "corona",
    "default",
    "demo",
    "dragon",
    "estrella",
    "facebook",
    "familia",
    "football",
    "freedom",
    "fuckyou",
    "google",
    "guest",
    "hello",
    "hola",
    "iloveyou",
    "internet",
    "invitado",
    "jennifer",
    "jordan",
    "letmein",
    "liverpool",
    "login",
    "lovely",
    "master",
    "michael",
    "michelle",
    "monkey",
    "mustang",
    "mypassword",
    "ninja",
    "pass",
    "passwort",
    "passw",
    "password",
    "pepito",
    "pokemon",
    "portal",
    "princesa",
    "princess",
    "qazwsx",
    "qazwsxedc",
    "qwer",
    "qwert",
    "qwerty",
    "qwertyui",
    "qwertyuiop",
    "realmadrid",
    "root",
    "samsung",
    "secret",
    "secreto",
    "shadow",
    "soccer",
    "starwars",
    "stripe",
    "summer",
    "sunshine",
    "superman",
    "teamo",
    "tequiero",
    "temporal",
    "test",
    "tester",
    "testing",
    "trustno",
    "user",
    "usuario",
    "welcome",
    "whatever",
    "winter",
    "yxcvbnm",
    "zaq1xsw2",
    "zxcvbn",
    "zxcvbnm",
];

fn is_common(text: &str, of: &Email) -> bool {
    let text = text.to_lowercase();
    let core = text.trim_matches(|c: char| !c.is_alphabetic());
    let plain: String = core.chars().map(unswapped).collect();
    let whole: String = text.chars().map(unswapped).collect();
    let known = |word: &str| WORDS.binary_search(&word).is_ok() || WORDS.contains(&word);
    let own = [of.as_str(), of.local_part()];
    core.is_empty() && is_a_number_people_choose(&text)
        || [text.as_str(), core, &plain, &whole]
            .iter()
            .any(|form| known(form) || own.contains(form) || repeats(form))
}

/// A digit or mark read as the letter that it stands for.
fn unswapped(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// Whether it is one short piece over and over: `abababab`, `passpass`.
fn repeats(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=chars.len() / 2).any(|piece| {
        let known = |piece: &[char]| piece.len() <= 3 || WORDS.contains(&String::from_iter(piece).as_str());
        chars.len().is_multiple_of(piece)
            && known(&chars[..piece])
            && chars.chunks(piece).all(|next| next == &chars[..piece])
    })
}

/// Digits and marks alone: counted up or down, or fewer than twelve of them, as dates and telephone numbers have.
fn is_a_number_people_choose(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    let steps =
        |by: i8| digits.windows(2).all(|pair| (pair[1].wrapping_sub(pair[0]) as i8).rem_euclid(10) == by);
    digits.len() == text.len() && (digits.len() < 12 || steps(1) || steps(9))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Result<(), PasswordFault> {
        Password::new(text, &"ana.lopez@norte.example".parse().expect("an address")).map(drop)
    }

    #[test]
    fn length_is_counted_in_characters_and_nothing_is_cut() {
        assert_eq!(set("ñandúes"), Err(PasswordFault::TooShort));
        assert_eq!(set("ñandúes!"), Ok(()));
        assert_eq!(set(&"añ4-".repeat(32)), Ok(()));
        assert_eq!(set(&format!("{}x", "añ4-".repeat(32))), Err(PasswordFault::TooLong));
    }

    #[test]
    fn no_kind_of_character_is_asked_for() {
        for good in
            ["correct horse battery staple", "    mind the gap    ", "tres tristes tigres", "jkbnwdxo"]
        {
            assert_eq!(set(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for bad in [
            "password",
            "Password1!",
            "P@ssw0rd",
            "12345678",
            "1234567890123",
            "98765432109876",
            "20261121",
            "qwertyuiop",
            "aaaaaaaaaa",
            "abababababab",
            "passpass",
            "Welcome2026",
            "contraseña",
            "ana.lopez@norte.example",
            "ana.lopez99",
            "iloveyou!!",
            "letmein123",
        ] {
            assert_eq!(set(bad), Err(PasswordFault::Common), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let password =
            Password::new("mind the gap", &"a@b.example".parse().expect("an address")).expect("a password");
        assert_eq!(format!("{password:?}"), "Password(hidden)");
    }
}
