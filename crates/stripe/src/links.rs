//! Where a human sees an object in Stripe's dashboard.

use entitlement::model::account::Account;
use entitlement::model::mode::Mode;

use crate::account::connect;
use crate::kind::Kind;

/// The page of a customer, as the dashboard itself links to it: Stripe documents no addresses. `None` for a checkout session,
/// which has no page of its own, and in a connected account. A key that does not say its mode counts as live.
#[must_use]
pub fn dashboard(account: &Account, mode: Option<Mode>) -> Option<String> {
    let is_customer = Kind::of_id(account.id()) == Some(Kind::Customer);
    if !is_customer || connect(account).is_some() {
        return None;
    }
    let test = if mode == Some(Mode::Test) { "/test" } else { "" };
    Some(format!("https://dashboard.stripe.com{test}/customers/{}", account.id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account;

    #[test]
    fn a_customer_has_a_page_and_a_guest_has_none() {
        let page = |id, mode| dashboard(&account::of(None, id), mode);
        assert_eq!(page("cus_1", None).unwrap(), "https://dashboard.stripe.com/customers/cus_1");
        assert_eq!(page("cus_1", Some(Mode::Test)).unwrap(), "https://dashboard.stripe.com/test/customers/cus_1");
        assert_eq!(page("cs_1", Some(Mode::Live)), None);
        assert_eq!(dashboard(&account::of(Some("acct_1"), "cus_1"), None), None);
    }
}
