//! The program `grantsync`: reads settings, wires the crates, runs the commands.

mod admin;
mod api;
mod catch_up;
mod cli;
mod clock;
mod command_error;
mod commands;
mod demo;
mod gates;
mod health;
mod http_server;
mod log_output;
mod logs;
mod output;
mod printable;
mod progress;
mod prometheus;
mod reconciliation_schedule;
mod retention;
mod rules;
mod serve;
mod settings;
mod shared_limits;
mod sources;
mod startup;
mod wiring;
mod workers;

use std::process::ExitCode;

use clap::Parser;
use rustix::fs::Mode;
use rustix::process::umask;

use crate::cli::{Cli, Command};
use crate::command_error::CommandError;
use crate::settings::Settings;

fn main() -> ExitCode {
    keep_files_private();
    let cli = Cli::parse();
    let quiet = match cli.command {
        Command::Serve(_) => "info",
        // a check reports what an upstream answers as a finding
        Command::Check(_) => "warn,wire=off",
        _ => "warn",
    };
    logs::start(cli.log, cli.log_filter.as_deref().unwrap_or(quiet));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(CommandError::because("starting the runtime", error)),
    };
    match outcome.and_then(|()| output::written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

/// Whatever is made (the database with its log, a saved case) is the user's alone.
fn keep_files_private() {
    let own = Mode::RWXG | Mode::RWXO;
    let wider = umask(own);
    umask(own | wider);
}

async fn run(cli: Cli) -> Result<(), CommandError> {
    match cli.command {
        Command::Demo(demo) => demo::run(demo).await,
        Command::Decide { case } => commands::decide::run(&case),
        Command::Completions { shell } => {
            commands::completions::run(shell);
            Ok(())
        }
        Command::Man { command } => commands::completions::man(&command),
        command => {
            let settings = Settings::load(cli.config.as_deref(), environment())?;
            // a check reports them as findings
            for warning in settings.warnings.iter().filter(|_| !matches!(command, Command::Check(_))) {
                tracing::warn!("{warning}");
            }
            with_settings(command, settings).await
        }
    }
}

async fn with_settings(command: Command, settings: Settings) -> Result<(), CommandError> {
    match command {
        Command::Serve(serve) => serve::run(&settings, &serve).await,
        Command::Check(check) => commands::check::run(&settings, check).await,
        Command::Migrate(migrate) => commands::migrate::run(&settings, migrate).await,
        Command::Resync(resync) => commands::resync::run(&settings, resync).await,
        Command::Reconcile(reconcile) => commands::reconcile::run(&settings, reconcile).await,
        Command::Status(status) => commands::status::run(&settings, status).await,
        Command::Link { account, user } => commands::link::run(&settings, &account, &user).await,
        Command::Profile(profile) => commands::profile::run(&settings, profile).await,
        Command::Grant(grant) => commands::overrides::grant(&settings, grant).await,
        Command::Revoke(revoke) => commands::overrides::revoke(&settings, revoke).await,
        Command::Unblock(unblock) => commands::overrides::unblock(&settings, unblock).await,
        Command::Promotions(promotions) => commands::overrides::promotions(&settings, promotions).await,
        Command::Blocks(blocks) => commands::overrides::blocks(&settings, blocks).await,
        Command::Audit(audit) => commands::audit::run(&settings, audit).await,
        Command::Attributes(attributes) => commands::overrides::attributes(&settings, attributes).await,
        Command::Explain(explain) => commands::explain::run(&settings, explain).await,
        Command::Parked(parked) => commands::parked::run(&settings, parked).await,
        Command::Ledger(ledger) => commands::ledger::run(&settings, ledger).await,
        Command::Events(events) => commands::events::run(&settings, events).await,
        Command::Demo(_) | Command::Decide { .. } | Command::Completions { .. } | Command::Man { .. } => Ok(()),
    }
}

/// The environment; a variable that is not UTF-8 cannot be one of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
