//! Documents to work units, sized by bytes: packs of at most [`PACK_BYTES`], batches of packs.

use pipeline::constants::{BATCH_BYTES, PACK_BYTES};

/// A pack: places of documents in the request. A document longer than a pack is alone in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// The documents, in order.
    pub documents: Vec<usize>,
    /// Their bytes together.
    pub bytes: usize,
}

/// A run of packs that are embedded together.
pub type Batch = Vec<Pack>;

/// Plans the packs and batches for documents of these sizes, in order.
pub fn plan(sizes: &[usize]) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut filled = 0;
    for pack in packs(sizes) {
        match batches.last_mut() {
            Some(batch) if filled + pack.bytes <= BATCH_BYTES => {
                filled += pack.bytes;
                batch.push(pack);
            }
            _ => {
                filled = pack.bytes;
                batches.push(vec![pack]);
            }
        }
    }
    batches
}

/// Long documents alone; the others first-fit in order into the last open pack.
fn packs(sizes: &[usize]) -> Vec<Pack> {
    let mut packs = Vec::new();
    let mut open: Option<Pack> = None;
    for (document, bytes) in sizes.iter().copied().enumerate() {
        if bytes > PACK_BYTES {
            packs.push(Pack { documents: vec![document], bytes });
            continue;
        }
        match &mut open {
            Some(pack) if pack.bytes + bytes <= PACK_BYTES => {
                pack.documents.push(document);
                pack.bytes += bytes;
            }
            _ => packs.extend(open.replace(Pack { documents: vec![document], bytes })),
        }
    }
    packs.extend(open);
    packs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_thousand_small_files_are_few_messages() {
        let batches = plan(&[2_048; 1_000]);
        let packs: usize = batches.iter().map(Vec::len).sum();
        // One message each for chunk (packs), embed and upsert (batches), three operations a message.
        assert_eq!((packs + 2 * batches.len()) * 3, 420, "{packs} packs, {} batches", batches.len());
    }

    proptest! {
        #[test]
        fn every_document_is_in_one_pack_within_the_limits(sizes in prop::collection::vec(1usize..200_000, 0..200)) {
            let batches = plan(&sizes);
            let mut seen: Vec<usize> = Vec::new();
            for batch in &batches {
                let bytes: usize = batch.iter().map(|pack| pack.bytes).sum();
                prop_assert!(bytes <= BATCH_BYTES || batch.len() == 1);
                for pack in batch {
                    prop_assert_eq!(pack.bytes, pack.documents.iter().map(|document| sizes[*document]).sum::<usize>());
                    prop_assert!(pack.bytes <= PACK_BYTES || pack.documents.len() == 1);
                    seen.extend(&pack.documents);
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..sizes.len()).collect::<Vec<_>>());
        }
    }
}
