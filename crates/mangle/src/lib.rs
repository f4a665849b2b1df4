//! Documents of the corpus in `tests/fuzz`, damaged at random: whatever a stranger sends must be refused in a sentence.
//!
//! A test draws a [`Damage`] with bolero's `check!`, for a bounded time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bolero::TypeGenerator;
use serde_json::{Map, Value, json};

/// How long a test draws: three seconds, or `GRANTSYNC_FUZZ_SECONDS`.
///
/// # Panics
/// When the variable is no number.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting of the program")]
pub fn span() -> Duration {
    let given = std::env::var("GRANTSYNC_FUZZ_SECONDS").ok();
    Duration::from_secs(given.map_or(3, |seconds| seconds.parse().expect("`GRANTSYNC_FUZZ_SECONDS` is a number")))
}

/// The documents of one folder of the corpus, in the order of their names.
#[derive(Clone, Debug)]
pub struct Corpus(Vec<Vec<u8>>);

/// Which document, and what happens to it.
#[derive(Clone, Debug, TypeGenerator)]
pub struct Damage {
    document: u8,
    hits: Vec<Hit>,
    /// Of the text itself, for one document in four: most is worth more while it still is JSON.
    cuts: Option<Cuts>,
}

/// Damage of what the text means; numbers choose a place, and wrap around.
#[derive(Clone, Debug, TypeGenerator)]
enum Hit {
    Drop(u16),
    Odd(u16, u8),
    Rename(u16, u8),
    Repeat(u16),
    Swap(u16, u16),
}

/// Damage of the text as such.
#[derive(Clone, Debug, TypeGenerator)]
struct Cuts {
    bytes: Vec<(u16, u8)>,
    doubled: Option<(u16, u8)>,
    end: Option<u16>,
}

/// Hits of one document at the most; more leave nothing that is read.
const MOST: usize = 6;
/// Values or bytes from which on a document is not repeated any further.
const LARGE: usize = 20_000;

impl Corpus {
    /// Reads a folder below `tests`; plans beside cases are no documents.
    ///
    /// # Panics
    /// When it is not there, or empty.
    #[must_use]
    pub fn of(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(folder);
        let listed = std::fs::read_dir(&root).unwrap_or_else(|error| panic!("reading `{}`: {error}", root.display()));
        let mut files: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_none_or(|ending| ending != "plan"));
        files.sort();
        let read = |file: &PathBuf| std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let documents: Vec<Vec<u8>> = files.iter().map(read).collect();
        assert!(!documents.is_empty(), "`{}` is empty", root.display());
        Self(documents)
    }

    /// Every document as it is.
    #[must_use]
    pub fn whole(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// A document of JSON, damaged.
    ///
    /// # Panics
    /// When it is no JSON to begin with.
    #[must_use]
    pub fn json(&self, damage: &Damage) -> Vec<u8> {
        let mut value: Value = serde_json::from_slice(self.chosen(damage)).expect("the corpus is JSON");
        for hit in damage.hits.iter().take(MOST) {
            hit.apply(&mut value);
        }
        damage.cut(value.to_string().into_bytes())
    }

    /// A document of any text, damaged.
    #[must_use]
    pub fn text(&self, damage: &Damage) -> Vec<u8> {
        let mut text = self.chosen(damage).to_vec();
        for hit in damage.hits.iter().take(MOST) {
            hit.tear(&mut text);
        }
        damage.cut(text)
    }

    fn chosen(&self, damage: &Damage) -> &[u8] {
        &self.0[usize::from(damage.document) % self.0.len()]
    }
}

impl Damage {
    fn cut(&self, mut text: Vec<u8>) -> Vec<u8> {
        let Some(cuts) = self.cuts.as_ref().filter(|_| self.document.is_multiple_of(4)) else { return text };
        for (at, byte) in cuts.bytes.iter().take(MOST) {
            if let Some(at) = place(*at, text.len()) {
                text[at] = *byte;
            }
        }
        if let Some((at, times)) = cuts.doubled
            && let Some(at) = place(at, text.len())
        {
            let tail = text[at..].repeat(usize::from(times % 8));
            text.extend(tail);
        }
        if let Some(end) = cuts.end.and_then(|end| place(end, text.len())) {
            text.truncate(end);
        }
        text
    }
}

impl Hit {
    fn apply(&self, document: &mut Value) {
        let count = count(document);
        if count > LARGE {
            return;
        }
        let at = |number: u16| usize::from(number) % count;
        match *self {
            Self::Drop(number) => with_child(document, at(number), &mut |holder, child| match (holder, child) {
                (Value::Object(fields), Child::Field(name)) => drop(fields.remove(&name)),
                (Value::Array(items), Child::Item(index)) => drop(items.remove(index)),
                _ => {}
            }),
            Self::Odd(number, what) => {
                if let Some(place) = nth(document, &mut at(number)) {
                    *place = odd(what);
                }
            }
            Self::Rename(number, what) => with_child(document, at(number), &mut |holder, child| {
                if let (Value::Object(fields), Child::Field(name)) = (holder, child) {
                    let value = fields.remove(&name).unwrap_or(Value::Null);
                    let odd = odd(what).as_str().map_or_else(|| name.to_uppercase(), str::to_owned);
                    fields.insert(odd, value);
                }
            }),
            Self::Repeat(number) => with_child(document, at(number), &mut |holder, child| {
                if let (Value::Array(items), Child::Item(index)) = (holder, child) {
                    let again = items[index].clone();
                    items.extend(std::iter::repeat_n(again, 100));
                }
            }),
            Self::Swap(one, another) => {
                let (one, another) = (at(one), at(another));
                let Some(value) = nth(document, &mut { one }).cloned() else { return };
                if let Some(place) = nth(document, &mut { another }) {
                    *place = value;
                }
            }
        }
    }

    fn tear(&self, text: &mut Vec<u8>) {
        let insert = |text: &mut Vec<u8>, at: usize, piece: &[u8]| drop(text.splice(at..at, piece.iter().copied()));
        let (Self::Drop(number)
        | Self::Odd(number, _)
        | Self::Rename(number, _)
        | Self::Repeat(number)
        | Self::Swap(number, _)) = *self;
        let Some(at) = place(number, text.len()) else { return };
        match *self {
            Self::Drop(_) => drop(text.remove(at)),
            Self::Odd(_, what) => {
                let odd = odd(what);
                let piece = odd.as_str().map_or_else(|| odd.to_string(), str::to_owned);
                insert(text, at, piece.as_bytes());
            }
            Self::Rename(..) => text[at] = text[at].to_ascii_uppercase(),
            Self::Repeat(_) if text.len() > LARGE => {}
            Self::Repeat(_) => {
                let line = text[at..].split(|byte| *byte == b'\n').next().unwrap_or_default().repeat(50);
                insert(text, at, &line);
            }
            Self::Swap(_, other) => {
                let other = usize::from(other) % text.len();
                text.swap(at, other);
            }
        }
    }
}

fn place(number: u16, length: usize) -> Option<usize> {
    usize::from(number).checked_rem(length)
}

/// Where a value stands in what holds it.
enum Child {
    Field(String),
    Item(usize),
}

/// All values of a document, itself among them.
fn count(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(count).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// The value that is so many values from the beginning.
fn nth<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Object(fields) => fields.values_mut().find_map(|field| nth(field, left)),
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, left)),
        _ => None,
    }
}

/// Calls `act` with what holds the value that is so many values from the beginning; the document itself is held by nothing.
fn with_child(value: &mut Value, number: usize, act: &mut dyn FnMut(&mut Value, Child)) {
    if number == 0 {
        return;
    }
    let mut left = number;
    let children: Vec<Child> = match value {
        Value::Object(fields) => fields.keys().cloned().map(Child::Field).collect(),
        Value::Array(items) => (0..items.len()).map(Child::Item).collect(),
        _ => return,
    };
    for child in children {
        if left == 1 {
            return act(value, child);
        }
        let held = match (&mut *value, &child) {
            (Value::Object(fields), Child::Field(name)) => fields.get_mut(name),
            (Value::Array(items), Child::Item(index)) => items.get_mut(*index),
            _ => None,
        };
        let Some(held) = held else { return };
        let within = count(held);
        if left <= within {
            return with_child(held, left - 1, act);
        }
        left -= within;
    }
}

/// What nobody expects there.
fn odd(what: u8) -> Value {
    let texts = [
        "",
        " ",
        "null",
        "\0",
        "../..",
        "cus_1?expand[]=*#",
        "cus_1\r\nX: y",
        "sub_1",
        "\u{202e}\u{1f4b8}é",
        "9999-12-31T23:59:59.999999+0000",
        "-99999-01-01T00:00:00Z",
        "2026-02-30T25:61:61Z",
        "true",
        "-1",
        "jpy",
        "unheard_of",
        "fuzz@example.com",
    ];
    let numbers =
        [json!(0), json!(-1), json!(1), json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!(1e308), json!(0.5)];
    let others = [
        Value::Null,
        Value::Bool(true),
        Value::Bool(false),
        json!([]),
        json!({}),
        json!([null]),
        json!({"id": "price_1"}),
        Value::String("x".repeat(20_000)),
        (0..100).fold(Value::Null, |inner, _| Value::Array(vec![inner])),
        Value::Object((0..200).map(|number| (format!("k{number}"), Value::Null)).collect::<Map<_, _>>()),
    ];
    let all = texts.len() + numbers.len() + others.len();
    let mut number = usize::from(what) % all;
    if let Some(text) = texts.get(number) {
        return (*text).into();
    }
    number -= texts.len();
    numbers.get(number).or_else(|| others.get(number.wrapping_sub(numbers.len()))).cloned().unwrap_or_default()
}
