//! A user's index over the ports in memory, for the tests beside the stages.

use pipeline::{
    chat::turn::{Ask, Turn},
    constants::LEASE,
    fingerprint,
    ids::{ConversationId, DocumentId, ItemId, JobId, TurnId, UserId},
    job::{
        cursors::{Inside, UnpackCursor},
        item::{Claim, ItemState, PackedDocument},
        kind::JobKind,
        message::{Message, Stage},
        outcome::Outcome,
        protocol,
        purge::{self, Purge},
    },
    platform::{
        object_keys,
        ports::{Clock as _, ObjectStore as _, PutIf, Random as _},
        statement::json,
        transaction::{Selected, Transaction},
    },
    store::{
        conversations::{self, NewConversation, messages},
        counters,
        documents::{
            delete::{self, Cause},
            superseded,
            upload::{self, NewRevision, Upload},
        },
        jobs::create::{self, FirstItem, NewItem, NewJob, NewTurnJob},
        uploads, users,
    },
    time::MILLISECOND,
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
        self.upload_with(documents, |_| None)
    }

    /// The same of files that are known by a hash of their bytes.
    pub fn push(&self, documents: &[(&str, &str)]) -> ItemId {
        self.upload_with(documents, |text| Some(fingerprint::of(&[text.as_bytes()])))
    }

    fn upload_with(&self, documents: &[(&str, &str)], blob: impl Fn(&str) -> Option<String>) -> ItemId {
        let ids: Vec<DocumentId> = documents.iter().map(|(external_id, _)| self.document(external_id)).collect();
        let bytes: Vec<u8> = documents.iter().flat_map(|(_, text)| text.bytes()).collect();
        let job = JobId::new(self.memory.now(), self.memory.bytes());
        let pack = ready(self.insert_uploading(&job, packed(&ids, documents)));
        assert!(ready(self.memory.put(&object_keys::pack(&self.user, pack), bytes, PutIf::Absent)).unwrap());
        let blobs: Vec<Option<String>> = documents.iter().map(|(_, text)| blob(text)).collect();
        ready(self.accept(&job, pack, &ids, documents, &blobs));
        pack
    }

    async fn insert_uploading(&self, job: &JobId, packed: Vec<PackedDocument>) -> ItemId {
        let (now, state, documents) = (self.memory.now(), ItemState::Uploading, packed.len());
        let items = [
            NewItem { state, batch: Some(1), documents: packed, ..NewItem::queued(Stage::Chunk, now) },
            NewItem { state, packs: Some((0, 0)), ..NewItem::queued(Stage::Embed, now) },
        ];
        let new = NewJob { is_accepted: false, items: items.len(), documents, ..self.new_job(job) };
        let mut transaction = Transaction::default();
        let row = insert(&mut transaction, new, &items);
        transaction.commit(&self.memory).await.unwrap().first(row).unwrap().unwrap().first_item
    }

    /// A job that is accepted, about nothing so far.
    fn new_job<'a>(&'a self, id: &'a JobId) -> NewJob<'a> {
        NewJob {
            id,
            user: &self.user,
            kind: JobKind::Index,
            is_accepted: true,
            items: 0,
            documents: 0,
            rejected: 0,
            key: None,
            now: self.memory.now(),
        }
    }

    /// Accepts an upload that lies in R2 as it came, compressed or not; the item that unpacks it.
    pub fn stream(&self, media_type: &str, body: &[u8]) -> ItemId {
        let (now, bytes) = (self.memory.now(), body.len() as u64);
        let job = JobId::new(now, self.memory.bytes());
        let key = object_keys::upload(&self.user, &job);
        assert!(ready(self.memory.put(&key, body.to_vec(), PutIf::Always)).unwrap());
        let cursor = UnpackCursor {
            media_type: media_type.to_owned(),
            bytes,
            offset: 0,
            documents: 0,
            rejected: 0,
            inside: Inside::default(),
            may_be_compressed: true,
            inflating: None,
            allow_secrets: false,
        };
        let item = NewItem { cursor: Some(json(&cursor).unwrap()), ..NewItem::queued(Stage::Unpack, now) };
        let mut transaction = Transaction::default();
        let row = insert(&mut transaction, NewJob { items: 100, ..self.new_job(&job) }, &[item]);
        transaction.write(uploads::insert(&self.user, &job, media_type, bytes));
        ready(transaction.commit(&self.memory)).unwrap().first(row).unwrap().unwrap().first_item
    }

    /// Asks a question in a conversation of its own; the item that answers it.
    pub fn ask(&self, question: &str) -> ItemId {
        let now = self.memory.now();
        let job = JobId::new(now, self.memory.bytes());
        let id = ConversationId::new(now, self.memory.bytes());
        let turn = Turn {
            conversation_id: id.clone(),
            turn_id: TurnId::new(now, self.memory.bytes()),
            number: 1,
            session_id: None,
            request: Ask::default(),
        };
        let (user, turn, key) = (&self.user, &json(&turn).unwrap(), None);
        let new = NewConversation { id: &id, user, title: question, origin: "chat", key: None, now };
        let mut transaction = Transaction::default();
        transaction.write(conversations::insert(new));
        let new = NewTurnJob { id: &job, user, turn, conversation: &id, is_answered: false, key, now };
        transaction.write(create::turn_job(new));
        transaction.write(counters::take_item_numbers(&job, 1));
        transaction.write(messages::insert_question(&job, question, now));
        transaction.query(create::items(&job, &[NewItem::queued(Stage::Chat, now)], now).unwrap());
        let item = transaction.query(create::first_item(&job));
        transaction.write(conversations::advance(user, &id, &job, false, now));
        ready(transaction.commit(&self.memory)).unwrap().first(item).unwrap().unwrap().id
    }

    async fn accept(
        &self,
        job: &JobId,
        pack: ItemId,
        ids: &[DocumentId],
        documents: &[(&str, &str)],
        blobs: &[Option<String>],
    ) {
        let now = self.memory.now();
        let revisions: Vec<NewRevision<'_>> = ids
            .iter()
            .zip(documents)
            .zip(blobs)
            .map(|((id, (external_id, text)), blob)| NewRevision {
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
                blob: blob.as_deref(),
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
        transaction.write(delete::tombstones(&self.user, Cause::Owner, now));
        let job = self.schedule_purge(&mut transaction, JobKind::Delete);
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

    /// Claims an item for a worker whose claim then runs out, and for the one that holds it since.
    pub fn take_over(&self, stage: Stage, item: ItemId) -> (Claim, Claim) {
        let late = self.claim(stage, item).unwrap();
        self.memory.advance(LEASE + MILLISECOND);
        (late, self.claim(stage, item).unwrap())
    }

    /// Consumes the message of an item, as often as it comes again.
    pub fn consume_to_the_end(&self, stage: Stage, item: ItemId) -> Outcome {
        loop {
            match self.consume(stage, item).outcome {
                Outcome::Retry { after, .. } => self.memory.advance(after),
                outcome => return outcome,
            }
        }
    }

    /// The stages of all messages that were sent.
    pub fn sent(&self) -> Vec<Stage> {
        std::iter::from_fn(|| self.memory.receive()).map(|message| message.stage).collect()
    }

    /// Removes all objects whose names begin like this.
    pub fn lose_objects(&self, beginning: &str) {
        let keys: Vec<String> =
            self.memory.object_keys().into_iter().filter(|key| key.starts_with(beginning)).collect();
        assert!(!keys.is_empty());
        ready(self.memory.delete(&keys)).unwrap();
    }

    /// The message of an item.
    pub fn message(&self, stage: Stage, item: ItemId) -> Message {
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

fn insert(transaction: &mut Transaction, new: NewJob<'_>, items: &[NewItem]) -> Selected<FirstItem> {
    let row = transaction.query(create::job(new));
    transaction.write(counters::take_item_numbers(new.id, new.items));
    transaction.query(create::items(new.id, items, new.now).unwrap());
    row
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
