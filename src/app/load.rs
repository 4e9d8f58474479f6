//! Reads the configuration and builds the accounts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::check::{build, platform_keys};
use crate::cli::exit::{Failure, Kind};
use crate::cli::faults::{self, Source};
use crate::cli::output::Page;
use crate::config::read::ConfigEnv;
use crate::config::{self, Settings};
use crate::domain::fault::Severity;
use crate::domain::{AccountId, Fault, SealKey, Secret, limits, path};
use crate::edge::beneath;
use crate::edge::chance::SystemChance;
use crate::edge::complaints::complaints;
use crate::edge::secrets::Vault;
use crate::engine::{AccountSetup, Seal};
use crate::platform::REGISTRY;
use crate::platform::contract::{Adapter, Secrets};

/// Fewest characters of the token for writes over TCP.
const CONTROL_TOKEN_CHARS: usize = 16;

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub adapters: BTreeMap<AccountId, Arc<dyn Adapter>>,
    pub warnings: Vec<Fault>,
}

/// Why a configuration cannot be used: everything that is wrong with it.
#[derive(Debug)]
pub struct Refusal {
    pub faults: Vec<Fault>,
    text: String,
}

/// Reads the configuration of a command; its faults are shown as a whole.
///
/// # Errors
/// With exit code 78.
pub fn load(file: &Path) -> Result<Loaded, Failure> {
    read(file).map_err(|refusal| {
        let mut shown = Vec::new();
        for fault in &refusal.faults {
            // Writing to memory does not fail.
            let _ = faults::write(&mut shown, fault, Source::Config(&refusal.text), super::look(Page::stderr()));
        }
        let _ = io::Write::write_all(&mut complaints(), &shown);
        let count = refusal.faults.len();
        let what = if count == 1 { "one fault".to_owned() } else { format!("{count} faults") };
        Failure::new(Kind::ConfigRefused, format!("the configuration {} is refused: {what}", path::shown(file)))
            .with_hint("cadenced check shows the same, and what is wrong in the queue")
    })
}

/// Reads the configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(file: &Path) -> Result<Loaded, Refusal> {
    let file = absolute(file);
    let bytes = beneath::read_file(&file, limits::FILE_BYTES).map_err(|error| {
        let place = crate::domain::Place::file(&path::shown(&file));
        let fault = Fault::error(place, format!("the configuration cannot be read: {error}"))
            .with_hint("name it with --config FILE or $CADENCED_CONFIG");
        Refusal { faults: vec![fault], text: String::new() }
    })?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let platforms = platform_keys(REGISTRY);
    let (state_directory, runtime_directory) = directories();
    let env = ConfigEnv {
        state_directory: state_directory.as_deref(),
        runtime_directory: runtime_directory.as_deref(),
        platforms: &platforms,
    };
    let draft = config::read::draft(&file, &bytes, &env);
    let mut faults = draft.faults;
    let Some(settings) = draft.settings else { return Err(Refusal { faults, text }) };
    let (adapters, more) = build(&settings, REGISTRY);
    faults.extend(more);
    faults.sort();
    if !draft.usable || faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(Refusal { faults, text });
    }
    Ok(Loaded { settings, adapters, warnings: faults })
}

/// The accounts with their secrets, ready for work.
///
/// # Errors
/// One fault for each secret that cannot be had, at the key that names it.
pub fn armed(loaded: &Loaded) -> Result<Vec<AccountSetup>, Vec<Fault>> {
    let vault = vault();
    let (seal, mut faults) = seal(loaded, &vault);
    let setups: Vec<AccountSetup> =
        unarmed(loaded).into_iter().map(|setup| arm(loaded, &vault, seal.as_ref(), setup, &mut faults)).collect();
    if faults.is_empty() { Ok(setups) } else { Err(faults) }
}

/// One account with those of its secrets that can be had, and what is wrong with the others.
pub fn armed_account(loaded: &Loaded, account: &AccountId) -> (Option<AccountSetup>, Vec<Fault>) {
    let vault = vault();
    let (seal, mut faults) = seal(loaded, &vault);
    let setup = unarmed(loaded).into_iter().find(|setup| setup.id == *account);
    (setup.map(|setup| arm(loaded, &vault, seal.as_ref(), setup, &mut faults)), faults)
}

/// Every account with those of its secrets that can be had, and what is wrong with the others; at last what is wrong with
/// the store's key.
pub fn armed_each(loaded: &Loaded) -> (Vec<(AccountSetup, Vec<Fault>)>, Vec<Fault>) {
    let vault = vault();
    let (seal, of_seal) = seal(loaded, &vault);
    let arm_one = |setup| {
        let mut faults = Vec::new();
        (arm(loaded, &vault, seal.as_ref(), setup, &mut faults), faults)
    };
    (unarmed(loaded).into_iter().map(arm_one).collect(), of_seal)
}

/// The secret that goes with the digest, where one is named.
///
/// # Errors
/// Why it cannot be had.
pub fn digest_token(loaded: &Loaded) -> Result<Option<Secret>, String> {
    let named = loaded.settings.digest.token.as_ref();
    named.map(|token| vault().resolve("token", token)).transpose().map_err(|error| error.to_string())
}

/// The token that writes over TCP need.
///
/// # Errors
/// One is named and cannot be had, or could not be sent in a header, or is soon guessed.
pub fn control_token(loaded: &Loaded) -> Result<Option<Secret>, Fault> {
    let Some(reference) = &loaded.settings.control.token else { return Ok(None) };
    let place = crate::domain::Place::file(&path::shown(&loaded.settings.file));
    let fault = |reason: String, hint: Option<&str>| Fault {
        hint: hint.map(ToOwned::to_owned),
        ..Fault::error(place.clone(), format!("control: {reason}"))
    };
    let token = vault().resolve("token", reference).map_err(|error| fault(error.to_string(), error.hint))?;
    let made = Some("head -c 32 /dev/urandom | base64 makes one");
    if token.expose().chars().count() < CONTROL_TOKEN_CHARS {
        return Err(fault(format!("the secret of \"token\" has fewer than {CONTROL_TOKEN_CHARS} characters"), made));
    }
    if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = "the secret of \"token\" holds blanks or letters that no header can carry";
        return Err(fault(reason.into(), made));
    }
    Ok(Some(token))
}

fn vault() -> Vault {
    Vault::new(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from))
}

fn arm(
    loaded: &Loaded,
    vault: &Vault,
    seal: Option<&Seal>,
    mut setup: AccountSetup,
    faults: &mut Vec<Fault>,
) -> AccountSetup {
    setup.seal = seal.cloned();
    let account = &loaded.settings.accounts[&setup.id];
    for (key, reference) in setup.adapter.secrets() {
        match vault.resolve(key, &reference) {
            Ok(secret) => {
                setup.secrets.0.insert(key.to_owned(), secret);
            }
            Err(error) => {
                let mut fault = Fault::error(account.place(key), format!("accounts.{}: {error}", setup.id));
                fault.hint = error.hint.map(ToOwned::to_owned);
                faults.push(fault);
            }
        }
    }
    setup
}

/// The key of the store's tokens, if it names one, and what is wrong with it.
pub fn seal_key(loaded: &Loaded) -> (Option<SealKey>, Vec<Fault>) {
    let (seal, faults) = seal(loaded, &vault());
    (seal.map(|seal| seal.key), faults)
}

/// What tokens are sealed with, if the store has a key.
fn seal(loaded: &Loaded, vault: &Vault) -> (Option<Seal>, Vec<Fault>) {
    let Some(seal) = &loaded.settings.seal else { return (None, Vec::new()) };
    let fault = |reason: String, hint: Option<&str>| Fault {
        hint: hint.map(ToOwned::to_owned),
        ..Fault::error(seal.place.clone(), reason)
    };
    let secret = vault.resolve("seal", &seal.secret).map_err(|error| fault(format!("store: {error}"), error.hint));
    let key = secret.and_then(|secret| {
        SealKey::new(&secret).map_err(|error| {
            let reason = format!("the secret of \"seal\" cannot be used: {error}");
            fault(reason, Some("head -c 32 /dev/urandom | base64 makes one"))
        })
    });
    match key {
        Ok(key) => (Some(Seal { key, chance: Arc::new(SystemChance) }), Vec::new()),
        Err(fault) => (None, vec![fault]),
    }
}

/// The accounts without their secrets: enough to plan and to check.
pub fn unarmed(loaded: &Loaded) -> Vec<AccountSetup> {
    let accounts = loaded.settings.accounts.values();
    accounts
        .filter_map(|account| {
            Some(AccountSetup {
                id: account.id.clone(),
                adapter: loaded.adapters.get(&account.id)?.clone(),
                secrets: Secrets::default(),
                schedule: account.schedule.clone(),
                policy: account.policy.clone(),
                rules: account.rules,
                links: account.links.clone(),
                paused: account.paused,
                identity: account.identity.clone(),
                token_expires: account.token_expires,
                seal: None,
            })
        })
        .collect()
}

/// `$STATE_DIRECTORY` and `$RUNTIME_DIRECTORY`, the first folder of each.
pub fn directories() -> (Option<String>, Option<String>) {
    let first = |name: &str| {
        let text = std::env::var(name).ok()?;
        text.split(':').next().filter(|path| !path.is_empty()).map(ToOwned::to_owned)
    };
    (first("STATE_DIRECTORY"), first("RUNTIME_DIRECTORY"))
}

/// The path from the root, without looking at what is there.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
