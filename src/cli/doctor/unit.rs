//! The unit: whether the installed one is as strict as the shipped one, and whether what the configuration needs is open
//! in it.
//!
//! Both are read as systemd reads them, drop-ins after the file, an empty value taking back what stood before, as far as
//! the keys of the shipped unit go. A lock that was loosened is told, and so is an opening that nothing in the
//! configuration needs; an opening that it does need and has not got fails, with the lines for a drop-in. What is
//! stricter than the shipped unit is nobody's concern, and limits are a matter of taste: they are told as they are.
//!
//! Not decided here: what the kernel really lets through. Other sections, templates and specifiers are not read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::domain::path;
use crate::platform::contract::examine::{Level, Need};

use super::{Area, Doctor, Finding};

/// The unit as it is shipped.
pub const SHIPPED: &str = include_str!("../../../systemd/cadenced.service");
/// Where journald takes records.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Where the package has examples of drop-ins.
const DROP_INS: &str = "/usr/share/cadenced/drop-ins";

/// The unit as it stands on this machine: its file, then the drop-ins in the order in which they count.
#[derive(Debug, Default)]
pub struct Installed(pub Vec<(PathBuf, String)>);

/// What a configuration asks of the unit, beside what adapters and paths say.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Servers that are talked to, and who does.
    pub servers: Vec<(String, String)>,
    /// Whom names are asked of.
    pub resolvers: Vec<IpAddr>,
    /// Where requests are taken.
    pub listen: Option<std::net::SocketAddr>,
    pub journald: bool,
    /// Secrets that systemd is to hand over, by their names.
    pub credentials: Vec<String>,
    /// Folders that are written to, beside the store and those of accounts.
    pub written: Vec<PathBuf>,
}

/// Keys of which every word opens something.
const OPENINGS: &[&str] = &[
    "AmbientCapabilities",
    "BindPaths",
    "BindReadOnlyPaths",
    "CapabilityBoundingSet",
    "DeviceAllow",
    "ExecPaths",
    "IPAddressAllow",
    "ReadWritePaths",
    "RestrictAddressFamilies",
    "SocketBindAllow",
    "SupplementaryGroups",
];
/// Keys of which every word closes something.
const CLOSINGS: &[&str] = &["InaccessiblePaths", "IPAddressDeny", "NoExecPaths", "ReadOnlyPaths", "SocketBindDeny"];
/// Keys whose values add up, whatever they mean.
const LISTS: &[&str] = &["LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted"];
/// Further keys whose values add up.
const ADDING: &[&str] = &["After", "Environment", "OnFailure", "RestartPreventExitStatus", "SystemCallFilter", "Wants"];
/// Keys that may be set otherwise: limits, and how the service is looked after.
const TASTE: &[&str] = &[
    "After",
    "AssertPathIsDirectory",
    "CPUWeight",
    "Description",
    "Documentation",
    "Environment",
    "ExecReload",
    "ExecStartPre",
    "IOWeight",
    "LimitMEMLOCK",
    "LimitNOFILE",
    "MemoryHigh",
    "MemoryMax",
    "OOMScoreAdjust",
    "OnFailure",
    "RestartSec",
    "StartLimitBurst",
    "StartLimitIntervalSec",
    "TasksMax",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "WantedBy",
    "Wants",
    "WatchdogSec",
];

/// What a key says: its words, each with the file that it stands in. Present without a word is not the same as absent.
type Words = Vec<(String, PathBuf)>;

/// A unit as it is in force.
pub struct Unit(BTreeMap<String, Words>);

impl Unit {
    pub fn read<'f>(files: impl IntoIterator<Item = (&'f Path, &'f str)>) -> Self {
        let mut unit = Self(BTreeMap::new());
        for (file, text) in files {
            // A line that ends with a backslash goes on in the next one.
            let text = text.replace("\\\n", " ");
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';', '[']));
            for (key, value) in lines.filter_map(|line| line.split_once('=')) {
                unit.put(key.trim(), value.trim(), file);
            }
        }
        unit
    }

    fn put(&mut self, key: &str, value: &str, file: &Path) {
        let adds_up = is_list(key) || ADDING.contains(&key);
        let words = self.0.entry(key.to_owned()).or_default();
        if value.is_empty() || !adds_up {
            words.clear();
        }
        let found: Vec<&str> = if adds_up { value.split_whitespace().collect() } else { vec![value] };
        words.extend(found.into_iter().filter(|word| !word.is_empty()).map(|word| (word.to_owned(), file.to_owned())));
    }

    fn words(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(|(word, _)| word.as_str())
    }

    fn value(&self, key: &str) -> String {
        self.words(key).collect::<Vec<_>>().join(" ")
    }

    /// Whether one of a key's paths is `of` or above it. A bind's path is where it is seen.
    fn covers(&self, key: &str, of: &Path) -> bool {
        self.words(key).any(|word| of.starts_with(seen(word)))
    }

    fn shows(&self, path: &Path) -> bool {
        let root = self.value("RootDirectory");
        let shown = ["BindReadOnlyPaths", "BindPaths"].iter().any(|key| self.covers(key, path));
        (root.is_empty() || root == "/" || shown || self.owns(path)) && !self.covers("InaccessiblePaths", path)
    }

    /// Whether it is a folder that systemd makes for the service, or lies in one.
    fn owns(&self, path: &Path) -> bool {
        let below = |key, above: &str| self.words(key).any(|name| path.starts_with(Path::new(above).join(name)));
        below("StateDirectory", "/var/lib") || below("RuntimeDirectory", "/run")
    }

    fn writes(&self, path: &Path) -> bool {
        let strict = self.value("ProtectSystem") == "strict" || !self.value("RootDirectory").is_empty();
        self.owns(path) || !strict || (self.shows(path) && self.covers("ReadWritePaths", path))
    }

    fn runs(&self, program: &Path) -> bool {
        self.shows(program) && (self.words("NoExecPaths").next().is_none() || self.covers("ExecPaths", program))
    }

    fn reaches(&self, address: IpAddr) -> bool {
        let within = |key| self.words(key).any(|range| holds(range, address));
        !within("IPAddressDeny") || within("IPAddressAllow")
    }

    fn listens(&self, port: u16) -> bool {
        let within = |key| self.words(key).any(|rule| binds(rule, port));
        !within("SocketBindDeny") || within("SocketBindAllow")
    }

    /// Whether it hands over a credential of that name. A folder hands over one for each of its files.
    fn hands_over(&self, name: &str) -> bool {
        LISTS.iter().flat_map(|key| self.words(key)).any(|word| {
            let id = word.split(':').next().unwrap_or(word);
            id == name || (word.contains(":/") && name.strip_prefix(id).is_some_and(|rest| rest.starts_with('_')))
        })
    }
}

/// The path of a word such as `-+/a:/b`, as the service sees it.
fn seen(word: &str) -> &Path {
    let word = word.trim_start_matches(['-', '+']);
    let mut parts = word.split(':');
    let source = parts.next().unwrap_or(word);
    Path::new(parts.next().filter(|to| to.starts_with('/')).unwrap_or(source))
}

/// Whether an address lies in a range, as `IPAddressAllow` has them.
fn holds(range: &str, address: IpAddr) -> bool {
    let range = match range {
        "any" => return true,
        "localhost" => return address.is_loopback(),
        "link-local" => {
            return match address {
                IpAddr::V4(address) => address.is_link_local(),
                IpAddr::V6(address) => address.is_unicast_link_local(),
            };
        }
        "multicast" => return address.is_multicast(),
        range => range,
    };
    let (network, length) = range.split_once('/').unwrap_or((range, "128"));
    let (Ok(network), Ok(length)) = (network.parse(), length.parse::<u32>()) else { return false };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32 - length.min(32);
            network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128 - length.min(128);
            network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
        }
        _ => false,
    }
}

/// Whether a rule such as `ipv4:tcp:8000-8999` is about a port of TCP.
fn binds(rule: &str, port: u16) -> bool {
    rule.split(':').all(|part| match part {
        "any" | "ipv4" | "ipv6" | "tcp" => true,
        ports => {
            let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
            matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&port))
        }
    })
}

/// Something that the configuration needs of the unit.
struct Door {
    what: String,
    open: bool,
    remedy: String,
    served_by: Serves,
}

/// Whether a word of a key is there for a door.
type Serves = Box<dyn Fn(&str, &str) -> bool>;

pub fn unit(doctor: &Doctor<'_>) -> Vec<Finding> {
    let say = |level, what: String| Finding::new(Area::Unit, level, what);
    let Some(Installed(files)) = &doctor.subject.unit else { return Vec::new() };
    let installed = Unit::read(files.iter().map(|(file, text)| (file.as_path(), text.as_str())));
    let start = installed.value("ExecStart");
    if !start.split_whitespace().any(|word| Path::new(word) == doctor.subject.file) {
        return vec![say(Level::Ok, "cadenced.service runs another configuration, and was not looked at".into())];
    }
    let shipped = Unit::read([(Path::new("the shipped unit"), SHIPPED)]);
    let doors = doors(doctor, &installed);
    let mut findings = Vec::new();
    for door in doors.iter().filter(|door| !door.open) {
        let what = format!("the unit does not let the daemon {}", door.what);
        findings.push(say(Level::Fail, what).remedy(door.remedy.clone()));
    }
    findings.extend(differences(&shipped, &installed, &doors));
    if findings.iter().all(|finding| finding.level == Level::Ok) {
        let shown = files.first().map(|(file, _)| path::shown(file)).unwrap_or_default();
        findings.insert(
            0,
            say(Level::Ok, format!("{shown} is as strict as the shipped unit, and open where it has to be")),
        );
    }
    findings
}

/// What the installed unit has otherwise.
fn differences(shipped: &Unit, installed: &Unit, doors: &[Door]) -> Vec<Finding> {
    let say = |level, what: String| Finding::new(Area::Unit, level, what);
    let mut findings = Vec::new();
    for key in OPENINGS {
        let known: Vec<&str> = shipped.words(key).collect();
        for (word, file) in installed.0.get(*key).into_iter().flatten() {
            if known.contains(&word.as_str()) {
                continue;
            }
            let file = path::shown(file);
            if doors.iter().any(|door| (door.served_by)(key, word)) {
                findings.push(say(Level::Ok, format!("{key}={word} is opened in {file}, and needed")));
            } else {
                let what = format!("{key}={word} is opened in {file}, and nothing that doctor knows of needs it");
                findings.push(say(Level::Warn, what).remedy("take it out, unless you know what it is for"));
            }
        }
        // Absent, these let everything through.
        let absent = shipped.0.contains_key(*key) && !installed.0.contains_key(*key);
        if absent && matches!(*key, "RestrictAddressFamilies" | "CapabilityBoundingSet") {
            findings.push(loosened(key, shipped, "not set"));
        }
    }
    for key in CLOSINGS {
        for word in shipped.words(key).filter(|word| !installed.words(key).any(|own| own == *word)) {
            let what = format!("{key}={word} of the shipped unit is missing in the installed one");
            findings.push(say(Level::Warn, what).remedy("put it back, or install the shipped unit anew"));
        }
    }
    for key in shipped.0.keys().filter(|key| !is_list(key)) {
        let (ours, theirs) = (shipped.value(key), installed.value(key));
        if ours == theirs {
            continue;
        }
        let theirs = if theirs.is_empty() { "not set" } else { &theirs };
        if TASTE.contains(&key.as_str()) {
            findings.push(say(Level::Ok, format!("{key} is {theirs}, and {ours} in the shipped unit")));
        } else if key != "ExecStart" {
            findings.push(loosened(key, shipped, theirs));
        }
    }
    findings
}

fn is_list(key: &str) -> bool {
    [OPENINGS, CLOSINGS, LISTS].iter().any(|keys| keys.contains(&key))
}

fn loosened(key: &str, shipped: &Unit, theirs: &str) -> Finding {
    let ours = shipped.value(key);
    let ours = if ours.is_empty() { "empty" } else { &ours };
    Finding::new(Area::Unit, Level::Warn, format!("{key} is {theirs}, and {ours} in the shipped unit"))
        .remedy("take the line out, or install the shipped unit anew")
}

/// All that this configuration needs of the unit.
fn doors(doctor: &Doctor<'_>, unit: &Unit) -> Vec<Door> {
    let (subject, wishes) = (doctor.subject, &doctor.subject.wishes);
    let mut doors = Vec::new();
    doors.push(read(unit, &subject.queue));
    doors.extend(
        subject.secrets.iter().map(|file| Door {
            remedy:
                "let systemd hand it over: a file in /etc/cadenced/credentials is { credential = \"accounts_NAME\" }"
                    .into(),
            ..read(unit, file)
        }),
    );
    doors.push(write(unit, &subject.store));
    doors.extend(wishes.written.iter().map(|folder| write(unit, folder)));
    for need in subject.accounts.iter().flat_map(|patient| patient.adapter.needs()) {
        doors.push(match need {
            Need::Folder(folder) => write(unit, &folder),
            Need::Program(program) => run(unit, &program),
        });
    }
    for name in &wishes.credentials {
        doors.push(Door {
            what: format!("have the credential {name}"),
            open: unit.hands_over(name),
            remedy: drop_in("token.conf", &format!("LoadCredentialEncrypted={name}:/etc/cadenced/{name}.cred")),
            served_by: Box::new(|_, _| false),
        });
    }
    let asked = |host: &str| doctor.desk.addresses(host).into_iter();
    let servers = wishes
        .servers
        .iter()
        .flat_map(|(host, who)| asked(host).map(move |ip| (ip, format!("reach {host} ({ip}), which {who} talks to"))));
    let resolvers = wishes.resolvers.iter().map(|ip| (*ip, format!("ask {ip} for names, as /etc/resolv.conf says")));
    for (ip, what) in servers.chain(resolvers) {
        doors.push(Door {
            what,
            open: unit.reaches(ip),
            remedy: drop_in("lan.conf", &format!("IPAddressAllow={ip}")),
            served_by: Box::new(move |key, word| key == "IPAddressAllow" && holds(word, ip)),
        });
    }
    if let Some(listen) = wishes.listen {
        let (port, ip) = (listen.port(), listen.ip());
        let family = if ip.is_ipv4() { "ipv4" } else { "ipv6" };
        doors.push(Door {
            what: format!("take requests at {listen} (control.listen)"),
            open: unit.listens(port) && (unit.reaches(ip) || ip.is_unspecified()),
            remedy: drop_in("listen.conf", &format!("SocketBindAllow={family}:tcp:{port} and IPAddressAllow={ip}")),
            served_by: Box::new(move |key, word| match key {
                "SocketBindAllow" => binds(word, port),
                "IPAddressAllow" => holds(word, ip) || ip.is_unspecified(),
                _ => false,
            }),
        });
    }
    if wishes.journald {
        doors.push(Door { what: "reach journald (log.format)".into(), ..read(unit, Path::new(JOURNAL)) });
    }
    doors
}

fn drop_in(name: &str, lines: &str) -> String {
    format!("a drop-in, as {DROP_INS}/{name}, with {lines}")
}

fn read(unit: &Unit, file: &Path) -> Door {
    let shown = path::shown(file);
    let file = file.to_owned();
    Door {
        what: format!("see {shown}"),
        open: unit.shows(&file),
        remedy: drop_in("queue.conf", &format!("BindReadOnlyPaths={shown}")),
        served_by: Box::new(move |key, word| key.starts_with("Bind") && file.starts_with(seen(word))),
    }
}

fn write(unit: &Unit, folder: &Path) -> Door {
    let shown = path::shown(folder);
    let folder = folder.to_owned();
    Door {
        what: format!("write in {shown}"),
        open: unit.writes(&folder),
        remedy: drop_in("site.conf", &format!("BindPaths={shown} and ReadWritePaths=+{shown}")),
        served_by: Box::new(move |key, word| {
            matches!(key, "BindPaths" | "ReadWritePaths") && folder.starts_with(seen(word))
        }),
    }
}

/// A program, and whatever interprets it: nothing tells which that is.
fn run(unit: &Unit, program: &Path) -> Door {
    let shown = path::shown(program);
    let program = program.to_owned();
    let above = program.parent().map(path::shown).unwrap_or_default();
    Door {
        what: format!("run {shown}"),
        open: unit.runs(&program),
        remedy: drop_in(
            "exec.conf",
            &format!("BindReadOnlyPaths=/bin /usr/bin and ExecPaths=+/bin +/usr/bin +{above}"),
        ),
        served_by: Box::new(move |key, word| {
            let common = ["/bin", "/usr/bin"].iter().any(|folder| seen(word) == Path::new(folder));
            matches!(key, "BindReadOnlyPaths" | "ExecPaths") && (common || program.starts_with(seen(word)))
        }),
    }
}
