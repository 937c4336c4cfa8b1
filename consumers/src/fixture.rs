//! A user's index over the ports in memory, for the tests beside the stages.

use pipeline::{
    ids::{DocumentId, ItemId, JobId, UserId},
    job::{
        item::{Claim, ItemState, PackedDocument},
        kind::JobKind,
        message::{Message, Stage},
        protocol,
        purge::{self, Purge},
    },
    platform::{
        object_keys,
        ports::{Clock as _, ObjectStore as _, PutIf, Random as _},
        transaction::Transaction,
    },
    store::{
        counters,
        documents::{
            delete::{self, Cause},
            superseded,
            upload::{self, NewRevision, Upload},
        },
        jobs::create::{self, NewItem, NewJob},
        users,
    },
};
use test_platform::{InMemory, ready};

use crate::{Report, consume};

/// One user and what they have uploaded.
pub struct Index {
    /// The platform.
    pub memory: InMemory,
    /// The user.
    pub user: UserId,
}

impl Index {
    /// An empty index.
    pub fn new() -> Self {
        let memory = InMemory::default();
        let user = UserId::parse("usr_00000000000000000000000000").unwrap();
        ready(users::insert(&user, "a test", memory.now()).run(&memory)).unwrap();
        Self { memory, user }
    }

    /// The id of a document.
    pub fn document(&self, external_id: &str) -> DocumentId {
        DocumentId::from_external_id(&self.user, external_id)
    }

    /// Accepts an upload of these documents (external id and text), in one pack of one batch. Its pack is
    /// the item that is returned, its batch the one after it.
    pub fn upload(&self, documents: &[(&str, &str)]) -> ItemId {
        let ids: Vec<DocumentId> = documents.iter().map(|(external_id, _)| self.document(external_id)).collect();
        let bytes: Vec<u8> = documents.iter().flat_map(|(_, text)| text.bytes()).collect();
        let job = JobId::new(self.memory.now(), self.memory.bytes());
        let pack = ready(self.insert_uploading(&job, packed(&ids, documents)));
        assert!(ready(self.memory.put(&object_keys::pack(&self.user, pack), bytes, PutIf::Absent)).unwrap());
        ready(self.accept(&job, pack, &ids, documents));
        pack
    }

    async fn insert_uploading(&self, job: &JobId, packed: Vec<PackedDocument>) -> ItemId {
        let now = self.memory.now();
        let state = ItemState::Uploading;
        let new = NewJob {
            id: job,
            user: &self.user,
            kind: JobKind::Index,
            is_accepted: false,
            items: 2,
            documents: packed.len(),
            key: None,
            now,
        };
        let items = [
            NewItem { state, batch: Some(1), documents: packed, ..NewItem::queued(Stage::Chunk, now) },
            NewItem { state, packs: Some((0, 0)), ..NewItem::queued(Stage::Embed, now) },
        ];
        let mut transaction = Transaction::default();
        let row = transaction.query(create::job(new));
        transaction.write(counters::take_item_numbers(job, items.len()));
        transaction.query(create::items(job, &items, now).unwrap());
        transaction.commit(&self.memory).await.unwrap().first(row).unwrap().unwrap().first_item
    }

    async fn accept(&self, job: &JobId, pack: ItemId, ids: &[DocumentId], documents: &[(&str, &str)]) {
        let now = self.memory.now();
        let revisions: Vec<NewRevision<'_>> = ids
            .iter()
            .zip(documents)
            .map(|(id, (external_id, text))| NewRevision {
                id,
                pack,
                hash: text,
                bytes: text.len(),
                created_at: now.milliseconds(),
                external_id: Some(external_id),
                title: Some(external_id),
                kind: "doc",
                language: None,
                media_type: "text/plain",
                tags: &[],
                metadata: None,
            })
            .collect();
        let upload = Upload::new(&self.user, job, &revisions, now).unwrap();
        let mut transaction = Transaction::default();
        transaction.write(create::accept(job, now));
        transaction.write_all(superseded::by_upload(&upload));
        self.schedule_purge(&mut transaction, JobKind::Purge);
        transaction.write_all(upload::take_revisions(&upload));
        transaction.announce(create::release_upload(job, now));
        transaction.commit(&self.memory).await.unwrap();
    }

    fn schedule_purge(&self, transaction: &mut Transaction, kind: JobKind) -> JobId {
        let now = self.memory.now();
        let job = JobId::new(now, self.memory.bytes());
        purge::schedule(transaction, Purge { job: &job, user: &self.user, kind, due: now, now }).unwrap();
        job
    }

    /// Deletes a document; the job that purges it.
    pub fn delete(&self, external_id: &str) -> JobId {
        let (document, now) = (self.document(external_id), self.memory.now());
        let mut transaction = Transaction::default();
        transaction.write(superseded::by_delete(&self.user, &document, Cause::Owner, now));
        let job = self.schedule_purge(&mut transaction, JobKind::Delete);
        transaction.write(delete::tombstone(&self.user, &document, Cause::Owner, now));
        ready(transaction.commit(&self.memory)).unwrap();
        job
    }

    /// Consumes the message of an item.
    pub fn consume(&self, stage: Stage, item: ItemId) -> Report {
        ready(consume(&self.memory, "a message", &self.message(stage, item).encode(), 1))
    }

    /// Claims an item; `None` if there is nothing to do.
    pub fn claim(&self, stage: Stage, item: ItemId) -> Option<Claim> {
        ready(protocol::claim(&self.memory, &self.message(stage, item))).unwrap()
    }

    fn message(&self, stage: Stage, item: ItemId) -> Message {
        Message { stage, item, user: self.user.clone() }
    }

    /// Takes an upload through the stages up to upsert; its batch.
    pub fn embed(&self, pack: ItemId) -> ItemId {
        let batch = ItemId(pack.0 + 1);
        self.consume(Stage::Chunk, pack);
        self.consume(Stage::Embed, batch);
        batch
    }

    /// Takes an upload through all stages.
    pub fn publish(&self, pack: ItemId) {
        let batch = self.embed(pack);
        self.consume(Stage::Upsert, batch);
    }

    /// The item of the newest purge job.
    pub fn newest_purge(&self) -> ItemId {
        let rows = self.memory.look("SELECT max(id) AS id FROM job_items WHERE stage = 'retire'");
        ItemId(rows[0]["id"].as_i64().expect("a purge item"))
    }

    /// The only number that a query gives.
    pub fn number(&self, sql: &'static str) -> i64 {
        let rows = self.memory.look(sql);
        rows[0].as_object().and_then(|row| row.values().next()?.as_i64()).expect("one number")
    }
}

fn packed(ids: &[DocumentId], documents: &[(&str, &str)]) -> Vec<PackedDocument> {
    let mut start = 0;
    ids.iter()
        .zip(documents)
        .map(|(id, (_, text))| {
            let end = start + text.len() as u64;
            let packed = PackedDocument { id: id.clone(), start, end };
            start = end;
            packed
        })
        .collect()
}
