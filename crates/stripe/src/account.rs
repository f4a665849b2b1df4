//! How a customer at Stripe is written as an account.

use entitlement::model::account::Account;

/// The source before the colon.
pub const SOURCE: &str = "stripe";

/// The account of object `id`: `stripe:cus_…`, `stripe:cs_…` for a guest, or `stripe:acct_…/cus_…` in the connected account
/// (<https://docs.stripe.com/connect/authentication>) `connect`.
#[must_use]
pub fn of(connect: Option<&str>, id: &str) -> Account {
    match connect {
        Some(connect) => Account::new(SOURCE, &format!("{connect}/{id}")),
        None => Account::new(SOURCE, id),
    }
}

/// The connected account (`acct_…`) that `account` lives in.
#[must_use]
pub fn connect(account: &Account) -> Option<&str> {
    account.path().split_once('/').map(|(connect, _)| connect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_of_a_connected_account_keeps_both_ids() {
        let account = of(Some("acct_1"), "cus_1");
        assert_eq!(
            (account.as_str(), connect(&account), account.id()),
            ("stripe:acct_1/cus_1", Some("acct_1"), "cus_1")
        );
        assert_eq!((of(None, "cus_1").as_str(), connect(&of(None, "cus_1"))), ("stripe:cus_1", None));
    }
}
