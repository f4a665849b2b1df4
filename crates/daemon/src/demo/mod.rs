//! `demo`: the whole story on this machine, with a Stripe and an Adapty of our own.
//!
//! Time is compressed, not faked: a month lasts a few seconds, and the daemon is the real one.

mod stage;
mod story;

use crate::cli::Demo;
use crate::command_error::CommandError;
use crate::output;

/// Tells the story; fails unless every line of it came true.
pub(crate) async fn run(demo: Demo) -> Result<(), CommandError> {
    let mut stage = stage::Stage::set().await?;
    output::say(&stage.welcome());
    let told = story::tell(&mut stage).await;
    for line in stage.end_state() {
        output::say(&line);
    }
    output::say("");
    let failures = told?;
    if failures > 0 {
        stage.strike().await?;
        return Err(CommandError::Sentence(format!("{failures} lines of the story did not come true")));
    }
    output::say("Every line of the story came true.");
    if demo.keep {
        output::say(&stage.still_up());
        drop(tokio::signal::ctrl_c().await);
    }
    stage.strike().await
}
