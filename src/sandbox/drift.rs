//! What tears an account and its mirrors apart: changes that nobody is told of, and very many customers.

use serde_json::{Value, json};

use super::copies::Copies;
use super::errors::{Answer, ApiError};
use super::json::Json;
use super::state::State;
use super::store::Kind;

/// Changes an object's fields, or removes it, without an event.
pub(crate) fn apply(state: &mut State, wish: &Value) -> Answer {
    let id = wish.text("id");
    // A meter event has no id but the one that its sender chose.
    let kind = Kind::of_id(id).unwrap_or(Kind::MeterEvent);
    let mut object = Value::clone(&*state.need(kind, id, "id")?);
    if wish.flag("remove") {
        state.store.remove(kind, id);
        return Ok(json!({ "removed": id }));
    }
    let fields = wish.look("set").as_object().ok_or_else(|| ApiError::missing("set"))?;
    for (path, value) in fields {
        let Some((parent, name)) = path.rsplit_once('/') else {
            return Err(ApiError::invalid("set", format!("{path} is no path: it begins with a slash")));
        };
        let place = if parent.is_empty() { Some(&mut object) } else { object.pointer_mut(parent) };
        match place {
            Some(Value::Object(fields)) => {
                fields.insert(name.to_owned(), value.clone());
            }
            Some(Value::Array(items)) => {
                let item = name.parse().ok().and_then(|at: usize| items.get_mut(at));
                *item.ok_or_else(|| ApiError::invalid("set", format!("nothing is at {path}")))? =
                    value.clone();
            }
            _ => return Err(ApiError::invalid("set", format!("nothing is at {path}"))),
        }
    }
    state.store.put(kind, object);
    Ok(json!({ "changed": id }))
}

/// The kinds that belong to a customer and are copied with it.
const COPIED: [Kind; 7] = [
    Kind::Customer,
    Kind::Subscription,
    Kind::Invoice,
    Kind::Charge,
    Kind::PaymentIntent,
    Kind::PaymentMethod,
    Kind::InvoicePayment,
];

/// Adds copies of a customer.
pub(crate) fn copy(state: &mut State, wish: &Value) -> Answer {
    let customer = state.need(Kind::Customer, wish.text("customer"), "customer")?.id();
    let invoices: Vec<String> = state
        .store
        .all(Kind::Invoice)
        .filter(|invoice| invoice.text("customer") == customer)
        .map(|invoice| invoice.id())
        .collect();
    let belongs = |kind: Kind, object: &Value| match kind {
        Kind::Customer => object.text("id") == customer,
        Kind::InvoicePayment => invoices.iter().any(|invoice| invoice == object.text("invoice")),
        _ => object.text("customer") == customer,
    };
    let objects: Vec<(Kind, Value)> = COPIED
        .into_iter()
        .flat_map(|kind| state.store.all(kind).map(move |object| (kind, Value::clone(object))))
        .filter(|(kind, object)| belongs(*kind, object))
        .collect();
    let count = u64::try_from(wish.int("count")).unwrap_or_default().min(9_999_999);
    state.copies = Copies::new(&objects, count, wish.text("tenants"));
    Ok(json!({ "copies": count, "objects": objects.len() }))
}

/// Makes copies real that a request names in its path or query, but for where a list goes on.
pub(crate) fn make_real(state: &mut State, path: &str, query: &str) {
    let named = query
        .split('&')
        .filter(|pair| !pair.starts_with("starting_after=") && !pair.starts_with("ending_before="));
    let text: String = std::iter::once(path).chain(named).collect::<Vec<_>>().join("&");
    for number in state.copies.named(&text) {
        for (kind, object) in state.copies.take(number) {
            state.store.put(kind, object);
        }
    }
}
