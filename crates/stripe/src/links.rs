//! Where a human sees an object in Stripe's dashboard.

use entitlement::names::{Account, Mode};

use crate::account::connect;
use crate::kind::Kind;

/// The page of a customer; `None` for a checkout session, which has no page of its own. A key that does not say its mode
/// counts as live.
///
/// Test data live below `/test`, those of a connected account below its id
/// (<https://docs.stripe.com/dashboard/basics>, <https://docs.stripe.com/connect/dashboard>).
#[must_use]
pub fn dashboard(account: &Account, mode: Option<Mode>) -> Option<String> {
    if Kind::of_id(account.id()) != Some(Kind::Customer) {
        return None;
    }
    let connect = connect(account).map_or(String::new(), |connect| format!("/{connect}"));
    let test = if mode == Some(Mode::Test) { "/test" } else { "" };
    Some(format!("https://dashboard.stripe.com{connect}{test}/customers/{}", account.id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account;

    #[test]
    fn a_customer_has_a_page_and_a_guest_has_none() {
        let page = |connect, id, mode| dashboard(&account::of(connect, id), mode);
        assert_eq!(page(None, "cus_1", None).unwrap(), "https://dashboard.stripe.com/customers/cus_1");
        let of_test = page(Some("acct_1"), "cus_1", Some(Mode::Test)).unwrap();
        assert_eq!(of_test, "https://dashboard.stripe.com/acct_1/test/customers/cus_1");
        assert_eq!(page(None, "cs_1", Some(Mode::Live)), None);
    }
}
