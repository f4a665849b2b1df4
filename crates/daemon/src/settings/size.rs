//! Amounts of memory as operators write them.

/// What to write for a size.
pub(super) const HOW_TO_WRITE: &str = "a size such as `32MiB`";

/// Reads `1048576`, `512 KiB`, `32MiB` and `1GiB`.
pub(super) fn bytes(text: &str) -> Option<usize> {
    let text = text.trim();
    let digits = text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_size_is_a_number_with_a_unit() {
        for (text, size) in [("1048576", 1 << 20), ("32MiB", 32 << 20), (" 512 KiB ", 512 << 10), ("1GiB", 1 << 30)] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["", "MiB", "32 MB", "-1", "1.5MiB", "99999999999999999999", "99999999999999GiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
