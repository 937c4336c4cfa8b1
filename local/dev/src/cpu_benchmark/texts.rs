//! Texts as large as they may be: what chunking them costs depends on what they are made of.

use std::fs;

use crate::{Error, product::root};

/// What a document is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rust, with the symbols that its chunks are given.
    Code,
    /// Headings, lists, tables.
    Markdown,
    /// The same words without a structure that anybody looks for.
    Prose,
    /// Text without spaces, whose words a dictionary finds.
    Chinese,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Code, Self::Markdown, Self::Prose, Self::Chinese];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Markdown => "Markdown",
            Self::Prose => "prose",
            Self::Chinese => "Chinese",
        }
    }

    /// By its extension an upload is taken for what it is.
    const fn extension(self) -> &'static str {
        match self {
            Self::Code => "rs",
            Self::Markdown => "md",
            Self::Prose | Self::Chinese => "txt",
        }
    }
}

/// A text to cut documents from.
#[derive(Debug)]
pub(super) struct Source {
    kind: Kind,
    text: String,
}

impl Source {
    /// This repository's own texts; there is no Chinese among them.
    pub(super) fn of(kind: Kind) -> Result<Self, Error> {
        let files: &[&str] = match kind {
            Kind::Code => &[
                "consumers/src/chunk.rs",
                "consumers/src/embed.rs",
                "consumers/src/purge.rs",
                "pipeline/src/job/protocol.rs",
                "producers/src/http/operations.rs",
            ],
            Kind::Markdown => &["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"],
            Kind::Prose => &["docs/protocol.md", "SECURITY.md", "ARCHITECTURE.md"],
            Kind::Chinese => &[],
        };
        let mut text = if files.is_empty() { chinese() } else { String::new() };
        for file in files {
            text.push_str(&fs::read_to_string(root().join(file))?);
        }
        Ok(Self { kind, text })
    }

    /// The name and the text of a document of so many bytes at most, another for every number.
    pub(super) fn document(&self, number: usize, bytes: usize) -> (String, String) {
        let mut start = number * 997 % self.text.len();
        while !self.text.is_char_boundary(start) {
            start += 1;
        }
        let mut content = format!("{number}\n");
        content.push_str(&self.text[start..]);
        while content.len() < bytes {
            content.push_str(&self.text);
        }
        let mut end = bytes;
        while !content.is_char_boundary(end) {
            end -= 1;
        }
        content.truncate(end);
        (format!("{number}.{}", self.kind.extension()), content)
    }
}

/// Sentences of characters in ever another order: as hard to break into words as any.
fn chinese() -> String {
    const SENTENCES: [&str; 6] = [
        "工人离开以后，租约到期，清扫的人会找到这件事，再送出一封信。",
        "每一份文件先分成小段，然后变成向量，最后才能被人看见。",
        "如果今天的额度已经用完，剩下的工作要等到明天零点以后。",
        "问题写在队列里，答案写在数据库里，两者之间没有秘密。",
        "河水向东流，船上的人看着远方的山，谁也没有说话。",
        "程序运行得越快，等待的人就越少，电费也越便宜。",
    ];
    (0..240).map(|number| SENTENCES[(number * number + number / 7) % SENTENCES.len()]).collect()
}
