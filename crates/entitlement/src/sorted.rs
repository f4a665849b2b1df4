//! Lists in a stable order, so that it makes no difference how a source sorts them.

/// All, in the order of their ids.
pub(crate) fn sorted<T>(of: &[T], id: impl Fn(&T) -> &String) -> Vec<&T> {
    let mut all: Vec<_> = of.iter().collect();
    all.sort_by(|one, other| id(one).cmp(id(other)));
    all
}

/// The same, each id once: what is billed through two accounts of one user counts once.
pub(crate) fn each_once<T>(of: &[T], id: impl Fn(&T) -> &String) -> Vec<&T> {
    let mut all = sorted(of, &id);
    all.dedup_by(|one, other| id(one) == id(other));
    all
}
