//! Files for spreadsheets: RFC 4180, and no cell that a spreadsheet would take for a formula.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use crate::money::Money;

/// A table as CSV, row by row.
#[derive(Clone, Debug, Default)]
pub struct Csv {
    text: String,
    row_is_begun: bool,
}

impl Csv {
    /// A table that begins with the names of its columns.
    pub fn new(columns: &[&str]) -> Self {
        let mut csv = Self::default();
        for column in columns {
            csv.text(column);
        }
        csv.end_row();
        csv
    }

    /// A cell of words. A first character that spreadsheets read as the start of a formula gets an apostrophe before it.
    pub fn text(&mut self, words: &str) -> &mut Self {
        let formula = words.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0', '＝', '＋', '－', '＠']);
        let safe = if formula { format!("'{words}") } else { words.to_owned() };
        self.cell(&safe)
    }

    /// A cell of an amount: a plain decimal number, minus sign and all.
    pub fn money(&mut self, money: Money) -> &mut Self {
        self.cell(&money.decimal())
    }

    /// A cell of a whole number.
    pub fn number(&mut self, number: i64) -> &mut Self {
        self.cell(&number.to_string())
    }

    /// Ends the row.
    pub fn end_row(&mut self) {
        self.text.push_str("\r\n");
        self.row_is_begun = false;
    }

    fn cell(&mut self, content: &str) -> &mut Self {
        if self.row_is_begun {
            self.text.push(',');
        }
        self.row_is_begun = true;
        if content.contains([',', '"', '\r', '\n']) {
            self.text.push('"');
            self.text.push_str(&content.replace('"', "\"\""));
            self.text.push('"');
        } else {
            self.text.push_str(content);
        }
        self
    }

    /// The table so far.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The table as a file to keep. `name` is plain letters, digits and dashes, made by the program.
    pub fn file(self, name: &str) -> Response {
        let disposition = format!("attachment; filename=\"{name}.csv\"");
        let disposition =
            HeaderValue::from_str(&disposition).unwrap_or(HeaderValue::from_static("attachment"));
        let kind = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
        ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], self.text)
            .into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_formulas_are_defused() {
        let mut csv = Csv::new(&["a", "b, c"]);
        csv.text("say \"hi\"").text("=1+1").text("@x").text("-5").text("plain").text("").text("two\nlines");
        csv.money(Money::new(-5, Currency::EUR)).number(-7).end_row();
        assert_eq!(
            csv.as_str(),
            "a,\"b, c\"\r\n\"say \"\"hi\"\"\",'=1+1,'@x,'-5,plain,,\"two\nlines\",-0.05,-7\r\n"
        );
    }
}
