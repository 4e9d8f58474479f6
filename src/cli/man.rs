//! `cadenced man`: the manual page, made from the same texts as `--help`, all commands in one page.

use std::io::{self, Write};

use clap::CommandFactory as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::Cli;

/// Writes the page, section 8.
///
/// # Errors
/// When the output cannot be written.
pub fn render(out: &mut dyn Write) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let page = Man::new(command.clone()).title("CADENCED").section("8").manual("System administration");
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for verb in command.get_subcommands() {
        section(&mut roff, "cadenced", verb);
    }
    if let Some(after) = command.get_after_long_help() {
        roff.control("SH", ["EXAMPLES AND EXIT CODES"]);
        verbatim(&mut roff, &after.to_string());
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("systemctl"), roman("(1), "), bold("journalctl"), roman("(1)")]);
    roff.to_writer(out)
}

/// One command, and those that it has.
fn section(roff: &mut Roff, before: &str, verb: &clap::Command) {
    let name = format!("{before} {}", verb.get_name());
    roff.control("SS", [name.as_str()]);
    let mut verb = verb.clone();
    if let Some(about) = verb.get_long_about().or(verb.get_about()) {
        paragraphs(roff, &about.to_string());
    }
    roff.control("PP", []);
    let usage = verb.render_usage().to_string();
    roff.text([bold(usage.trim_start_matches("Usage: "))]);
    for argument in verb.get_arguments().filter(|argument| argument.get_id() != "config") {
        if matches!(argument.get_id().as_str(), "help" | "version") {
            continue;
        }
        roff.control("TP", []);
        roff.text([bold(argument.to_string())]);
        let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let values = argument.get_possible_values();
        let values: Vec<_> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        let choice = if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) };
        roff.text([roman(format!("{help}{choice}"))]);
    }
    if let Some(after) = verb.get_after_long_help() {
        verbatim(roff, &after.to_string());
    }
    for inner in verb.get_subcommands() {
        section(roff, &name, inner);
    }
}

fn paragraphs(roff: &mut Roff, text: &str) {
    for paragraph in text.split("\n\n") {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
}

/// Lines that stay as they are.
fn verbatim(roff: &mut Roff, text: &str) {
    roff.control("PP", []);
    roff.control("nf", []);
    for line in text.lines() {
        if line.is_empty() {
            roff.control("sp", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    roff.control("fi", []);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_holds_every_command_with_its_exit_codes() {
        let mut out = Vec::new();
        render(&mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        assert!(page.contains(".TH CADENCED 8"), "{page}");
        let command = Cli::command();
        let mut names: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        for verb in command.get_subcommands() {
            names.extend(verb.get_subcommands().map(|inner| format!("{} {}", verb.get_name(), inner.get_name())));
        }
        assert!(names.contains(&"outcome import".to_owned()), "{names:?}");
        for name in &names {
            assert!(page.contains(&format!(".SS \"cadenced {name}\"")), "{name}");
        }
        assert_eq!(page.matches("Exit codes:").count(), names.len() + 1);
        assert_eq!(page.matches(".TH").count(), 1);
    }
}
