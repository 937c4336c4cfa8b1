//! Packed documents as they are stored: items and revisions for rows, bytes for objects.

use pipeline::{
    ids::ItemId,
    job::{
        item::{ItemState, PackedDocument},
        message::Stage,
    },
    store::{documents::upload::NewRevision, jobs::create::NewItem},
    time::Timestamp,
};

use crate::{
    pack::{Batch, Pack},
    prepare::PreparedDocument,
};

/// The items of an upload: the packs of each batch, then the batch.
pub fn new_items(
    documents: &[PreparedDocument],
    batches: &[Batch],
    (of_packs, of_batches): (ItemState, ItemState),
    now: Timestamp,
) -> Vec<NewItem> {
    let mut items = Vec::new();
    for batch in batches {
        let first = items.len();
        let batch_place = first + batch.len();
        for pack in batch {
            let documents = packed_documents(documents, &pack.documents);
            items.push(NewItem {
                state: of_packs,
                batch: Some(batch_place),
                document_count: Some(documents.len()),
                documents,
                ..NewItem::queued(Stage::Chunk, now)
            });
        }
        items.push(NewItem {
            state: of_batches,
            packs: batch_place.checked_sub(1).map(|last| (first, last)),
            ..NewItem::queued(Stage::Embed, now)
        });
    }
    items
}

fn packed_documents(documents: &[PreparedDocument], places: &[usize]) -> Vec<PackedDocument> {
    let mut start = 0;
    places
        .iter()
        .filter_map(|place| documents.get(*place))
        .map(|prepared| {
            let end = start + prepared.document.content.len() as u64;
            let packed = PackedDocument { id: prepared.id.clone(), start, end };
            start = end;
            packed
        })
        .collect()
}

/// The numbers of the packs, in the order of the batches.
pub fn pack_numbers(items: &[NewItem], first: ItemId) -> Vec<ItemId> {
    (first.0..).zip(items).filter(|(_, item)| item.batch.is_some()).map(|(number, _)| ItemId(number)).collect()
}

/// What is stored of a pack.
pub fn bytes(documents: &[PreparedDocument], pack: &Pack) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pack.bytes);
    for prepared in pack.documents.iter().filter_map(|place| documents.get(*place)) {
        bytes.extend_from_slice(&prepared.document.content);
    }
    bytes
}

/// The pack of each document, in the order of the batches: its number, and the document's place.
pub fn places<'a>(batches: &'a [Batch], packs: &'a [ItemId]) -> impl Iterator<Item = (ItemId, usize)> + 'a {
    let planned = packs.iter().zip(batches.iter().flatten());
    planned.flat_map(|(number, pack)| pack.documents.iter().map(move |place| (*number, *place)))
}

/// The revisions that the documents take, with the packs that hold them.
pub fn revisions<'a>(
    documents: &'a [PreparedDocument],
    batches: &[Batch],
    packs: &[ItemId],
    now: Timestamp,
) -> Vec<NewRevision<'a>> {
    places(batches, packs)
        .filter_map(|(pack, place)| documents.get(place).map(|prepared| revision(prepared, pack, now)))
        .collect()
}

fn revision(prepared: &PreparedDocument, pack: ItemId, now: Timestamp) -> NewRevision<'_> {
    let description = &prepared.document.description;
    NewRevision {
        id: &prepared.id,
        pack,
        hash: &prepared.fingerprint,
        bytes: prepared.document.content.len(),
        created_at: description.created_at.unwrap_or(now).milliseconds(),
        external_id: description.external_id.as_deref(),
        title: description.title.as_deref(),
        kind: &description.kind,
        language: description.language.as_deref(),
        media_type: &description.media_type,
        tags: &description.tags,
        metadata: description.metadata.as_ref(),
        blob: description.blob.as_deref(),
    }
}
