//! Task leases: what is done once for all processes.

use super::make::{SPAN, memory, pass};
use crate::open::Store;
use crate::record::Fenced;
use crate::task::Task;

async fn take(store: &Store, owner: &str) -> Fenced {
    store.take_task_lease(Task::CatchUp, owner, SPAN).await.unwrap()
}

#[tokio::test]
async fn a_task_lease_is_one_process_s_until_it_runs_out() {
    let store = memory().await;
    assert_eq!((take(&store, "a").await, take(&store, "b").await), (Fenced::Written, Fenced::LeaseLost));
    pass(7);
    assert_eq!((take(&store, "a").await, take(&store, "b").await), (Fenced::Written, Fenced::LeaseLost));
    pass(8);
    assert_eq!((take(&store, "b").await, take(&store, "a").await), (Fenced::Written, Fenced::LeaseLost));
}

#[tokio::test]
async fn a_task_lease_that_is_given_back_is_free_at_once() {
    let store = memory().await;
    take(&store, "a").await;
    store.take_task_lease(Task::CatchUp, "a", std::time::Duration::ZERO).await.unwrap();
    assert_eq!(take(&store, "b").await, Fenced::Written);
}

#[tokio::test]
async fn leases_of_different_tasks_are_independent() {
    let store = memory().await;
    take(&store, "a").await;
    assert_eq!(store.take_task_lease(Task::CleanUp, "b", SPAN).await.unwrap(), Fenced::Written);
}

#[tokio::test]
async fn one_of_many_who_ask_at_once_gets_the_task_lease() {
    let store = memory().await;
    let other = store.again().await;
    let asked = (0..20).map(|number| {
        let store = if number % 2 == 0 { Store::clone(&store) } else { other.clone() };
        tokio::spawn(async move { take(&store, &format!("process {number}")).await })
    });
    let mut had = 0;
    for asked in asked.collect::<Vec<_>>() {
        had += usize::from(asked.await.unwrap() == Fenced::Written);
    }
    assert_eq!(had, 1);
}
