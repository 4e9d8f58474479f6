//! The unit keeps its promises: what it names exists in the program, its list of addresses lets nothing inward, and
//! systemd itself takes it, with each of its drop-ins, and rates it as we say.

#![cfg(test)]

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use cadenced::cli::Exit;

const UNIT: &str = include_str!("../systemd/cadenced.service");

/// All values of a key, in order.
fn values(key: &str) -> Vec<&'static str> {
    UNIT.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).flat_map(str::split_whitespace).collect()
}

#[test]
fn refusals_are_not_tried_again_and_everything_else_is() {
    assert_eq!(values("Restart"), ["on-failure"]);
    let named: Vec<u8> = values("RestartPreventExitStatus").iter().map(|code| code.parse().unwrap()).collect();
    assert_eq!(named, [Exit::Store.code(), Exit::Config.code()]);
}

#[test]
fn a_finding_never_keeps_the_daemon_from_starting() {
    let check = values("ExecStartPre");
    assert!(check[0].starts_with('-'), "{check:?}");
    assert_eq!(check[1], "check");
}

/// systemd looks for it below RootDirectory, and for the check outside of its mounts, where it is not: the check would
/// fail before it has begun, and its failing is ignored.
#[test]
fn the_check_before_the_start_has_a_folder_to_stand_in() {
    assert_eq!(values("RootDirectoryStartOnly"), ["yes"]);
    assert!(values("WorkingDirectory").is_empty());
}

#[test]
fn commands_in_the_unit_can_be_parsed() {
    use clap::Parser as _;
    for key in ["ExecStart", "ExecStartPre"] {
        let words = values(key);
        cadenced::cli::Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
}

#[test]
fn it_waits_longer_than_the_daemon_does() {
    // The default of `delivery.stop_timeout`.
    const STOP_TIMEOUT: u64 = 75;
    assert!(values("TimeoutStopSec")[0].parse::<u64>().unwrap() >= STOP_TIMEOUT + 10);
}

#[test]
fn public_addresses_are_reached_and_no_others() {
    assert_eq!(values("IPAddressDeny"), ["any"]);
    for inward in [
        "0.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.0.0.54",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "ff02::1",
        "2002:a00:1::1",
    ] {
        assert!(!allowed(inward), "{inward} can be reached");
    }
    for public in [
        "1.1.1.1",
        "8.8.8.8",
        "9.9.9.9",
        "11.0.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "126.1.1.1",
        "128.0.0.1",
        "169.253.1.1",
        "169.255.1.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.0.1",
        "192.169.0.1",
        "198.17.0.1",
        "198.20.0.1",
        "203.5.6.7",
        "223.255.255.1",
        "127.0.0.53",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450::1",
        "2400:cb00::1",
        "3fff::1",
    ] {
        assert!(allowed(public), "{public} cannot be reached");
    }
}

/// What systemd says about the unit with one drop-in: complaints about it, and its exposure times ten. None where there
/// is no systemd to ask.
fn rated(drop_in: Option<&Path>) -> Option<(String, u32)> {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("cadenced.service");
    // Nobody has installed it here.
    fs::write(&unit, UNIT.replace("/usr/bin/cadenced ", concat!(env!("CARGO_BIN_EXE_cadenced"), " "))).unwrap();
    let alert = include_str!("../systemd/cadenced-alert.service");
    fs::write(folder.path().join("cadenced-alert.service"), alert).unwrap();
    if let Some(drop_in) = drop_in {
        let below = folder.path().join("cadenced.service.d");
        fs::create_dir(&below).unwrap();
        fs::copy(drop_in, below.join(drop_in.file_name().unwrap())).unwrap();
    }
    let ask = |args: &[&str]| Command::new("systemd-analyze").args(args).arg(&unit).output().ok();
    let verified = ask(&["verify", "--man=no"])?;
    let complaints =
        String::from_utf8_lossy(&verified.stderr).lines().filter(|line| line.contains("cadenced")).collect();
    let rated = ask(&["security", "--offline=true", "--no-pager"])?;
    let rated = String::from_utf8_lossy(&rated.stdout).into_owned();
    let level = rated.rsplit("exposure level for cadenced.service: ").next().unwrap_or_default();
    let level: String = level.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let (whole, tenth) = level.split_once('.').unwrap_or_else(|| panic!("no exposure: {rated}"));
    Some((complaints, whole.parse::<u32>().unwrap() * 10 + tenth.parse::<u32>().unwrap()))
}

#[test]
fn systemd_takes_the_unit_and_every_drop_in_and_rates_it_as_safe() {
    let drop_ins = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/drop-ins");
    let mut files: Vec<_> = fs::read_dir(drop_ins).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    for file in std::iter::once(None).chain(files.iter().map(|file| Some(file.as_path()))) {
        let Some((complaints, exposure)) = rated(file) else {
            let _ = writeln!(std::io::stderr(), "SKIPPED systemd_takes_the_unit: there is no systemd-analyze");
            return;
        };
        assert_eq!(complaints, "", "{file:?}");
        assert!(exposure <= 9, "{file:?}: {exposure} tenths");
    }
}

#[test]
fn the_page_shows_every_drop_in_as_it_is() {
    let page = include_str!("../docs/systemd.md");
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/drop-ins")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(page.contains(&format!("`{name}`")), "{name}");
        let (reason, lines) = text.split_once("[Service]\n").unwrap_or_else(|| panic!("{name}: no [Service]"));
        assert!(reason.lines().all(|line| line.starts_with("# ")) && reason.len() > 80, "{name} says why");
        assert!(page.contains(&format!("[Service]\n{lines}")), "{name}: {lines}");
    }
}

fn allowed(address: &str) -> bool {
    let address: IpAddr = address.parse().expect("the unit is well-formed");
    values("IPAddressAllow").iter().any(|range| {
        let (network, length) = match range.split_once('/') {
            Some((network, length)) => (
                network.parse().expect("the unit is well-formed"),
                length.parse::<u32>().expect("the unit is well-formed"),
            ),
            None => (range.parse().expect("the unit is well-formed"), 128),
        };
        match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - length.min(32);
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - length;
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    })
}
