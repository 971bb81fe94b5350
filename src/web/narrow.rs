//! What narrows a list, read from its address field by field.
//!
//! What cannot be understood is told at its field, and the list stays empty meanwhile: whoever looks for something must not take
//! everything for the answer, nor nothing.

use jiff::civil::Date;

use super::Page;
use crate::error::FieldError;

/// Reads the fields of a filter and gathers what is wrong with them. An empty field narrows nothing.
#[derive(Debug)]
pub struct Narrowing<'a> {
    page: &'a Page,
    wrong: Vec<FieldError>,
}

/// Whether any of the fields of a filter narrows anything.
pub fn narrows(fields: &[(&str, &str)]) -> bool {
    fields.iter().any(|(_, value)| !value.trim().is_empty())
}

/// The fields of a filter for an address, without those that narrow nothing; of the page after a row where its place is given.
pub fn narrowed(fields: &[(&str, &str)], after: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
    query.extend_pairs(after.map(|after| ("after", after)));
    query.finish()
}

/// The name of a field in the address, and the key of its words on the page.
pub type Named = (&'static str, &'static str);

impl<'a> Narrowing<'a> {
    /// Begins to read the filter of a page.
    pub const fn of(page: &'a Page) -> Self {
        Self { page, wrong: Vec::new() }
    }

    /// One of those that the field offers.
    pub fn choice<T>(&mut self, field: Named, text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.read(field, "web-no-choice", text, read)
    }

    /// When the first day begins and when the last one is over, in the reader's time zone; unix seconds.
    pub fn days(&mut self, from: (Named, &str), to: (Named, &str)) -> (Option<i64>, Option<i64>) {
        let zone = self.page.time_zone();
        let begins = |day: Date| Some((day, day.to_zoned(zone.clone()).ok()?.timestamp().as_second()));
        let ends = |day: Date| Some((day, begins(day.tomorrow().ok()?)?.1));
        let first = self.read(from.0, "web-no-day", from.1, |text| begins(text.parse().ok()?));
        let last = self.read(to.0, "web-no-day", to.1, |text| ends(text.parse().ok()?));
        if first.zip(last).is_some_and(|((first, _), (last, _))| first > last) {
            self.refuse(to.0, "web-no-span");
        }
        (first.map(|(_, at)| at), last.map(|(_, at)| at))
    }

    /// The place where a page of the list begins: right after the last row of the page before.
    pub fn after<T>(&mut self, text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.read(("main", "web-list"), "web-no-page", text, read)
    }

    /// The place of rows in the order of their time: that time and an id, with a dash between.
    pub fn after_time(&mut self, text: &str) -> Option<(i64, String)> {
        self.after(text, |text| {
            let (at, id) = text.split_once('-')?;
            Some((at.parse().ok()?, id.to_owned()))
        })
    }

    /// The filter, if all of it was understood.
    ///
    /// # Errors
    /// Each field that was not.
    pub fn filter<F>(self, filter: F) -> Result<F, Vec<FieldError>> {
        if self.wrong.is_empty() { Ok(filter) } else { Err(self.wrong) }
    }

    fn read<T>(
        &mut self,
        field: Named,
        key: &'static str,
        text: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let value = read(text);
        if value.is_none() {
            self.refuse(field, key);
        }
        value
    }

    fn refuse(&mut self, (field, label): Named, key: &'static str) {
        self.wrong.push(FieldError::new(field, key).with("field", self.page.t(label)));
    }
}
