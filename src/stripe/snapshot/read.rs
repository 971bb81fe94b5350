//! Small helpers of the reader: null for nothing, an id or the whole object.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// `null` and a missing field are the default: Stripe writes both.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An object that Stripe gives by its id unless asked to expand it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Expandable<I, T> {
    /// The id alone.
    Id(I),
    /// The whole object.
    Object(Box<T>),
}

impl<I, T> Expandable<I, T> {
    /// The object, where it was expanded.
    pub fn object(&self) -> Option<&T> {
        match self {
            Self::Id(_) => None,
            Self::Object(object) => Some(object),
        }
    }
}

struct Either<I, T>(PhantomData<(I, T)>);

impl<'de, I: Deserialize<'de>, T: Deserialize<'de>> Visitor<'de> for Either<I, T> {
    type Value = Expandable<I, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id or an object")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        I::deserialize(StrDeserializer::new(text)).map(Expandable::Id)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|object| Expandable::Object(Box::new(object)))
    }
}

impl<'de, I: Deserialize<'de>, T: Deserialize<'de>> Deserialize<'de> for Expandable<I, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// The id of an object that may come whole.
struct Reference<I>(I);

struct ReferenceVisitor<I>(PhantomData<I>);

impl<'de, I: Deserialize<'de>> Visitor<'de> for ReferenceVisitor<I> {
    type Value = Reference<I>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id or an object with one")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        I::deserialize(StrDeserializer::new(text)).map(Reference)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut id = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "id" {
                id = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        id.map(Reference).ok_or_else(|| serde::de::Error::missing_field("id"))
    }
}

impl<'de, I: Deserialize<'de>> Deserialize<'de> for Reference<I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReferenceVisitor(PhantomData))
    }
}

/// The id of an object that must be named.
pub(super) fn id<'de, D: Deserializer<'de>, I: Deserialize<'de>>(deserializer: D) -> Result<I, D::Error> {
    Reference::deserialize(deserializer).map(|reference| reference.0)
}

/// The id of an object that may be named.
pub(super) fn optional_id<'de, D: Deserializer<'de>, I: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<I>, D::Error> {
    Option::<Reference<I>>::deserialize(deserializer).map(|reference| reference.map(|r| r.0))
}
