//! The table of endpoints: one line each, gathered from the resources.

use serde_json::Value;

use super::errors::Answer;
use super::form::Params;
use super::objects;
use super::state::State;

/// A request, read.
pub(crate) struct Call<'a> {
    /// The ids in the path, in order.
    pub(crate) args: Vec<&'a str>,
    /// The parameters.
    pub(crate) params: Params<'a>,
}

impl Call<'_> {
    /// The `n`th id of the path.
    pub(crate) fn arg(&self, n: usize) -> &str {
        self.args.get(n).copied().unwrap_or_default()
    }
}

/// What carries out a request.
pub(crate) type Handler = fn(&mut State, &Call<'_>) -> Answer<Value>;

/// An endpoint.
pub(crate) struct Route {
    method: &'static str,
    path: &'static str,
    /// The parameters it takes, as [`super::form::check`] reads them; `expand[]` goes without saying.
    pub(crate) allowed: &'static str,
    /// What carries it out.
    pub(crate) handler: Handler,
}

/// `GET path`.
pub(crate) const fn get(path: &'static str, allowed: &'static str, handler: Handler) -> Route {
    Route { method: "GET", path, allowed, handler }
}

/// `POST path`.
pub(crate) const fn post(path: &'static str, allowed: &'static str, handler: Handler) -> Route {
    Route { method: "POST", path, allowed, handler }
}

/// `DELETE path`.
pub(crate) const fn delete(path: &'static str, allowed: &'static str, handler: Handler) -> Route {
    Route { method: "DELETE", path, allowed, handler }
}

/// Finds the endpoint of a request, and the ids in its path. Fixed words win over placeholders.
pub(crate) fn find<'p>(method: &str, path: &'p str) -> Option<(&'static Route, Vec<&'p str>)> {
    objects::ROUTES
        .iter()
        .flat_map(|routes| routes.iter())
        .filter(|route| route.method == method)
        .filter_map(|route| arguments(route.path, path).map(|args| (route, args)))
        .min_by_key(|(_, args)| args.len())
}

fn arguments<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let mut args = Vec::new();
    let mut given = path.split('/');
    for wanted in pattern.split('/') {
        let part = given.next()?;
        if wanted == "{}" && !part.is_empty() {
            args.push(part);
        } else if wanted != part {
            return None;
        }
    }
    given.next().is_none().then_some(args)
}
