//! One function for each thing the portal asks of Stripe.
//!
//! Each takes a [`Budget`], which several calls of a page share. Those that make or change something take the idempotency
//! [`Key`] under which all tries, also those after a restart, are one deed.

pub mod account;
pub mod catalog;
pub mod checkout;
pub mod coupons;
pub mod customers;
pub mod destinations;
pub mod events;
pub mod invoices;
pub mod meters;
pub mod payments;
pub mod portal;
pub mod schedules;
pub mod subscriptions;

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use stripe_client_core::{RequestBuilder, StripeRequest};

use super::snapshot::List;
use super::{Budget, Error, Fetched, Key, Result, Stripe};

/// Objects on a page of a list: Stripe's most.
const PAGE: i64 = 100;

/// Pages of one list at most: a million objects. More is a loop.
const MOST_PAGES: usize = 10_000;

/// Metadata, as the builders want it.
fn metadata(pairs: &BTreeMap<String, String>) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

async fn get<T: DeserializeOwned>(
    stripe: &Stripe,
    request: impl StripeRequest,
    budget: Budget,
) -> Result<Fetched<T>> {
    stripe.call(request.build(), None, budget).await
}

async fn post<T: DeserializeOwned>(
    stripe: &Stripe,
    request: impl StripeRequest,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<T>> {
    stripe.call(request.build(), Some(key), budget).await
}

/// All pages of a list. `page` makes the request that begins after the object it is given. The date is that of the first
/// answer: all that is in the list is at least as new.
async fn all<T: DeserializeOwned>(
    stripe: &Stripe,
    budget: Budget,
    id: impl Fn(&T) -> &str,
    page: impl Fn(Option<&str>) -> RequestBuilder,
) -> Result<Fetched<Vec<T>>> {
    let first: Fetched<List<T>> = stripe.call(page(None), None, budget).await?;
    let Fetched { value: List { mut data, mut has_more }, date, request_id } = first;
    for _ in 1..MOST_PAGES {
        let Some(last) = data.last().filter(|_| has_more).map(|last| id(last).to_owned()) else {
            return Ok(Fetched { value: data, date, request_id });
        };
        let next: Fetched<List<T>> = stripe.call(page(Some(&last)), None, budget).await?;
        has_more = next.value.has_more && next.value.data.last().is_some_and(|object| id(object) != last);
        data.extend(next.value.data);
    }
    Err(Error::Unreadable { path: "has_more".to_owned(), reason: "the list has no end".to_owned() })
}

/// Puts `starting_after` and the page's size on a list's request; each builder has its own of both.
macro_rules! page {
    ($request:expr, $after:expr) => {{
        let request = $request.limit($crate::stripe::calls::PAGE);
        match $after {
            Some(after) => stripe_client_core::StripeRequest::build(&request.starting_after(after)),
            None => stripe_client_core::StripeRequest::build(&request),
        }
    }};
}
use page;
