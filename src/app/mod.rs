//! The wiring: the only room that names the edge.
//!
//! [`main`] takes the command line and gives back how the process ends. `load` reads the configuration and builds the
//! accounts; `daemon` puts the parts together and runs the loop; `auth` obtains tokens and `doctor` looks for what would go
//! wrong, by `calls` of their own; `desk` answers commands, by asking the daemon or, when none runs, by opening the store and
//! letting the same engine answer; `outcome` hands in outcomes the same way; `folder` shows the queue folder to commands, `new` adds a post to it, and
//! `drafts` many from elsewhere.

mod auth;
mod calls;
mod control;
mod daemon;
mod desk;
mod digest;
mod doctor;
mod drafts;
mod folder;
mod load;
mod new;
mod outcome;
mod people;
mod restore;
mod verify;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::args::{ApproveArgs, CheckArgs, CheckFormat, OutcomeVerb, SchemaKind};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::faults::Look;
use crate::cli::output::Page;
use crate::cli::signing::Signer;
use crate::cli::{Cli, Command, approve, check, completions, man, schema};
use crate::domain::limits;
use crate::edge::beneath;
use crate::edge::clock::SystemClock;
use crate::edge::complaints::complaints;
use crate::edge::keygen::{Keygen, KeygenError};
use crate::edge::signatures;
use crate::parts::Clock as _;
use crate::platform::REGISTRY;
use crate::telemetry::format::Colour;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::of_this_process() {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    let exit = match carry_out(&cli) {
        Ok(exit) => exit,
        Err(failure) => {
            let _ = failure.render(Page::stderr(), &mut complaints());
            failure.exit()
        }
    };
    exit.into()
}

fn carry_out(cli: &Cli) -> Result<Exit, Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let exit = match &cli.command {
        Command::Run(args) => return daemon::run(&cli.config, *args),
        Command::Check(args) => checked(cli, args, &mut out),
        Command::New(args) => new::begin(&load::load(&cli.config)?, args, &mut out),
        Command::Approve(args) => approved(cli, args, &mut out),
        Command::Plan(args) => desk::plan(&load::load(&cli.config)?, args, &mut out),
        Command::Status(args) => desk::status(&load::load(&cli.config)?, args, &mut out),
        Command::Resolve(args) => desk::resolve(&load::load(&cli.config)?, args, &mut out),
        Command::Outcome(OutcomeVerb::Add(args)) => outcome::add(&load::load(&cli.config)?, args, &mut out),
        Command::Outcome(OutcomeVerb::Import(args)) => outcome::import(&load::load(&cli.config)?, args, &mut out),
        Command::Auth(args) => auth::obtain(&load::load(&cli.config)?, args, &mut out),
        Command::Inbox(args) => people::inbox(&load::load(&cli.config)?, args, &mut out),
        Command::People(args) => people::people(&load::load(&cli.config)?, args, &mut out),
        Command::Forget(args) => people::forget(&load::load(&cli.config)?, args, &mut out),
        Command::Report(args) if args.demo => desk::demo(args, &mut out),
        Command::Report(args) => desk::report(&load::load(&cli.config)?, args, &mut out),
        Command::Doctor(args) => doctor::examine(&cli.config, args, &mut out),
        Command::Export(args) => desk::export(&load::load(&cli.config)?, args, &mut out),
        Command::Import(args) if args.from.is_some() => drafts::import(&load::load(&cli.config)?, args, &mut out),
        Command::Import(args) => restore::import(&load::load(&cli.config)?, args, &mut out),
        Command::Verify => verify::verify(&load::load(&cli.config)?, &mut out),
        Command::Schema(args) => {
            let schema = match args.kind {
                SchemaKind::Config => schema::config(REGISTRY),
                SchemaKind::Queue => schema::queue(),
            };
            written(out.write_all(schema::print(&schema).as_bytes())).map(|()| Exit::Done)
        }
        Command::Completions(args) => written(completions::render(args.shell, &mut out)).map(|()| Exit::Done),
        Command::Man => written(man::render(&mut out)).map(|()| Exit::Done),
    }?;
    written(out.flush())?;
    Ok(exit)
}

/// A reader that went away (`| head`) is no failure of ours.
fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Kind::Internal, format!("failed to write the output: {error}")))
        }
        _ => Ok(()),
    }
}

fn look(page: Page) -> Look {
    match page.colour {
        Colour::Always => Look::Color,
        Colour::Never => Look::Plain,
    }
}

fn checked(cli: &Cli, args: &CheckArgs, out: &mut dyn std::io::Write) -> Result<Exit, Failure> {
    let file = load::absolute(&cli.config);
    let (state_directory, runtime_directory) = load::directories();
    let over = desk::finished(&file);
    let ask = check::Check {
        config_file: &file,
        config: beneath::read_file(&file, limits::FILE_BYTES).map_err(|error| error.to_string()),
        state_directory: state_directory.as_deref(),
        runtime_directory: runtime_directory.as_deref(),
        registry: REGISTRY,
        now: SystemClock.now(),
        format: match args.format {
            CheckFormat::Text => check::Format::Text(look(Page::stdout())),
            CheckFormat::Json => check::Format::Json,
        },
        over: &|delivery| over.contains_key(delivery),
        sent: &|delivery| over.get(delivery).copied().flatten(),
    };
    let folder = folder::Folder::only(&args.files);
    let code = check::check(&ask, &folder, out);
    match code {
        Ok(check::CLEAN) => Ok(Exit::Done),
        Ok(check::FINDINGS) => Ok(Exit::Findings),
        Ok(_) => Ok(Exit::Unusable),
        Err(error) => written(Err(error)).map(|()| Exit::Unusable),
    }
}

fn approved(cli: &Cli, args: &ApproveArgs, out: &mut dyn std::io::Write) -> Result<Exit, Failure> {
    let loaded = load::load(&cli.config)?;
    let signer = args.sign.then_some(SshSigner { key: args.key.as_deref(), loaded: &loaded });
    let how = match (&signer, &args.by) {
        (Some(signer), _) => approve::How::Signed(signer),
        (None, by) => approve::How::Written { by: by.as_deref().unwrap_or_default() },
    };
    let ask = approve::Approve {
        settings: &loaded.settings,
        what: &args.items,
        how,
        yes: args.yes,
        now: SystemClock.now(),
        look: look(Page::stdout()),
    };
    let folder = folder::Folder::all();
    match approve::approve(&ask, &folder, &mut std::io::stdin().lock(), out) {
        Ok(0) => Ok(Exit::Done),
        Ok(_) => Ok(Exit::Findings),
        Err(error) => written(Err(error)).map(|()| Exit::Findings),
    }
}

/// Signs with `ssh-keygen`, by the key that was named or one that the agent holds.
struct SshSigner<'a> {
    key: Option<&'a Path>,
    loaded: &'a load::Loaded,
}

impl SshSigner<'_> {
    fn keygen(&self) -> Result<Keygen, String> {
        let keygen = match (self.key, self.loaded.settings.queue.signers()) {
            (Some(key), _) => Ok(Keygen::with_key(key)),
            (None, Some(path)) => Keygen::with_agent(&signatures::allowed(path)?, SystemClock.now()),
            (None, None) => Err(KeygenError::NoKey),
        };
        keygen.map_err(|error| why_unsigned(&error))
    }
}

impl Signer for SshSigner<'_> {
    fn ready(&self) -> Result<(), String> {
        self.keygen().map(drop)
    }

    fn sign(&self, message: &str) -> Result<String, String> {
        self.keygen()?.sign(message.as_bytes()).map_err(|error| why_unsigned(&error))
    }
}

fn why_unsigned(error: &KeygenError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let hint = match error {
        KeygenError::NoAgent | KeygenError::NoKey | KeygenError::SeveralKeys(_) => "; name one with --key FILE",
        _ => "",
    };
    format!("{error}{cause}{hint}")
}
