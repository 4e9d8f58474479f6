//! The unit keeps its promises: what it names exists in the program, and its list of addresses lets nothing inward.

use std::net::IpAddr;

use cadenced::cli::Exit;

const UNIT: &str = include_str!("../systemd/cadenced.service");

/// All values of a key, in order.
fn values(key: &str) -> Vec<&'static str> {
    UNIT.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).flat_map(str::split_whitespace).collect()
}

#[test]
fn refusals_are_not_tried_again_and_everything_else_is() {
    assert_eq!(values("Restart"), ["always"]);
    let named: Vec<u8> = values("RestartPreventExitStatus").iter().map(|code| code.parse().unwrap()).collect();
    assert_eq!(named, [Exit::Store.code(), Exit::Config.code()]);
}

#[test]
fn a_finding_never_keeps_the_daemon_from_starting() {
    let check = values("ExecStartPre");
    assert!(check[0].starts_with('-'), "{check:?}");
    assert_eq!(check[1], "check");
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
