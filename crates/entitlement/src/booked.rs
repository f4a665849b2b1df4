//! Under which ids the books know what was told: once told, they stay, whatever is read of the billing later.

use crate::plan::{GrantAccess, Sale};
use crate::sale_ids::entered;

/// `sale` under the ids that `told`, newest first, was told under: its own, else those of its chain and product.
/// A new one goes on with them, unless another of the `owed` has the same.
#[must_use]
pub(crate) fn booked<'a>(sale: &Sale, told: impl Iterator<Item = &'a GrantAccess> + Clone, owed: &[&Sale]) -> Sale {
    let Some(status) = &sale.status else { return sale.clone() };
    let sold = |of: &Sale| (of.original.clone(), of.product.clone());
    let mut of_chain = told.map(|grant| &grant.sale).filter(|of| sold(of) == sold(sale));
    let mut own = of_chain.clone().filter(|of| of.id == sale.id);
    if own.clone().any(|of| of.status.as_ref().is_some_and(|of| of.id == status.id)) {
        return sale.clone();
    }
    let is_free = |id: &String| !owed.iter().filter_map(|of| of.status.as_ref()).any(|of| of.id == *id);
    let next = || of_chain.find_map(|of| continued(sale, of)).filter(|(id, _)| is_free(id));
    let Some((id, original)) = own.next().map(ids).or_else(next) else { return sale.clone() };
    let mut booked = sale.clone();
    if let Some(status) = &mut booked.status {
        (status.id, status.original) = (id, original);
    }
    booked
}

/// What a transaction was told under.
pub(crate) fn ids(told: &Sale) -> (String, String) {
    match &told.status {
        Some(status) => (status.id.clone(), status.original.clone()),
        None => (entered(&told.id, None), entered(&told.original, None)),
    }
}

/// The ids of the next transaction on the chain of `told`; none where its own do not say how they were made.
fn continued(next: &Sale, told: &Sale) -> Option<(String, String)> {
    let original = &told.status.as_ref()?.original;
    let apart = match original.strip_prefix(told.original.as_str())? {
        "" => None,
        rest => Some(rest.strip_prefix(':')?),
    };
    Some((entered(&next.id, apart), original.clone()))
}
