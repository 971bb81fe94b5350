//! Writes an invoice as a PDF: real text in the readers' built-in fonts, as many A4 pages as its lines need.
//!
//! It lays out what it is given, in words; it computes no amount. The built-in fonts know the Western European characters of
//! Windows-1252; others are written as `?`.
#![expect(clippy::float_arithmetic, reason = "points on a sheet of paper, never money")]

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

/// An invoice in words, as the page and the PDF show it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    /// Language code, for those who have the document read to them.
    pub(crate) language: &'static str,
    /// "Invoice" in the reader's language.
    pub(crate) title: String,
    /// Facts at the top: number, dates; label and value.
    pub(crate) facts: Vec<(String, String)>,
    /// "From" and the seller's lines.
    pub(crate) from: Party,
    /// "Bill to" and the customer's lines.
    pub(crate) to: Party,
    /// What is due or was paid, in one sentence.
    pub(crate) headline: String,
    /// Headings of the table: description, quantity, unit price, amount.
    pub(crate) headings: [String; 4],
    pub(crate) lines: Vec<Line>,
    /// Sums under the table, the last ones weightier.
    pub(crate) totals: Vec<Total>,
    /// What happened to the money afterwards: payments, refunds, disputes.
    pub(crate) history: Vec<String>,
    /// The line at the foot of every page.
    pub(crate) footer: String,
    /// "Page %n of %m", to be filled on each page.
    pub(crate) page_of: String,
}

/// One side of an invoice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Party {
    pub(crate) label: String,
    pub(crate) lines: Vec<String>,
}

/// A line of an invoice.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) description: String,
    /// The days it is for; empty where it has none.
    pub(crate) period: String,
    pub(crate) quantity: String,
    pub(crate) unit: String,
    pub(crate) amount: String,
}

/// A sum.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    pub(crate) label: String,
    pub(crate) amount: String,
    pub(crate) strong: bool,
}

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 54.0;
const RIGHT: f32 = WIDTH - MARGIN;
/// Right edges of quantity and unit price.
const QUANTITY: f32 = 370.0;
const UNIT: f32 = 455.0;
/// Where a page's lines end and its foot begins.
const FOOT: f32 = 84.0;

#[derive(Clone, Copy, Eq, PartialEq)]
enum Face {
    Plain,
    Bold,
}

/// The invoice as the bytes of a PDF.
pub(crate) fn write(sheet: &Sheet) -> Vec<u8> {
    let mut paper = Paper::new();
    heading(&mut paper, sheet);
    table_head(&mut paper, sheet);
    for line in &sheet.lines {
        if paper.y < FOOT + 34.0 {
            paper.turn();
            table_head(&mut paper, sheet);
        }
        table_line(&mut paper, line);
    }
    totals(&mut paper, sheet);
    for event in &sheet.history {
        paper.room(20.0);
        paper.text(MARGIN, Face::Plain, 9.0, event);
        paper.y -= 15.0;
    }
    assemble(paper.finish(sheet), sheet)
}

fn heading(paper: &mut Paper, sheet: &Sheet) {
    paper.text(MARGIN, Face::Bold, 22.0, &sheet.title);
    let seller = sheet.from.lines.first().map_or("", String::as_str);
    paper.text_to(RIGHT, Face::Bold, 12.0, seller);
    paper.y -= 34.0;
    for (label, value) in &sheet.facts {
        paper.text(MARGIN, Face::Bold, 9.0, label);
        paper.text(MARGIN + 110.0, Face::Plain, 9.0, value);
        paper.y -= 14.0;
    }
    paper.y -= 16.0;
    let top = paper.y;
    let mut lowest = top;
    for (x, party) in [(MARGIN, &sheet.from), (MARGIN + 250.0, &sheet.to)] {
        paper.y = top;
        paper.text(x, Face::Bold, 9.0, &party.label);
        for line in &party.lines {
            paper.y -= 13.0;
            paper.text(x, Face::Plain, 9.0, &fit(line, 230.0, Face::Plain, 9.0));
        }
        lowest = lowest.min(paper.y);
    }
    paper.y = lowest - 38.0;
    paper.text(MARGIN, Face::Bold, 15.0, &sheet.headline);
    paper.y -= 34.0;
}

fn table_head(paper: &mut Paper, sheet: &Sheet) {
    let [description, quantity, unit, amount] = &sheet.headings;
    paper.text(MARGIN, Face::Plain, 8.0, description);
    paper.text_to(QUANTITY, Face::Plain, 8.0, quantity);
    paper.text_to(UNIT, Face::Plain, 8.0, unit);
    paper.text_to(RIGHT, Face::Plain, 8.0, amount);
    paper.y -= 7.0;
    paper.rule(MARGIN, 0.8);
    paper.y -= 16.0;
}

fn table_line(paper: &mut Paper, line: &Line) {
    paper.text_to(QUANTITY, Face::Plain, 9.0, &line.quantity);
    paper.text_to(UNIT, Face::Plain, 9.0, &line.unit);
    paper.text_to(RIGHT, Face::Plain, 9.0, &line.amount);
    for part in wrap(&line.description, QUANTITY - MARGIN - 50.0, Face::Plain, 9.0) {
        paper.text(MARGIN, Face::Plain, 9.0, &part);
        paper.y -= 12.0;
    }
    if !line.period.is_empty() {
        paper.text(MARGIN, Face::Plain, 8.0, &line.period);
        paper.y -= 12.0;
    }
    paper.y -= 5.0;
}

fn totals(paper: &mut Paper, sheet: &Sheet) {
    let left = 300.0;
    paper.y -= 4.0;
    for total in &sheet.totals {
        paper.room(22.0);
        paper.rule(left, 0.4);
        paper.y -= 14.0;
        let face = if total.strong { Face::Bold } else { Face::Plain };
        paper.text(left, face, 9.0, &fit(&total.label, 160.0, face, 9.0));
        paper.text_to(RIGHT, face, 9.0, &total.amount);
        paper.y -= 7.0;
    }
    paper.y -= 24.0;
}

/// Pages as they fill, from the top of each to its foot.
struct Paper {
    done: Vec<Content>,
    current: Content,
    /// Points from the bottom of the page to the base line.
    y: f32,
}

impl Paper {
    fn new() -> Self {
        Self { done: Vec::new(), current: Content::new(), y: HEIGHT - MARGIN - 16.0 }
    }

    /// Begins the next page.
    fn turn(&mut self) {
        self.done.push(std::mem::replace(&mut self.current, Content::new()));
        self.y = HEIGHT - MARGIN - 16.0;
    }

    /// Begins the next page where this one has less than `points` left.
    fn room(&mut self, points: f32) {
        if self.y - points < FOOT {
            self.turn();
        }
    }

    fn text(&mut self, x: f32, face: Face, size: f32, text: &str) {
        let font = if face == Face::Bold { Name(b"B") } else { Name(b"P") };
        self.current.begin_text();
        self.current.set_font(font, size);
        self.current.next_line(x, self.y);
        self.current.show(Str(&encode(text)));
        self.current.end_text();
    }

    /// Text that ends at `right`.
    fn text_to(&mut self, right: f32, face: Face, size: f32, text: &str) {
        self.text(right - width(text, face, size), face, size, text);
    }

    fn rule(&mut self, from: f32, weight: f32) {
        self.current.set_line_width(weight).set_stroke_gray(0.6);
        self.current.move_to(from, self.y).line_to(RIGHT, self.y).stroke();
    }

    fn finish(mut self, sheet: &Sheet) -> Vec<Vec<u8>> {
        self.turn();
        let count = self.done.len();
        let mut pages = Vec::with_capacity(count);
        for (index, content) in std::mem::take(&mut self.done).into_iter().enumerate() {
            let page_of =
                sheet.page_of.replace("%n", &(index + 1).to_string()).replace("%m", &count.to_string());
            self.current = content;
            self.y = FOOT - 24.0;
            self.rule(MARGIN, 0.4);
            self.y -= 14.0;
            self.text(MARGIN, Face::Plain, 8.0, &fit(&sheet.footer, 380.0, Face::Plain, 8.0));
            self.text_to(RIGHT, Face::Plain, 8.0, &page_of);
            pages.push(std::mem::replace(&mut self.current, Content::new()).finish().to_vec());
        }
        pages
    }
}

fn assemble(pages: Vec<Vec<u8>>, sheet: &Sheet) -> Vec<u8> {
    let mut pdf = Pdf::new();
    let mut next = 1;
    let mut id = || {
        next += 1;
        Ref::new(next - 1)
    };
    let (catalog, tree, info, plain, bold) = (id(), id(), id(), id(), id());
    let refs = pages.iter().map(|_| (id(), id())).collect::<Vec<_>>();
    let mut root = pdf.catalog(catalog);
    root.pages(tree).lang(TextStr(sheet.language));
    root.viewer_preferences().display_doc_title(true);
    root.finish();
    pdf.pages(tree)
        .kids(refs.iter().map(|(page, _)| *page))
        .count(i32::try_from(refs.len()).unwrap_or(i32::MAX));
    let number = sheet.facts.first().map_or("", |(_, value)| value);
    pdf.document_info(info).title(TextStr(&format!("{} {number}", sheet.title)));
    for (font, name) in [(plain, Name(b"Helvetica")), (bold, Name(b"Helvetica-Bold"))] {
        pdf.type1_font(font).base_font(name).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    for ((page, content), bytes) in refs.into_iter().zip(pages) {
        let mut writer = pdf.page(page);
        writer.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(content);
        writer.resources().fonts().pair(Name(b"P"), plain).pair(Name(b"B"), bold);
        writer.finish();
        pdf.stream(content, &bytes);
    }
    pdf.finish()
}

/// Words in lines no wider than `room` points.
fn wrap(text: &str, room: f32, face: Face, size: f32) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let current = lines.last().map_or("", String::as_str);
        let longer = if current.is_empty() { word.to_owned() } else { format!("{current} {word}") };
        if current.is_empty() || width(&longer, face, size) <= room {
            lines.pop();
            lines.push(longer);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.into_iter().map(|line| fit(&line, room, face, size)).collect()
}

/// The text, cut with an ellipsis where it is wider than `room` points.
fn fit(text: &str, room: f32, face: Face, size: f32) -> String {
    if width(text, face, size) <= room {
        return text.to_owned();
    }
    let mut kept = text.to_owned();
    while !kept.is_empty() && width(&kept, face, size) + width("…", face, size) > room {
        kept.pop();
    }
    kept + "…"
}

/// Width in points, by the fonts' published metrics.
fn width(text: &str, face: Face, size: f32) -> f32 {
    let widths = if face == Face::Bold { &BOLD } else { &PLAIN };
    let thousandths = text.chars().map(|c| {
        let index = usize::try_from(u32::from(c)).unwrap_or_default().wrapping_sub(32);
        match c {
            '\u{a0}' => 278,
            '…' => 1000,
            _ => widths.get(index).copied().unwrap_or(556),
        }
    });
    f32::from(thousandths.fold(0u16, u16::saturating_add)) * size / 1000.0
}

/// Windows-1252.
fn encode(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| {
            u8::try_from(u32::from(c))
                .ok()
                .filter(|byte| !(0x80..0xa0).contains(byte))
                .unwrap_or_else(|| special(c))
        })
        .collect()
}

/// The characters that Windows-1252 has in places of its own.
fn special(c: char) -> u8 {
    match c {
        '€' => 0x80,
        '…' => 0x85,
        'Š' => 0x8a,
        'Œ' => 0x8c,
        'Ž' => 0x8e,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => 0x95,
        '–' => 0x96,
        '—' => 0x97,
        '™' => 0x99,
        'š' => 0x9a,
        'œ' => 0x9c,
        'ž' => 0x9e,
        'Ÿ' => 0x9f,
        '\u{202f}' | '\u{2009}' => 0xa0,
        '−' => b'-',
        _ => b'?',
    }
}

/// Widths of the characters from the blank to the tilde in Helvetica, in thousandths of the size.
const PLAIN: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// The same of Helvetica-Bold.
const BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278,
    556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584,
    556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556,
    333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(lines: usize) -> Sheet {
        let line = |n: usize| Line {
            description: format!(
                "{n} × Professional (at €99.00 / month) with a description that is longer than its column is wide"
            ),
            period: "November 21 – December 21, 2026".to_owned(),
            quantity: n.to_string(),
            unit: "€99.00".to_owned(),
            amount: "€1,234.50".to_owned(),
        };
        Sheet {
            language: "en",
            title: "Invoice".to_owned(),
            facts: vec![("Invoice number".to_owned(), "A1B2-0001".to_owned())],
            from: Party { label: "From".to_owned(), lines: vec!["Chatbots Ltd".to_owned()] },
            to: Party {
                label: "Bill to".to_owned(),
                lines: vec!["Ångström & Söhne (GmbH) \\ Łódź".to_owned()],
            },
            headline: "€1,234.50 paid on November 21, 2026".to_owned(),
            headings: ["Description", "Qty", "Unit price", "Amount"].map(str::to_owned),
            lines: (1..=lines).map(line).collect(),
            totals: vec![Total { label: "Total".to_owned(), amount: "€1,234.50".to_owned(), strong: true }],
            history: vec!["Refunded €5.00 on December 1, 2026".to_owned()],
            footer: "Sandbox. No real money.".to_owned(),
            page_of: "Page %n of %m".to_owned(),
        }
    }

    fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
        bytes.windows(wanted.len()).any(|window| window == wanted)
    }

    #[test]
    fn a_pdf_holds_the_words_of_the_invoice() {
        let bytes = write(&sheet(2));
        assert!(bytes.starts_with(b"%PDF-1."));
        assert!(bytes.trim_ascii_end().ends_with(b"%%EOF"));
        for words in ["A1B2-0001", "Chatbots Ltd", "Page 1 of 1", "Sandbox. No real money."] {
            assert!(holds(&bytes, words.as_bytes()), "{words}");
        }
        assert_eq!(encode("€ñ…Ł"), [0x80, 0xf1, 0x85, b'?'], "what the fonts know is kept");
    }

    #[test]
    fn many_lines_go_on_to_further_pages() {
        let bytes = write(&sheet(60));
        let pages = (2..9)
            .find(|pages| holds(&bytes, format!("Page 1 of {pages}").as_bytes()))
            .expect("more than one page");
        assert!(holds(&bytes, format!("Page {pages} of {pages}").as_bytes()));
        assert!(holds(&bytes, b"Refunded") || holds(&bytes, &encode("60")), "nothing is lost at a turn");
    }

    #[test]
    fn text_too_wide_for_its_place_is_wrapped_or_cut() {
        let parts = wrap("one two three four five six seven", 60.0, Face::Plain, 9.0);
        assert!(
            parts.len() > 1 && parts.iter().all(|part| width(part, Face::Plain, 9.0) <= 60.0),
            "{parts:?}"
        );
        assert!(width(&fit(&"W".repeat(99), 100.0, Face::Bold, 9.0), Face::Bold, 9.0) <= 100.0);
        assert_eq!(fit("short", 100.0, Face::Plain, 9.0), "short");
    }

    /// Read by eyes other than ours, where they are installed.
    #[test]
    fn another_program_reads_the_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), write(&sheet(30))).unwrap();
        match std::process::Command::new("pdftotext").arg("-layout").arg(file.path()).arg("-").output() {
            Ok(read) => {
                let text = String::from_utf8(read.stdout).unwrap();
                assert!(text.contains("Ångström & Söhne (GmbH) \\ ?ód?"), "{text}");
                assert!(text.contains("€1,234.50 paid on November 21, 2026"), "{text}");
                assert!(text.contains("Page 2 of ") && text.contains("Refunded €5.00"), "{text}");
                assert_eq!(String::from_utf8(read.stderr).unwrap(), "", "no complaints");
            }
            Err(_) => assert!(std::env::var_os("CI").is_none(), "pdftotext must be installed in CI"),
        }
    }
}
