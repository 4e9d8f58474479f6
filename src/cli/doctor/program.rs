//! Which program this is, how old it is, and whether the daemon is the same one.

use std::time::Duration;

use crate::domain::{Timestamp, time};
use crate::platform::contract::examine::Level;

use super::{Area, Doctor, Finding};

/// An older program is told of: platforms keep a version of their interface for one to two years.
const OLD: Duration = Duration::from_hours(365 * 24);

/// The program that examines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    pub version: String,
    /// The moment of its source, which packages are built with; not known of one that was built by hand.
    pub of: Option<Timestamp>,
    /// The daemon, where there is one.
    pub daemon: Option<Running>,
}

/// A daemon that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Running {
    Version(String),
    /// It is there, and has not answered in time.
    Silent,
}

pub(super) fn program(doctor: &Doctor<'_>) -> Vec<Finding> {
    let Program { version, of, daemon } = &doctor.subject.program;
    let of_a_day = of.map(|of| format!(" of {}", of.strftime("%Y-%m-%d"))).unwrap_or_default();
    let mut findings = vec![match of {
        Some(of) if time::since(doctor.desk.now(), *of) > OLD => {
            let what = format!("this is cadenced {version}{of_a_day}: platforms have changed their interfaces since");
            Finding::new(Area::Program, Level::Warn, what).remedy("install a newer version, and read its CHANGELOG")
        }
        _ => Finding::new(Area::Program, Level::Ok, format!("this is cadenced {version}{of_a_day}")),
    }];
    if let Some(Running::Version(daemon)) = daemon
        && daemon != version
    {
        let what = format!("the daemon that runs is cadenced {daemon}, and what is installed is {version}");
        findings.push(Finding::new(Area::Program, Level::Warn, what).remedy("systemctl restart cadenced"));
    }
    findings
}
