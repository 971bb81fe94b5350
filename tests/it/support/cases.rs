//! How often, and with what, the properties are tried.

use proptest::test_runner::{Config, RngSeed};

/// So many cases, the same ones in every run: what fails for one fails for all. `PROPTEST_RNG_SEED=random` or a number tries
/// others, `PROPTEST_CASES` as many as it says.
pub(crate) fn cases(cases: u32, max_shrink_iters: u32) -> Config {
    let given = |name: &str| std::env::var_os(name).is_some();
    // The defaults are what the environment says, where it says something.
    let mut config = Config { max_shrink_iters, failure_persistence: None, ..Config::default() };
    if !given("PROPTEST_CASES") {
        config.cases = cases;
    }
    if !given("PROPTEST_RNG_SEED") {
        config.rng_seed = RngSeed::Fixed(u64::from(cases));
    }
    config
}
