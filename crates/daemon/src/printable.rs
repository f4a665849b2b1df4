//! Text from elsewhere, as a terminal may show it: what would move the cursor, colour, hide or turn around is written out.

/// One line: breaks are written out, too.
pub(crate) fn line(text: &str) -> String {
    escape(text, |_| false, |sign| sign.escape_default().to_string())
}

/// Several lines.
pub(crate) fn lines(text: &str) -> String {
    escape(text, |sign| matches!(sign, '\n' | '\t'), |sign| sign.escape_default().to_string())
}

/// A JSON document, which stays the same document.
pub(crate) fn json(text: &str) -> String {
    // outside of strings it holds none but line breaks
    escape(text, |sign| sign == '\n', |sign| format!("\\u{:04x}", u32::from(sign)))
}

fn escape(text: &str, is_kept: impl Fn(char) -> bool, written: impl Fn(char) -> String) -> String {
    if !text.contains(is_active) {
        return text.to_owned();
    }
    let signs = text.chars().map(|sign| if is_active(sign) && !is_kept(sign) { written(sign) } else { sign.into() });
    signs.collect()
}

/// Controls, line and paragraph separators, and what turns the direction of the text around.
fn is_active(sign: char) -> bool {
    sign.is_control()
        || matches!(sign, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_written_out() {
        let name = "a\u{1b}[31mb\r\u{7f}\u{9b}2J\u{202e}c\n\td";
        assert_eq!(line(name), r"a\u{1b}[31mb\r\u{7f}\u{9b}2J\u{202e}c\n\td");
        assert_eq!(lines("a\u{1b}b\n\tc"), "a\\u{1b}b\n\tc");
        assert_eq!(line("Zoë 👩‍👩‍👧 \\ \"x\""), "Zoë 👩‍👩‍👧 \\ \"x\"", "other text stays");
    }

    #[test]
    fn a_json_document_stays_the_same() {
        let document = serde_json::json!({ "name": "a\u{1b}\u{9b}\u{202e}\n" });
        let text = json(&serde_json::to_string_pretty(&document).unwrap());
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), document);
    }
}
