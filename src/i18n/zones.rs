//! Time zones to choose from.

use std::sync::LazyLock;

use jiff::tz::TimeZone;

/// The parts of the world that zones are named after. Other names of the database are abbreviations and old spellings.
const REGIONS: [&str; 10] = [
    "Africa/",
    "America/",
    "Antarctica/",
    "Arctic/",
    "Asia/",
    "Atlantic/",
    "Australia/",
    "Europe/",
    "Indian/",
    "Pacific/",
];

/// UTC, then the zones that are named after places, in the order of their names.
fn zones() -> &'static [String] {
    static ZONES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let names = jiff::tz::db().available().map(|name| name.as_str().to_owned());
        let mut names: Vec<String> =
            names.filter(|name| REGIONS.iter().any(|region| name.starts_with(region))).collect();
        names.sort();
        names.dedup();
        names.insert(0, "UTC".to_owned());
        names
    });
    &ZONES
}

/// The zones to choose from, and the one that is chosen already if it is another.
pub fn zones_with(chosen: &str) -> Vec<String> {
    let mut names = zones().to_vec();
    if zone(chosen).is_some() && !names.iter().any(|name| name == chosen) {
        names.insert(1, chosen.to_owned());
    }
    names
}

/// The name of a zone as the database of zones spells it; none where there is no such zone.
pub fn zone(name: &str) -> Option<String> {
    let zone = TimeZone::get(name).ok()?;
    zone.iana_name().filter(|_| !zone.is_unknown()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_named_after_places_and_the_chosen_one_is_among_them() {
        let names = zones_with("Europe/Madrid");
        assert_eq!(names[0], "UTC");
        assert!(names.len() > 300 && names.iter().any(|name| name == "America/Argentina/Ushuaia"));
        assert!(names.iter().all(|name| zone(name).is_some()));
        assert_eq!(zones_with("EST5EDT").len(), names.len() + 1, "kept, however it was chosen");
        assert_eq!(zones_with("Mars/Base").len(), names.len());
        assert_eq!(zone("Mars/Base"), None);
        assert_eq!(zone(""), None);
    }
}
