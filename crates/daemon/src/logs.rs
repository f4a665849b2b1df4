//! Log lines: for people by default, as JSON for machines.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

use crate::log_output::LogOutput;

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// One readable line for one thing that happened.
    #[default]
    Text,
    /// The same as one JSON object a line.
    Json,
}

/// Libraries whose finer lines would show paths with user ids in them, or statements; and what the driver says of parameters in
/// the database's address, which may be pieces of a password.
const CAPPED: [&str; 7] = [
    "h2=info",
    "hyper=info",
    "hyper_util=info",
    "reqwest=info",
    "rustls=info",
    "sqlx=warn",
    "sqlx_postgres::options=off",
];

/// Sends logs to standard error. `filter` is in the form of `RUST_LOG`; a filter that cannot be read logs at `info`.
pub(crate) fn start(form: LogForm, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let capped = CAPPED.iter().filter_map(|directive| directive.parse().ok());
    let filter = capped.fold(filter, EnvFilter::add_directive);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| LogOutput).with_target(false);
    // it would print what goes wrong with `eprintln`, which panics where standard error cannot be written
    let logs = logs.log_internal_errors(false);
    match form {
        LogForm::Text => logs
            .with_timer(ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".into()))
            .with_ansi(
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            )
            .init(),
        LogForm::Json => logs.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
}
