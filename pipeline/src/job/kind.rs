//! Kinds of jobs.

use serde::{Deserialize, Serialize};

use crate::job::message::Stage;

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Documents that were uploaded are indexed.
    Index,
    /// A document that its owner deleted is purged; its receipt says what was removed where.
    Delete,
    /// Superseded revisions are purged: nobody asked for it, and lists leave it out. Named like its stage.
    #[serde(rename = "retire")]
    Purge,
    /// A pack whose vectors were evicted is embedded again.
    Restore,
    /// A question is answered.
    Chat,
    /// Idle conversations are archived.
    Archive,
    /// Memories are proposed of what was said in a session of Claude Code.
    Capture,
}

impl JobKind {
    /// Returns its name in D1 and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Delete => "delete",
            Self::Purge => Stage::Purge.name(),
            Self::Restore => "restore",
            Self::Chat => "chat",
            Self::Archive => "archive",
            Self::Capture => "capture",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_by_the_name_it_is_stored_under() {
        use JobKind::{Archive, Capture, Chat, Delete, Index, Purge, Restore};
        let names = [Index, Delete, Purge, Restore, Chat, Archive, Capture].map(|kind| {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("{:?}", kind.name()));
            assert_eq!(serde_json::from_str::<JobKind>(&json).unwrap(), kind);
            kind.name()
        });
        // Rows outlive a release: these are the names of every version so far.
        assert_eq!(names, ["index", "delete", "retire", "restore", "chat", "archive", "capture"]);
    }
}
