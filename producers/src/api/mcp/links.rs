//! The names of what can be read: `friend://doc/{id}`, of some lines `friend://doc/{id}#L10-L42`.

use pipeline::ids::{ConversationId, DocumentId};

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// A document, or some lines of it.
    Document(DocumentId, Option<(i64, i64)>),
    /// A conversation.
    Conversation(ConversationId),
    /// Who the user is.
    Profile,
}

/// The link to who the user is.
pub const PROFILE: &str = "friend://profile";

/// The link to a document, or to some lines of it.
pub fn document(id: &DocumentId, lines: Option<(i64, i64)>) -> String {
    match lines {
        Some((first, last)) => format!("friend://doc/{id}#L{first}-L{last}"),
        None => format!("friend://doc/{id}"),
    }
}

/// Reads a link; `None` if it is none.
pub fn read(link: &str) -> Option<Link> {
    let place = link.strip_prefix("friend://")?;
    if place == "profile" {
        return Some(Link::Profile);
    }
    let (kind, rest) = place.split_once('/')?;
    let (id, fragment) = rest.split_once('#').map_or((rest, None), |(id, fragment)| (id, Some(fragment)));
    match (kind, fragment) {
        ("doc", None) => Some(Link::Document(DocumentId::parse(id)?, None)),
        ("doc", Some(fragment)) => Some(Link::Document(DocumentId::parse(id)?, Some(lines(fragment)?))),
        ("conversation", None) => Some(Link::Conversation(ConversationId::parse(id)?)),
        _ => None,
    }
}

/// `L10` or `L10-L42`.
fn lines(fragment: &str) -> Option<(i64, i64)> {
    let (first, last) = fragment.split_once('-').unwrap_or((fragment, fragment));
    let number = |text: &str| text.strip_prefix('L')?.parse::<i64>().ok().filter(|line| *line > 0);
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_where_it_was_made_for() {
        let id = DocumentId::parse("doc_wzqzsxyrpy7677dz97vxjyc3").unwrap();
        for lines in [None, Some((1, 1)), Some((10, 42))] {
            assert_eq!(read(&document(&id, lines)), Some(Link::Document(id.clone(), lines)));
        }
        assert_eq!(read(&format!("friend://doc/{id}#L7")), Some(Link::Document(id.clone(), Some((7, 7)))));
        assert_eq!(read(PROFILE), Some(Link::Profile));
        assert!(matches!(read("friend://conversation/con_06h0dx37mp3bjngpj5b09ty1j4"), Some(Link::Conversation(_))));
        for wrong in [
            "",
            "friend://",
            "friend://doc/",
            "friend://doc/x",
            "file:///etc/passwd",
            "friend://profile/",
            "doc",
            "friend://doc/doc_wzqzsxyrpy7677dz97vxjyc3#L0",
            "friend://doc/doc_wzqzsxyrpy7677dz97vxjyc3#L9-L3",
            "friend://doc/doc_wzqzsxyrpy7677dz97vxjyc3#x",
            "friend://doc/../doc_wzqzsxyrpy7677dz97vxjyc3",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
