//! Counting tries, wishes and sendings under their keys: all of a set, or none.

use std::fmt::Write as _;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use super::store;
use super::throttle::{Limit, Refused};
use crate::db::{Result, Tx};

/// What is counted under which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    key: String,
    limit: Limit,
}

impl Count {
    /// Under a key that names nobody.
    pub(crate) fn new(key: String, limit: Limit) -> Self {
        Self { key, limit }
    }

    /// What is tried with an e-mail address. The key is a digest: it names no person.
    pub(super) fn of_email(kind: &str, email: &str, limit: Limit) -> Self {
        let mut key = format!("{kind}:");
        for byte in Sha256::digest(email) {
            let _ = write!(key, "{byte:02x}");
        }
        Self { key, limit }
    }

    /// The same from one address alone: its own count, which no stranger elsewhere can fill.
    pub(super) fn at(self, address: IpAddr) -> Self {
        Self { key: format!("{}@{address}", self.key), ..self }
    }

    /// What is tried from an address, or of version 6 from the network that its owner has all addresses of.
    pub(super) fn of_address(kind: &str, address: IpAddr) -> Self {
        Self { key: format!("{kind}:{}", network(address)), limit: Limit::Address }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(whole) => {
            let [a, b, c, d, ..] = whole.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// Counts a try under all keys, or under none.
///
/// # Errors
/// The database did not answer. Within: it comes too early.
pub(crate) async fn admit(
    tx: &mut Tx,
    counts: &[Count],
    now: i64,
) -> Result<std::result::Result<(), Refused>> {
    let mut admitted = Vec::with_capacity(counts.len());
    let mut refused: Option<Refused> = None;
    for count in counts {
        match store::attempts(tx, &count.key).await?.admit(count.limit, now) {
            Ok(attempts) => admitted.push((count, attempts)),
            Err(this) => refused = refused.filter(|known| known.wait >= this.wait).or(Some(this)),
        }
    }
    if let Some(refused) = refused {
        return Ok(Err(refused));
    }
    for (count, attempts) in admitted {
        store::keep_attempts(tx, &count.key, attempts).await?;
    }
    Ok(Ok(()))
}

/// Takes back the counts of a try that succeeded.
///
/// # Errors
/// The database did not answer.
pub(super) async fn forgive(tx: &mut Tx, counts: &[Count]) -> Result<()> {
    for count in counts {
        let attempts = store::attempts(tx, &count.key).await?.forgive(count.limit);
        store::keep_attempts(tx, &count.key, attempts).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_names_no_address_of_a_person_and_all_of_a_network() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let ana = Count::of_email("account", "ana@norte.example", Limit::Account);
        assert!(!ana.key.contains("ana"));
        assert_ne!(ana.clone().at(address("192.0.2.1")), ana);
        let of = |text| Count::of_address("address", address(text));
        assert_eq!(of("2001:db8:1:2:3::1"), of("2001:db8:1:2:9::9"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
