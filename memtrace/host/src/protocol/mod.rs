//! What memtrace and its helper `memtrace-libvirt` say to each other over a socket pair: lines of
//! JSON. Requests have ids, several may be under way, and each has one answer. Neither side trusts
//! the other with memory: a line is of bounded length.

mod lines;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::lines::{Lines, TooLong};

/// The first argument of the helper, which refuses to speak another one.
pub const VERSION: &str = "1";
/// Longest line in bytes, without its end.
pub const LONGEST_LINE: usize = 1 << 20;
/// Longest text of XML in an answer, in bytes. Its quotes and line ends take two in JSON.
pub const LONGEST_XML: usize = 400 << 10;
/// Most domains of one list.
pub const MOST_DOMAINS: usize = 4096;
/// The daemon of qemu:///system, which is there without [`Ask::Open`].
pub const SYSTEM: u32 = 0;

/// From memtrace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub id: u64,
    /// Which of the libvirt daemons.
    pub daemon: u32,
    pub ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The daemon is the one whose socket came with this line, as a descriptor (SCM_RIGHTS).
    Open {
        /// It is a user's own, not one for all users.
        session: bool,
    },
    /// The daemon isn't asked any more.
    Close,
    /// Those of `only` that run.
    List { only: Vec<Uuid> },
    /// All about one domain.
    Look {
        uuid: Uuid,
        /// Also the XML that describes it.
        xml: bool,
    },
    /// Sets how often the guest is asked for statistics, for as long as the domain runs.
    Period { uuid: Uuid, seconds: u32 },
    /// Sets the live size, in KiB.
    Balloon { uuid: Uuid, kib: u64 },
}

/// From the helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Of the request.
    pub id: u64,
    pub said: Said,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// There is nothing more to say.
    Done,
    Domains(Vec<Domain>),
    Look(Box<Look>),
    /// The daemon has no such domain.
    NoDomain,
    /// Why not, in libvirt's words. Untrusted.
    Failed(String),
}

/// A domain that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    pub uuid: Uuid,
    /// As `virDomainState` has it.
    pub state: u32,
    /// Sizes in KiB.
    pub maximum: u64,
    pub memory: u64,
    /// Its process, as libvirt wrote it down. `None`: not known.
    #[serde(default)]
    pub pid: Option<u32>,
}

/// All about one domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    pub domain: Domain,
    /// Pairs of tag and value of `virDomainMemoryStats`.
    pub stats: Vec<(u32, u64)>,
    /// memtrace's own element in the domain's metadata.
    #[serde(default)]
    pub metadata: Option<String>,
    #[serde(default)]
    pub xml: Option<String>,
}

impl Request {
    /// Its line, with the end.
    pub fn line(&self) -> Vec<u8> {
        line(self)
    }

    /// # Errors
    /// When the line is none.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }
}

impl Answer {
    /// Its line, with the end. One that would be too long says so instead.
    pub fn line(&self) -> Vec<u8> {
        let whole = line(self);
        if whole.len() <= LONGEST_LINE {
            return whole;
        }
        line(&Self { id: self.id, said: Said::Failed("its answer is too long".to_owned()) })
    }

    /// # Errors
    /// When the line is none.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }
}

fn line(of: &impl Serialize) -> Vec<u8> {
    // Nothing in these types fails to be written.
    let mut line = serde_json::to_vec(of).unwrap_or_default();
    line.push(b'\n');
    line
}
