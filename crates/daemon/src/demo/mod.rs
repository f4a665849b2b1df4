//! `demo`: the life of a subscription on this machine, with a simulated Stripe and Adapty.
//!
//! Time is compressed, not faked: a month lasts a few seconds, and the daemon is the real one.

mod environment;
mod story;

use environment::Environment;

use crate::cli::Demo;
use crate::command_error::CommandError;
use crate::output;

/// Plays the story; fails unless every line of it is right.
pub(crate) async fn run(demo: Demo) -> Result<(), CommandError> {
    let mut environment = Environment::start().await?;
    output::text(&environment.welcome());
    let played = story::play(&mut environment).await;
    environment.end_state().iter().for_each(|line| output::say(line));
    output::say("");
    let wrong = played?;
    if wrong > 0 {
        environment.stop().await?;
        return Err(CommandError::Sentence(format!("{wrong} lines of the story are wrong")));
    }
    output::say("Every line of the story is right.");
    if demo.keep {
        output::text(&environment.still_running());
        drop(tokio::signal::ctrl_c().await);
    }
    environment.stop().await
}
