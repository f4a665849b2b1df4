//! Which parked attention a command is about.

use crate::record::AttentionKind;

/// Parked attention that was not dropped.
#[derive(Clone, Debug)]
pub enum Selection {
    Ids(Vec<i64>),
    Kind(AttentionKind),
    All,
}
