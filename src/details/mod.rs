//! Billing details: the name, the address and the tax ids that stand on invoices, and where bills go.
//!
//! Owns what may be entered. Stripe keeps the details and checks the numbers; what pages show are the rows that `sync` wrote of
//! them. Taxes follow from the details: where Stripe reckons them, an address that it cannot place is refused.

mod act;
pub mod api;
pub mod change;
pub mod countries;
pub mod store;
pub mod web;

pub use act::{add_tax_id, change, judge, remove_tax_id, save};
pub use web::router;

use serde::{Deserialize, Serialize};

use crate::auth::Email;
use crate::error::FieldError;
use crate::stripe::snapshot::Address;
use crate::tenants::words;

/// Most tax ids of one company: what Stripe takes of a customer.
pub const MOST_TAX_IDS: usize = 5;

/// Kinds of tax ids that Stripe knows (`type` of <https://docs.stripe.com/api/tax_ids/create>): the first two letters are the
/// country's, or `eu`; the rest is what the number is called there.
pub const TAX_ID_KINDS: [&str; 116] = [
    "ad_nrt",
    "ae_trn",
    "al_tin",
    "am_tin",
    "ao_tin",
    "ar_cuit",
    "au_abn",
    "au_arn",
    "aw_tin",
    "az_tin",
    "ba_tin",
    "bb_tin",
    "bd_bin",
    "bf_ifu",
    "bg_uic",
    "bh_vat",
    "bj_ifu",
    "bo_tin",
    "br_cnpj",
    "br_cpf",
    "bs_tin",
    "by_tin",
    "ca_bn",
    "ca_gst_hst",
    "ca_pst_bc",
    "ca_pst_mb",
    "ca_pst_sk",
    "ca_qst",
    "cd_nif",
    "ch_uid",
    "ch_vat",
    "cl_tin",
    "cm_niu",
    "cn_tin",
    "co_nit",
    "cr_tin",
    "cv_nif",
    "de_stn",
    "do_rcn",
    "ec_ruc",
    "eg_tin",
    "es_cif",
    "et_tin",
    "eu_oss_vat",
    "eu_vat",
    "fo_vat",
    "gb_vat",
    "ge_vat",
    "gi_tin",
    "gn_nif",
    "hk_br",
    "hr_oib",
    "hu_tin",
    "id_npwp",
    "il_vat",
    "in_gst",
    "is_vat",
    "it_cf",
    "jp_cn",
    "jp_rn",
    "jp_trn",
    "ke_pin",
    "kg_tin",
    "kh_tin",
    "kr_brn",
    "kz_bin",
    "la_tin",
    "li_uid",
    "li_vat",
    "lk_vat",
    "ma_vat",
    "md_vat",
    "me_pib",
    "mk_vat",
    "mr_nif",
    "mx_rfc",
    "my_frp",
    "my_itn",
    "my_sst",
    "ng_tin",
    "no_vat",
    "no_voec",
    "np_pan",
    "nz_gst",
    "om_vat",
    "pe_ruc",
    "ph_tin",
    "pl_nip",
    "py_ruc",
    "ro_tin",
    "rs_pib",
    "ru_inn",
    "ru_kpp",
    "sa_vat",
    "sg_gst",
    "sg_uen",
    "si_tin",
    "sn_ninea",
    "sr_fin",
    "sv_nit",
    "th_vat",
    "tj_tin",
    "tr_tin",
    "tw_vat",
    "tz_vat",
    "ua_vat",
    "ug_tin",
    "us_ein",
    "uy_ruc",
    "uz_tin",
    "uz_vat",
    "ve_rif",
    "vn_tin",
    "za_vat",
    "zm_tin",
    "zw_tin",
];

/// Billing details as they were typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Typed {
    /// The name on invoices.
    pub name: String,
    /// Where bills go.
    pub email: String,
    /// Street and number.
    pub line1: String,
    /// Floor, suite.
    pub line2: String,
    /// City.
    pub city: String,
    /// State, county, province.
    pub state: String,
    /// Postal code.
    pub postal_code: String,
    /// Two letters.
    pub country: String,
}

/// Billing details that Stripe can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The name on invoices.
    pub name: String,
    /// Where bills go.
    pub email: Email,
    /// The address, whole.
    pub address: Address,
}

impl Typed {
    /// What is kept of a company now, for its form.
    pub fn of(known: &Known) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            name: known.name.clone(),
            email: known.email.clone(),
            line1: text(&known.address.line1),
            line2: text(&known.address.line2),
            city: text(&known.address.city),
            state: text(&known.address.state),
            postal_code: text(&known.address.postal_code),
            country: text(&known.address.country),
        }
    }

    /// What it says, if every field can be accepted. Name, address for mails and country are needed: no invoice is right
    /// without them.
    ///
    /// # Errors
    /// Each field that cannot.
    pub fn check(&self) -> Result<Details, Vec<FieldError>> {
        let mut errors = Vec::new();
        let name = words(&self.name);
        if name.is_none() {
            errors.push(FieldError::new("name", "details-wrong-name"));
        }
        let email = self.email.trim().parse::<Email>().ok();
        if email.is_none() {
            errors.push(FieldError::new("email", "details-wrong-email"));
        }
        let mut line = |field: &str, typed: &str| {
            let typed = typed.trim();
            let line = words(typed);
            if line.is_none() && !typed.is_empty() {
                errors.push(FieldError::new(field, "details-wrong-line"));
            }
            line
        };
        let address = Address {
            line1: line("line1", &self.line1),
            line2: line("line2", &self.line2),
            city: line("city", &self.city),
            state: line("state", &self.state),
            postal_code: line("postal_code", &self.postal_code),
            country: Some(self.country.trim().to_uppercase()).filter(|code| countries::key(code).is_some()),
        };
        if address.country.is_none() {
            errors.push(FieldError::new("country", "details-wrong-country"));
        }
        match (name, email) {
            (Some(name), Some(email)) if errors.is_empty() => Ok(Details { name, email, address }),
            _ => Err(errors),
        }
    }
}

impl Details {
    /// Which fields differ from what is known: for the audit, which keeps no addresses.
    pub fn differences(&self, known: &Known) -> Vec<&'static str> {
        let (is, was) = (&self.address, &known.address);
        let all = [
            ("name", self.name != known.name),
            ("email", self.email.as_str() != known.email),
            ("line1", is.line1 != was.line1),
            ("line2", is.line2 != was.line2),
            ("city", is.city != was.city),
            ("state", is.state != was.state),
            ("postal_code", is.postal_code != was.postal_code),
            ("country", is.country != was.country),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
    }
}

/// A tax id as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TypedTaxId {
    /// One of [`TAX_ID_KINDS`].
    pub kind: String,
    /// The number.
    pub value: String,
}

impl TypedTaxId {
    /// The kind and the number, without blanks around it, if they can be one. Whether the number is right, Stripe decides.
    ///
    /// # Errors
    /// Each field that cannot, or that there are [`MOST_TAX_IDS`] already, or this one.
    pub fn check(&self, known: &[TaxId]) -> Result<(&'static str, String), Vec<FieldError>> {
        let mut errors = Vec::new();
        let kind = TAX_ID_KINDS.iter().copied().find(|kind| *kind == self.kind);
        if kind.is_none() {
            errors.push(FieldError::new("kind", "details-wrong-kind"));
        }
        let value = self.value.trim();
        let fits = (1..=50).contains(&value.chars().count()) && !value.chars().any(char::is_control);
        if !fits {
            errors.push(FieldError::new("value", "details-wrong-value"));
        } else if known.iter().any(|one| Some(one.kind.as_str()) == kind && one.value == value) {
            errors.push(FieldError::new("value", "details-same-value"));
        } else if known.len() >= MOST_TAX_IDS {
            errors.push(FieldError::new("value", "details-too-many"));
        }
        match kind {
            Some(kind) if errors.is_empty() => Ok((kind, value.to_owned())),
            _ => Err(errors),
        }
    }
}

/// What the portal knows of a company's details.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The name on invoices; that of the company until there is another.
    pub name: String,
    /// Where bills go; the company's until there is another.
    pub email: String,
    /// The address; empty until it is known.
    pub address: Address,
    /// The tax ids.
    pub tax_ids: Vec<TaxId>,
}

/// A tax id, as `sync` keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxId {
    /// Stripe's id.
    pub id: String,
    /// One of Stripe's kinds.
    #[serde(rename = "type")]
    pub kind: String,
    /// The number.
    pub value: String,
    /// What the authority said of it: `pending`, `verified`, `unverified`, `unavailable`.
    #[serde(default)]
    pub verification: Option<String>,
}

/// The country of a kind of tax ids, and what it is called there: `("ES", "CIF")`; `EU` stands for the Union.
pub fn parts_of_kind(kind: &str) -> (String, String) {
    let (country, name) = kind.split_once('_').unwrap_or(("", kind));
    let name = match name {
        "gst_hst" => "GST/HST".to_owned(),
        other => other.replace('_', " ").to_uppercase(),
    };
    (country.to_uppercase(), name)
}

/// Puts names in the order of the alphabet, accents aside.
pub fn sort_by_name<T>(all: &mut [(T, String)]) {
    all.sort_by_cached_key(|(_, name)| folded(name));
}

/// A name without accents and capitals, for sorting.
fn folded(name: &str) -> String {
    let plain = name.to_lowercase();
    let plain = plain.chars().map(|letter| match letter {
        'á' | 'à' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'ç' => 'c',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ó' | 'ò' | 'ô' | 'õ' | 'ö' | 'ø' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        other => other,
    });
    plain.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Language;

    fn typed() -> Typed {
        Typed {
            name: " Norte, S.L. ".into(),
            email: "cuentas@norte.example".into(),
            line1: "Calle Mayor 1".into(),
            country: "es".into(),
            ..Typed::default()
        }
    }

    #[test]
    fn what_is_typed_is_trimmed_and_what_is_empty_is_not_there() {
        let details = typed().check().expect("details");
        assert_eq!(details.name, "Norte, S.L.");
        assert_eq!((details.address.country.as_deref(), details.address.line2), (Some("ES"), None));
    }

    #[test]
    fn each_field_that_is_wrong_is_named() {
        let wrong = Typed {
            name: String::new(),
            email: "nobody".into(),
            city: "two\nlines".into(),
            country: "ZZ".into(),
            ..typed()
        };
        let fields: Vec<String> =
            wrong.check().expect_err("errors").into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["name", "email", "city", "country"]);
    }

    #[test]
    fn a_tax_id_is_of_a_known_kind_and_there_once() {
        let typed = |kind: &str, value: &str| TypedTaxId { kind: kind.into(), value: value.into() };
        let one = |n: usize| TaxId {
            id: format!("txi_{n}"),
            kind: "eu_vat".into(),
            value: format!("DE{n}"),
            verification: None,
        };
        assert_eq!(typed("eu_vat", " DE123456789 ").check(&[]), Ok(("eu_vat", "DE123456789".to_owned())));
        let many: Vec<TaxId> = (0..MOST_TAX_IDS).map(one).collect();
        let cases = [
            (typed("xx_vat", "1"), &many[..0], "details-wrong-kind"),
            (typed("eu_vat", "  "), &many[..0], "details-wrong-value"),
            (typed("eu_vat", "DE0"), &many[..1], "details-same-value"),
            (typed("eu_vat", "DE9"), &many[..], "details-too-many"),
        ];
        for (typed, known, key) in cases {
            let errors = typed.check(known).expect_err("an error");
            assert_eq!(errors.iter().map(|error| error.key).collect::<Vec<_>>(), [key], "{typed:?}");
        }
    }

    #[test]
    fn every_country_and_kind_has_a_name_and_they_are_in_order() {
        for language in Language::ALL {
            let mut all: Vec<_> =
                countries::COUNTRIES.iter().map(|(code, key)| (*code, language.word(key))).collect();
            sort_by_name(&mut all);
            let place = |code: &str| all.iter().position(|(known, _)| *known == code).expect("a country");
            assert!(place("AF") < place("EG") && place("EG") < place("ES") && place("ES") < place("ZW"));
        }
        for kind in TAX_ID_KINDS {
            let (country, name) = parts_of_kind(kind);
            assert!(country == "EU" || countries::key(&country).is_some(), "{kind}");
            assert!(!name.is_empty());
        }
    }
}
