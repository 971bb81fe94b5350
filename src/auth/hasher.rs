//! Password hashes: argon2id, a few at a time, off the threads that answer requests.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, Params};
use tokio::sync::Semaphore;

use super::password::Password;
use crate::error::{Error, Result};

/// KiB of memory, passes and lanes of one hash. Raising them makes every password anew at its owner's next sign-in.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// How long a sign-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(4);

/// What looking at a password showed.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is not the one.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash is weaker than today's: this is to take its place.
    Outdated(String),
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wrong => "Wrong",
            Self::Right => "Right",
            Self::Outdated(_) => "Outdated(hidden)",
        })
    }
}

/// Makes and checks hashes. Cloning shares the turns: as many at once as there are cores, so that a crowd at the door takes
/// neither all memory nor all of the machine.
#[derive(Clone, Debug)]
pub struct Hasher {
    turns: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { turns: Arc::new(Semaphore::new(cores)) }
    }
}

impl Hasher {
    /// The hash of a password, as a PHC string.
    ///
    /// # Errors
    /// When too many are waiting.
    pub async fn hash(&self, password: &Password) -> Result<String> {
        let text = password.expose().to_owned();
        self.take_turn(move || hash(&text)).await
    }

    /// Whether a password is the one of a hash. Without a hash the answer is no, and takes as long: who has none must not be
    /// told apart.
    ///
    /// # Errors
    /// When too many are waiting, or the hash is none.
    pub async fn verify(&self, password: &str, hash: Option<String>) -> Result<Verdict> {
        let text = password.to_owned();
        self.take_turn(move || verify(&text, hash)).await
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let busy = || Error::Unavailable("too many passwords are waiting to be checked".into());
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(Error::internal)?
    }
}

fn argon2() -> Result<Argon2<'static>> {
    let (memory, passes, lanes) = COST;
    Params::new(memory, passes, lanes, None).map(Argon2::from).map_err(Error::internal)
}

fn hash(password: &str) -> Result<String> {
    Ok(argon2()?.hash_password(password.as_bytes()).map_err(Error::internal)?.to_string())
}

fn verify(password: &str, known: Option<String>) -> Result<Verdict> {
    /// The hash of nobody's password.
    static NOBODY: LazyLock<String> = LazyLock::new(|| hash("nobody").unwrap_or_default());
    let is_nobody = known.is_none();
    let known = known.unwrap_or_else(|| NOBODY.clone());
    let parsed = PasswordHash::new(&known).map_err(Error::internal)?;
    // Longer than any password may be: refused, not cut, after the same work.
    let too_long = password.chars().count() > Password::LONGEST;
    let tried = if too_long { "" } else { password };
    let right = argon2()?.verify_password(tried.as_bytes(), &parsed).is_ok();
    if !right || too_long || is_nobody {
        return Ok(Verdict::Wrong);
    }
    if is_outdated(&parsed) { Ok(Verdict::Outdated(hash(password)?)) } else { Ok(Verdict::Right) }
}

/// Whether the hash cost less than one made today.
fn is_outdated(known: &PasswordHash) -> bool {
    let (memory, passes, lanes) = COST;
    let Ok(params) = Params::try_from(known) else { return true };
    known.algorithm.as_str() != "argon2id"
        || params.m_cost() < memory
        || params.t_cost() < passes
        || params.p_cost() < lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_is_right_and_no_other_is() {
        let hasher = Hasher::default();
        let password =
            Password::new("mind the gap", &"a@b.example".parse().expect("an address")).expect("a password");
        let hash = hasher.hash(&password).await.expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hasher.hash(&password).await.expect("a hash"), "each has its own salt");
        assert_eq!(
            hasher.verify("mind the gap", Some(hash.clone())).await.expect("an answer"),
            Verdict::Right
        );
        for wrong in ["mind the gap ", "", "Mind the gap", &"mind the gap".repeat(20)] {
            assert_eq!(
                hasher.verify(wrong, Some(hash.clone())).await.expect("an answer"),
                Verdict::Wrong,
                "{wrong}"
            );
        }
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        for password in ["nobody", "", "mind the gap"] {
            assert_eq!(Hasher::default().verify(password, None).await.expect("an answer"), Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn a_weak_hash_is_replaced_at_the_next_sign_in() {
        let weak = Argon2::from(Params::new(1024, 1, 1, None).expect("parameters"));
        let weak = weak.hash_password(b"mind the gap").expect("a hash").to_string();
        let hasher = Hasher::default();
        let Verdict::Outdated(new) =
            hasher.verify("mind the gap", Some(weak.clone())).await.expect("an answer")
        else {
            panic!("the hash is weak")
        };
        assert_eq!(hasher.verify("mind the gap", Some(new)).await.expect("an answer"), Verdict::Right);
        assert_eq!(hasher.verify("guess", Some(weak)).await.expect("an answer"), Verdict::Wrong);
    }
}
