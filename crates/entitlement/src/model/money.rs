//! An amount that carries its currency, exact in the currency's smallest unit.

use serde::{Deserialize, Serialize};

/// An amount as Stripe counts it: an integer in the smallest unit, with the lower-case ISO 4217 code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Smallest units (cents); negative for credits.
    pub minor: i64,
    /// Lower-case ISO 4217 code.
    pub currency: String,
}

/// Currencies without a smaller unit, from Stripe's page on currencies ("zero-decimal currencies").
const ZERO_DECIMAL: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];

/// Currencies of a thousand smaller units, from the same page ("three-decimal currencies").
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

impl Money {
    /// Nothing, in `currency`.
    #[must_use]
    pub fn zero(currency: &str) -> Self {
        Self { minor: 0, currency: currency.to_ascii_lowercase() }
    }

    /// The amount in major units as decimal text, for example `9.99`, `1200`, `1.250`.
    #[must_use]
    pub fn major(&self) -> String {
        let digits = self.digits();
        if digits == 0 {
            return self.minor.to_string();
        }
        let unit = 10_u64.pow(digits);
        let size = self.minor.unsigned_abs();
        let sign = if self.minor < 0 { "-" } else { "" };
        format!("{sign}{}.{:0width$}", size / unit, size % unit, width = digits as usize)
    }

    /// The upper-case ISO 4217 code, as destinations want it.
    #[must_use]
    pub fn code(&self) -> String {
        self.currency.to_ascii_uppercase()
    }

    fn digits(&self) -> u32 {
        let currency = self.currency.to_ascii_lowercase();
        if ZERO_DECIMAL.contains(&currency.as_str()) {
            return 0;
        }
        if THREE_DECIMAL.contains(&currency.as_str()) { 3 } else { 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn major(minor: i64, currency: &str) -> String {
        Money { minor, currency: currency.into() }.major()
    }

    #[test]
    fn the_decimal_point_follows_the_currency() {
        assert_eq!(major(999, "eur"), "9.99");
        assert_eq!(major(5, "usd"), "0.05");
        assert_eq!(major(-1205, "usd"), "-12.05");
        assert_eq!(major(1200, "JPY"), "1200");
        assert_eq!(major(1250, "kwd"), "1.250");
        assert_eq!(major(i64::MIN, "usd"), "-92233720368547758.08");
    }
}
