//! Which store this is, and on which machine it may be written to.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::Digest;
use crate::edge::disk::{Disk, How, read_full, write_all};

use super::{OpenError, Options, StoreId};

const VERSION: u32 = 1;

/// Larger files are no identity.
const BYTES: usize = 4096;

/// The file `identity` of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub store: StoreId,
    /// What tells the machine from others; kept as a hash, for it is nobody else's business.
    pub machine: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    version: u32,
    store: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
}

impl Identity {
    pub fn path(store: &Path) -> PathBuf {
        store.join("identity")
    }

    /// Reads it; `machine` is then the hash.
    pub fn read(disk: &dyn Disk, store: &Path) -> Result<Option<Self>, OpenError> {
        let path = Self::path(store);
        let io = |source| OpenError::Io { what: "read", path: path.clone(), source };
        let file = match disk.open(&path, How::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io(source)),
        };
        let mut bytes = vec![0; BYTES];
        let have = read_full(&*file, &mut bytes, 0).map_err(io)?;
        let corrupt = |why: &str| OpenError::Corrupt { file: path.clone(), offset: 0, why: why.into() };
        let text: Text =
            serde_json::from_slice(&bytes[..have]).map_err(|_| corrupt("it is not the identity of a store"))?;
        if text.version > VERSION {
            return Err(OpenError::Newer { file: path.clone(), what: format!("identity version {}", text.version) });
        }
        let id = from_hex(&text.store).ok_or_else(|| corrupt("its store id is none"))?;
        Ok(Some(Self { store: id, machine: text.machine }))
    }

    /// Writes it beside and renames it; `machine` is the plain one.
    pub fn write(&self, disk: &dyn Disk, store: &Path) -> Result<(), OpenError> {
        let text = Text {
            version: VERSION,
            store: self.store.to_string(),
            machine: self.machine.as_deref().map(|machine| hash(self.store, machine)),
        };
        let path = Self::path(store);
        let write = || {
            let aside = store.join("identity.tmp");
            let mut bytes = serde_json::to_vec(&text)?;
            bytes.push(b'\n');
            let file = disk.open(&aside, How::Create)?;
            write_all(&*file, &bytes, 0)?;
            file.sync()?;
            drop(file);
            disk.rename(&aside, &path)?;
            disk.sync_folder(store)
        };
        write().map_err(|source| OpenError::Io { what: "write", path: path.clone(), source })
    }

    /// Whether this machine may write to the store. Where either side has no name for the machine, nobody can tell,
    /// and it may.
    pub fn check(&self, store: &Path, options: &Options) -> Result<(), OpenError> {
        match (&self.machine, &options.machine) {
            (Some(theirs), Some(ours)) if *theirs != hash(self.store, ours) => {
                Err(OpenError::OtherMachine { store: store.into() })
            }
            _ => Ok(()),
        }
    }
}

fn hash(store: StoreId, machine: &str) -> String {
    Digest::of(format!("cadenced-store {store} {}", machine.trim()).as_bytes()).to_string()
}

fn from_hex(text: &str) -> Option<StoreId> {
    let mut id = [0u8; 16];
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(StoreId(id))
}
