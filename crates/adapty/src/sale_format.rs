//! How sales are written in v2's set-transaction.

/// How sales are written in v2's set-transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleFormat {
    /// `store_product_id` is the product, a colon and the price, not the product alone.
    pub with_price: bool,
    /// ISO 3166 code of the country of a price, where neither the user nor their card names one.
    pub country: String,
}
