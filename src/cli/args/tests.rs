//! Commands, their options and their help.

use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory as _;
use insta::assert_snapshot;

use super::*;
use crate::control::protocol::Decision;

const PAGE: &str = include_str!("../../../docs/commands.md");

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn a_decision_is_exactly_one() {
    for line in [
        "cadenced resolve a@b --by me",
        "cadenced resolve a@b --by me --retry --drop",
        "cadenced resolve a@b --by me --retry --delivered https://x.example/1",
        "cadenced resolve a@b --by me --delivered nonsense",
        "cadenced resolve a@b --by me --delivered https://x.example/\u{202e}1",
        "cadenced resolve nonsense --by me --drop",
        "cadenced resolve a@b --drop --by \u{1b}[2J",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
    let Command::Resolve(args) = parse("cadenced resolve a@b --by me --delivered at://did:plc:x/y/z").unwrap().command
    else {
        panic!("another command")
    };
    assert_eq!(args.decision(), Decision::Delivered { url: "at://did:plc:x/y/z".into() });
    let Command::Resolve(args) = parse("cadenced resolve a@b --by me --retry").unwrap().command else {
        panic!("another command")
    };
    assert_eq!(args.decision(), Decision::Retry);
}

#[test]
fn the_configuration_may_be_named_before_and_after_the_verb() {
    for line in ["cadenced --config x.toml plan", "cadenced plan --config x.toml"] {
        assert_eq!(parse(line).unwrap().config, PathBuf::from("x.toml"));
    }
}

#[test]
fn days_and_names_have_limits() {
    assert!(parse("cadenced plan --days 0").is_err());
    assert!(parse("cadenced plan --days 99999").is_err());
    assert!(parse("cadenced approve a --by").is_err());
    assert!(parse("cadenced approve a").is_err());
    assert!(parse("cadenced approve a --sign --by me").is_err());
    assert!(parse("cadenced approve a --by me --key k").is_err());
    assert!(parse("cadenced approve a --sign --key k").is_ok());
    assert!(parse("cadenced status UPPER").is_err());
}

/// Every command that does something, with its words: `outcome add` and not `outcome`.
fn commands() -> Vec<(String, clap::Command)> {
    fn collect(before: &str, command: &clap::Command, all: &mut Vec<(String, clap::Command)>) {
        for inner in command.get_subcommands() {
            let name = format!("{before}{}", inner.get_name());
            if inner.has_subcommands() {
                collect(&format!("{name} "), inner, all);
            } else {
                all.push((name, inner.clone()));
            }
        }
    }
    let mut all = Vec::new();
    collect("", &Cli::command(), &mut all);
    all
}

#[test]
fn every_command_teaches() {
    for (name, command) in commands() {
        let after = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        assert!(after.contains("Examples:\n  cadenced "), "{name} has no examples");
        assert!(after.contains("Exit codes:\n  0 "), "{name} has no exit codes");
        assert!(after.lines().all(|line| line.len() <= 80), "{name} does not fit an old terminal");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{name} {} says nothing", argument.get_id());
        }
    }
}

#[test]
fn help_reads_well() {
    let mut command = Cli::command().term_width(80);
    command.build();
    let help = command.find_subcommand_mut("resolve").unwrap().render_long_help().to_string();
    let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    assert_snapshot!(help, @r#"
    Decide on a delivery that is uncertain, refused or missed

    `uncertain` means: it may have been published, and neither we nor the platform's
    API can tell. Look at the account, then say what you saw. The decision is
    recorded with your name.

    Usage: cadenced resolve [OPTIONS] <--delivered <URL>|--retry|--drop> <POST@ACCOUNT>

    Arguments:
      <POST@ACCOUNT>
              The delivery

    Options:
          --config <FILE>
              The configuration file

              [env: CADENCED_CONFIG]
              [default: /etc/cadenced/cadenced.toml]

          --delivered <URL>
              It is there: under this URL (or at:// URI)

          --retry
              It is surely not there: send it

          --drop
              Never send it

          --by <WHO>
              Who decides

              [env: USER]

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      cadenced resolve desk@fedi --delivered https://mastodon.example/@me/115
      cadenced resolve desk@fedi --retry --by editor@example.org
      cadenced resolve desk@fedi --drop

    Exit codes:
      0   recorded
      1   not recorded: no such delivery, or nothing to decide in its state
      2   the command cannot be used like this
      77  the store is refused
      78  the configuration is refused
    "#);
    assert_snapshot!(command.render_help(), @r#"
    Publishes approved posts on a steady schedule: exactly once, and with a durable
    record of every step

    Usage: cadenced [OPTIONS] <COMMAND>

    Commands:
      run          Run the daemon in the foreground
      check        Find what is wrong with the configuration, the queue and its
                   media
      plan         Show what goes out when, and what is held and why
      new          Begin a post: adds one to a queue file, to be filled in
      approve      Approve posts: exactly as they stand now
      status       Show where everything stands
      resolve      Decide on a delivery that is uncertain, refused or missed
      outcome      Record what came of posts: leads, customers, revenue
      auth         Obtain an account's token, prove it, and put it where the daemon
                   reads it
      doctor       Look for what would go wrong
      inbox        Show who waits for an answer
      people       Show who does something with our posts, and what they are to us
      forget       Remove a person from the store, at once and for good
      export       Write out everything that is recorded
      import       Make a store of an export, or drafts of posts from elsewhere
      verify       Read the whole store and say whether it is sound
      report       Look back: was the beat kept, and for whom
      schema       Print the JSON Schema of a kind of file
      completions  Print completions for a shell
      man          Print the manual page, all commands in one

    Options:
          --config <FILE>  The configuration file [env: CADENCED_CONFIG] [default:
                           /etc/cadenced/cadenced.toml]
      -h, --help           Print help (see more with '--help')
      -V, --version        Print version
    "#);
}

#[test]
fn the_page_has_the_same_commands_and_options() {
    let mut page: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = None;
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            current = heading.strip_prefix("cadenced ").map(ToOwned::to_owned);
            if let Some(name) = &current {
                page.insert(name.clone(), BTreeSet::new());
            }
        } else if let (Some(name), Some(option)) = (&current, line.strip_prefix("- `")) {
            let option = option.split('`').next().unwrap();
            page.get_mut(name).unwrap().insert(option.to_owned());
        }
    }
    let mut built_in = BTreeMap::new();
    for (name, command) in commands() {
        let options = command.get_arguments().filter(|argument| argument.get_id() != "config");
        built_in.insert(name, options.map(written).collect::<BTreeSet<_>>());
    }
    assert_eq!(page, built_in);
}

/// An argument as the page writes it: `--days N`, `FILES`, `--format table|json`.
fn written(argument: &clap::Arg) -> String {
    let values: Vec<_> = argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let takes_value = argument.get_action().takes_values();
    let value = match argument.get_value_names() {
        _ if takes_value && !values.is_empty() => values.join("|"),
        Some(names) if takes_value => names[0].to_string(),
        _ => String::new(),
    };
    let name = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    format!("{short}{name} {value}").trim().to_owned()
}

#[test]
fn examples_on_the_page_and_in_help_can_be_parsed() {
    let mut examples: Vec<String> = PAGE.lines().map(ToOwned::to_owned).collect();
    for command in commands().into_iter().map(|(_, command)| command).chain([Cli::command()]) {
        let after = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        examples.extend(after.lines().map(|line| line.trim().to_owned()));
    }
    let mut tried = 0;
    for example in examples.iter().filter(|line| line.starts_with("cadenced ")) {
        let words: Vec<_> = example
            .split("  ")
            .next()
            .unwrap()
            .split(' ')
            .take_while(|word| !matches!(*word, "<" | ">" | "|" | "||" | "#"))
            .collect();
        Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{example}: {error}"));
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}
