//! `completions` and `man`: what packagers install beside the program.

use clap::{Command, CommandFactory};

use crate::cli::{Cli, Shell};
use crate::command_error::CommandError;
use crate::output;

/// Prints the completions of the whole command line for one shell.
pub(crate) fn run(shell: Shell) {
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut Cli::command(), "grantsync", &mut script);
    output::text(String::from_utf8_lossy(&script).trim_end());
}

/// Prints the man page of the program, or of one command.
pub(crate) fn man(of: &[String]) -> Result<(), CommandError> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let page = clap_mangen::Man::new(named(root, of)?);
    let mut text = Vec::new();
    page.render(&mut text).map_err(|error| CommandError::because("writing the man page", error))?;
    output::text(String::from_utf8_lossy(&text).trim_end());
    Ok(())
}

fn named(root: Command, of: &[String]) -> Result<Command, CommandError> {
    let mut command = root;
    for name in of {
        let Some(found) = command.find_subcommand(name) else {
            return Err(CommandError::Usage(format!("there is no command `{}`; see `grantsync --help`", of.join(" "))));
        };
        command = found.clone();
    }
    Ok(command)
}
