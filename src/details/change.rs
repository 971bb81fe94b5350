//! A change of several details at once, as programs ask for it: what is not named stays.
//!
//! What may be entered is decided by [`Typed`] and [`TypedTaxId`], as for the page.

use super::{Details, Known, MOST_TAX_IDS, TaxId, Typed, TypedTaxId};
use crate::error::FieldError;

/// What is to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The name on invoices.
    pub name: Option<String>,
    /// Where bills go.
    pub email: Option<String>,
    /// Lines of the address.
    pub address: Lines,
    /// All tax ids there are to be.
    pub tax_ids: Option<Vec<TypedTaxId>>,
}

/// Lines of an address that are to change; an empty one is taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Street and number.
    pub line1: Option<String>,
    /// Floor, suite.
    pub line2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State, county, province.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Two letters.
    pub country: Option<String>,
}

/// What has to be done so that a company has the tax ids that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaxIdsToDo {
    /// Those that go.
    pub gone: Vec<TaxId>,
    /// Those that come, each with its place in the list that was sent.
    pub new: Vec<(usize, TypedTaxId)>,
    /// How many of them may come before others go.
    pub room: usize,
}

impl Change {
    /// Whether nothing at all is named.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Name, address for bills and address as they are to be; none where nothing of it differs from what is known.
    ///
    /// # Errors
    /// Each field that cannot be accepted, by its name in the form.
    pub fn details(&self, known: &Known) -> Result<Option<Details>, Vec<FieldError>> {
        let before = Typed::of(known);
        let over = |new: &Option<String>, old: String| new.clone().unwrap_or(old);
        let lines = &self.address;
        let typed = Typed {
            name: over(&self.name, before.name.clone()),
            email: over(&self.email, before.email.clone()),
            line1: over(&lines.line1, before.line1.clone()),
            line2: over(&lines.line2, before.line2.clone()),
            city: over(&lines.city, before.city.clone()),
            state: over(&lines.state, before.state.clone()),
            postal_code: over(&lines.postal_code, before.postal_code.clone()),
            country: over(&lines.country, before.country.clone()),
        };
        if typed == before {
            return Ok(None);
        }
        let details = typed.check()?;
        Ok(Some(details).filter(|details| !details.differences(known).is_empty()))
    }

    /// Which tax ids go and which come. Blanks and dots in a number make no difference.
    ///
    /// # Errors
    /// Each field that cannot be accepted, such as `tax_ids[1].value`.
    pub fn tax_ids(&self, known: &Known) -> Result<TaxIdsToDo, Vec<FieldError>> {
        let Some(wanted) = &self.tax_ids else { return Ok(TaxIdsToDo::default()) };
        let mut before: Vec<TaxId> = Vec::with_capacity(wanted.len());
        let mut errors = Vec::new();
        for (index, typed) in wanted.iter().enumerate() {
            if let Err(wrong) = typed.check(&before) {
                errors.extend(wrong.into_iter().map(|error| named_in_list(error, index)));
            }
            let (kind, value) = (typed.kind.clone(), typed.value.trim().to_owned());
            before.push(TaxId { id: String::new(), kind, value, verification: None });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let is_wanted = |own: &&TaxId| wanted.iter().any(|typed| is_same(own, typed));
        let is_new = |typed: &TypedTaxId| !known.tax_ids.iter().any(|own| is_same(own, typed));
        Ok(TaxIdsToDo {
            gone: known.tax_ids.iter().filter(|own| !is_wanted(own)).cloned().collect(),
            new: wanted.iter().cloned().enumerate().filter(|(_, typed)| is_new(typed)).collect(),
            room: MOST_TAX_IDS.saturating_sub(known.tax_ids.len()),
        })
    }
}

/// Whether a tax id is the one that was typed, however its number is broken up.
fn is_same(own: &TaxId, typed: &TypedTaxId) -> bool {
    let plain = |value: &str| -> String {
        value.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
    };
    own.kind == typed.kind && plain(&own.value) == plain(&typed.value)
}

/// The error of a tax id's form, at its place in a list.
pub(super) fn named_in_list(error: FieldError, index: usize) -> FieldError {
    let field = if error.field == "kind" { "type" } else { error.field.as_str() };
    FieldError { field: format!("tax_ids[{index}].{field}"), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stripe::snapshot::Address;

    fn known() -> Known {
        let tax_id = |id: &str, value: &str| TaxId {
            id: id.into(),
            kind: "eu_vat".into(),
            value: value.into(),
            verification: None,
        };
        Known {
            name: "Norte".into(),
            email: "cuentas@norte.example".into(),
            address: Address {
                line1: Some("Calle Mayor 1".into()),
                line2: Some("2 B".into()),
                country: Some("ES".into()),
                ..Address::default()
            },
            tax_ids: vec![tax_id("txi_1", "ESB1"), tax_id("txi_2", "ESB2")],
        }
    }

    fn typed(kind: &str, value: &str) -> TypedTaxId {
        TypedTaxId { kind: kind.into(), value: value.into() }
    }

    #[test]
    fn what_is_not_named_stays_and_an_empty_line_goes() {
        let lines = Lines { line2: Some(String::new()), city: Some("Madrid".into()), ..Lines::default() };
        let change = Change { address: lines, ..Change::default() };
        let details = change.details(&known()).expect("details").expect("a difference");
        assert_eq!((details.name.as_str(), details.address.line2), ("Norte", None));
        assert_eq!(details.address.line1.as_deref(), Some("Calle Mayor 1"));
        let same = Change { name: Some("Norte".into()), ..Change::default() };
        assert_eq!(same.details(&known()), Ok(None));
        assert!(Change::default().is_empty() && !same.is_empty());
    }

    #[test]
    fn tax_ids_that_are_there_stay_and_others_come_and_go() {
        let wanted = vec![typed("eu_vat", "es.b 2"), typed("es_cif", "B3")];
        let change = Change { tax_ids: Some(wanted), ..Change::default() };
        let to_do = change.tax_ids(&known()).expect("tax ids");
        assert_eq!(to_do.gone.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["txi_1"]);
        assert_eq!((to_do.new, to_do.room), (vec![(1, typed("es_cif", "B3"))], 3));
        assert_eq!(Change::default().tax_ids(&known()), Ok(TaxIdsToDo::default()));
        let none = Change { tax_ids: Some(Vec::new()), ..Change::default() };
        assert_eq!(none.tax_ids(&known()).expect("tax ids").gone.len(), 2);
    }

    #[test]
    fn each_wrong_tax_id_is_named_by_its_place() {
        let wanted = vec![typed("xx", ""), typed("eu_vat", "A1"), typed("eu_vat", "A1")];
        let errors = Change { tax_ids: Some(wanted), ..Change::default() }.tax_ids(&known());
        let fields: Vec<_> = errors.expect_err("errors").into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["tax_ids[0].type", "tax_ids[0].value", "tax_ids[2].value"]);
    }
}
