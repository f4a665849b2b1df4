//! Turns: what is done once for all processes.

use super::make::{SPAN, memory, pass};
use crate::open::Store;
use crate::record::Held;
use crate::turns::Task;

async fn take(store: &Store, owner: &str) -> Held {
    store.take_turn(Task::CatchUp, owner, SPAN).await.unwrap()
}

#[tokio::test]
async fn a_turn_is_one_process_s_until_it_runs_out() {
    let store = memory().await;
    assert_eq!((take(&store, "a").await, take(&store, "b").await), (Held::Yes, Held::Lost));
    pass(7);
    assert_eq!((take(&store, "a").await, take(&store, "b").await), (Held::Yes, Held::Lost));
    pass(8);
    assert_eq!((take(&store, "b").await, take(&store, "a").await), (Held::Yes, Held::Lost));
}

#[tokio::test]
async fn a_turn_that_is_given_back_is_free_at_once() {
    let store = memory().await;
    take(&store, "a").await;
    store.take_turn(Task::CatchUp, "a", std::time::Duration::ZERO).await.unwrap();
    assert_eq!(take(&store, "b").await, Held::Yes);
}

#[tokio::test]
async fn turns_of_different_tasks_do_not_meet() {
    let store = memory().await;
    take(&store, "a").await;
    assert_eq!(store.take_turn(Task::CleanUp, "b", SPAN).await.unwrap(), Held::Yes);
}

#[tokio::test]
async fn one_of_many_who_ask_at_once_has_the_turn() {
    let store = memory().await;
    let other = store.again().await;
    let asked = (0..20).map(|number| {
        let store = if number % 2 == 0 { Store::clone(&store) } else { other.clone() };
        tokio::spawn(async move { take(&store, &format!("process {number}")).await })
    });
    let mut had = 0;
    for asked in asked.collect::<Vec<_>>() {
        had += usize::from(asked.await.unwrap() == Held::Yes);
    }
    assert_eq!(had, 1);
}
