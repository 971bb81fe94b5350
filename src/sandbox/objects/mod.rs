//! The resources: for each its endpoints, the parameters they take, and the JSON that Stripe shows.

use super::routes::Route;
use super::state::State;

pub(crate) mod account;
pub(crate) mod charges;
pub(crate) mod checkout;
pub(crate) mod coupons;
pub(crate) mod customers;
pub(crate) mod disputes;
pub(crate) mod event_destinations;
pub(crate) mod events;
pub(crate) mod invoice_items;
pub(crate) mod invoices;
pub(crate) mod meters;
pub(crate) mod payment_methods;
pub(crate) mod portal;
pub(crate) mod prices;
pub(crate) mod products;
pub(crate) mod promotion_codes;
pub(crate) mod refunds;
pub(crate) mod schedules;
pub(crate) mod subscription_wishes;
pub(crate) mod subscriptions;
pub(crate) mod tax_ids;
pub(crate) mod test_clocks;
pub(crate) mod webhook_endpoints;

/// What a paged list takes.
macro_rules! paged {
    () => {
        "limit starting_after ending_before created* "
    };
    ($($more:literal)+) => {
        concat!("limit starting_after ending_before created* ", $($more)+)
    };
}
pub(crate) use paged;

/// Every endpoint.
pub(crate) const ROUTES: &[&[Route]] = &[
    account::ROUTES,
    charges::ROUTES,
    checkout::ROUTES,
    coupons::ROUTES,
    customers::ROUTES,
    disputes::ROUTES,
    event_destinations::ROUTES,
    events::ROUTES,
    invoice_items::ROUTES,
    invoices::ROUTES,
    meters::ROUTES,
    payment_methods::ROUTES,
    portal::ROUTES,
    prices::ROUTES,
    products::ROUTES,
    promotion_codes::ROUTES,
    refunds::ROUTES,
    schedules::ROUTES,
    subscriptions::ROUTES,
    tax_ids::ROUTES,
    test_clocks::ROUTES,
    webhook_endpoints::ROUTES,
];

/// What an account has from the start: the default portal configuration, and the endpoint it was started with.
pub(crate) fn seed(state: &mut State, webhook_url: Option<&str>, webhook_secret: Option<&str>) {
    portal::seed(state);
    if let Some(url) = webhook_url {
        webhook_endpoints::add(state, url, webhook_secret);
    }
    state.commit();
}
