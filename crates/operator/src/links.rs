//! Links: which user an account belongs to, as an operator says.

use entitlement::model::account::Account;
use entitlement::model::user::User;
use store::link::{Link, OPERATOR};

use crate::error::OperatorError;
use crate::operator::Operator;

impl Operator {
    /// Links `account` to `user`, whatever a source says; the account and its former user become due.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn link(&self, account: Account, user: User) -> Result<(), OperatorError> {
        self.store.link(Link { account, user, origin: OPERATOR.to_owned() }, None).await?;
        Ok(())
    }
}
