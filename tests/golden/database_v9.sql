-- Written by the last version before migration 10, in the middle of its work: jobs in every state. Loaded after
-- migrations 1 to 9; what lay beside it in R2, Vectorize and the queues is in database_v9.json. Never changed.

DELETE FROM users;
INSERT INTO users ("number", "id", "name", "created_at", "index_version", "document_count", "profile") VALUES
  (1, 'usr_06h01h32g07swwzhv5rs0nh708', 'default', 1795309200000, 17, 6, NULL),
  (2, 'usr_06h01h32g1y6frt0dtyzrw1b50', 'default', 1795309200000, 2, 1, NULL);
DELETE FROM api_keys;
INSERT INTO api_keys ("id", "user_id", "name", "digest", "created_at", "revoked_at") VALUES
  ('gjmyit7hhvgckotq', 'usr_06h01h32g1y6frt0dtyzrw1b50', 'default', '7cefd9b2f4e06d5ec3811e317c6ce134edc8d1ecd7d47d7733c7b5a118b63be4', 1795309200000, NULL),
  ('urp7uha76tl6y4y5', 'usr_06h01h32g07swwzhv5rs0nh708', 'default', '20f66881731c110650ef2b1ad4ce576698086dab22321933c720fc1235118371', 1795309200000, NULL);
DELETE FROM counters;
INSERT INTO counters ("name", "value") VALUES
  ('item', 48),
  ('kv_writes', 207790002),
  ('vectors_stored', 0);
DELETE FROM jobs;
INSERT INTO jobs ("id", "user_id", "kind", "accepted_at", "created_at", "first_item", "last_item", "documents", "cancelled_at", "finished_at", "receipt", "turn", "due_at") VALUES
  ('job_06h01h32g1dgxbmjpr9zkdazr4', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 1795309200000, 1795309200000, 1, 1, 0, NULL, 1795309200200, NULL, '{"conversation_id":"con_06h01h32g22nc9bbcp4wr1zwxw","turn_id":"trn_06h01h32g33gtf30ryga4328am","number":1,"session_id":null,"request":{"route":null,"filters":{"type":null,"language":null,"tags":[],"document_ids":[],"created_after":null,"created_before":null},"use_memory":true,"max_tokens":null,"cache_key":"1154ffea686f20bf2ec1e6d6219d521e9c5cb446433472ca58fef1f4c1791bff","history":[],"instructions":null,"accept_memories":false}}', 0),
  ('job_06h01h3392m5qx5s4sc8thbadw', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 1795309200200, 1795309200200, 2, 2, 0, NULL, 1795309200350, NULL, '{"conversation_id":"con_06h01h32g22nc9bbcp4wr1zwxw","turn_id":"trn_06h01h3393ycp1egrq4r8xgk7r","number":3,"session_id":null,"request":{"route":null,"filters":{"type":null,"language":null,"tags":[],"document_ids":[],"created_after":null,"created_before":null},"use_memory":true,"max_tokens":null,"cache_key":null,"history":[],"instructions":null,"accept_memories":false}}', 0),
  ('job_06h01hae7sz3qh0906ga8q9kr4', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 1795309260350, 1795309260350, 3, 3, 0, NULL, 1795309260600, NULL, '{"conversation_id":"con_06h01hae7r3ge4hs25nm4t2sa4","turn_id":"trn_06h01hae7vay0r6c2hj7tw898c","number":1,"session_id":null,"request":{"route":null,"filters":{"type":null,"language":null,"tags":[],"document_ids":[],"created_after":null,"created_before":null},"use_memory":true,"max_tokens":null,"cache_key":"b21b7e639c0d14b1df4d48e700e25e5abb97224b3c566311f1f8599c35072368","history":[],"instructions":null,"accept_memories":false}}', 0),
  ('job_06h01haf71pmws7nmjmm6edr0r', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 1795309260600, 1795309260600, 4, 4, 0, NULL, 1795309260750, NULL, '{"conversation_id":"con_06h01hae7r3ge4hs25nm4t2sa4","turn_id":"trn_06h01haf720wcz5898rh91tc98","number":3,"session_id":null,"request":{"route":null,"filters":{"type":null,"language":null,"tags":[],"document_ids":[],"created_after":null,"created_before":null},"use_memory":true,"max_tokens":null,"cache_key":null,"history":[],"instructions":null,"accept_memories":false}}', 0),
  ('job_06h0p4qj5s6whe2c1mfd05e360', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482120750, 1795482120750, 7, 8, 1, NULL, 1795482120750, NULL, NULL, 0),
  ('job_06h0p4qj5tj1wc4jjrefa881r8', 'usr_06h01h32g07swwzhv5rs0nh708', 'archive', 1795482120750, 1795482120750, 5, 6, 0, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p4ywhr087p10d0ddd5rwvg', 'usr_06h01h32g07swwzhv5rs0nh708', 'delete', 1795482180750, 1795482180750, 21, 21, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p4ywhr7z266fk00fykp9s0', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482180750, 1795482180750, 34, 35, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p4ywhrbvnbrdc52ccwx1t8', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 1795482180750, 1795482180750, 18, 18, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p4ywhrcmkt797pqbvx5hzr', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 1795482180750, 1795482180750, 12, 12, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p4ywhrwt871ds76pvnmtsc', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482180750, 1795482180750, 24, 25, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p4ywhs0ke95gqzavbe17ww', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482180750, 1795482180750, 9, 10, 1, NULL, 1795482180750, NULL, NULL, 0),
  ('job_06h0p4ywhs1mmymm28f5c02n3g', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482180750, 1795482180750, 26, 27, 1, 1795482180750, 1795482180750, NULL, NULL, 0),
  ('job_06h0p4ywhsffnbpwzymp14ckq4', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482180750, 1795482180750, 32, 33, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p4ywhszpc7f625yjyc0adg', 'usr_06h01h32g1y6frt0dtyzrw1b50', 'index', 1795482180750, 1795482180750, 22, 23, 1, NULL, 1795482180750, NULL, NULL, 0),
  ('job_06h0p4ywhtnbcfq4sxh02t4mk8', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482180750, 1795482180750, 30, 31, 1, NULL, NULL, NULL, NULL, 1795564800000),
  ('job_06h0p4ywhtpvg9xxbw4b4k0rnm', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 1795482180750, 1795482180750, 29, 29, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p4ywhtvjs1s05k5r7jent0', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 1795482180750, 1795482180750, 28, 28, 1, NULL, 1795482180750, '{"vectors":0,"chunks":0,"objects":1,"objects_rewritten":0}', NULL, 0),
  ('job_06h0p4ywhv6qdfk1jf9k77tzm8', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482180750, 1795482180750, 19, 20, 1, NULL, 1795482180750, NULL, NULL, 0),
  ('job_06h0p4ywhvamzk73h9dxy22b0r', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482180750, 1795482180750, 13, 14, 1, NULL, 1795482180750, NULL, NULL, 0),
  ('job_06h0p4ywhvpgpdnshjx27xmx34', 'usr_06h01h32g07swwzhv5rs0nh708', 'delete', 1795482180750, 1795482180750, 17, 17, 1, NULL, 1795482180750, '{"vectors":1,"chunks":1,"objects":1,"objects_rewritten":0}', NULL, 0),
  ('job_06h0p4ywhvpyzsv444pqs2dtcr', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 1795482180750, 1795482180750, 11, 11, 1, NULL, 1795482180750, '{"vectors":1,"chunks":1,"objects":1,"objects_rewritten":0}', NULL, 0),
  ('job_06h0p4ywhvzz6m5wae3vb0s07m', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482180750, 1795482180750, 15, 16, 1, NULL, 1795482180750, NULL, NULL, 0),
  ('job_06h0p7849th3n4twscrxwmsp4w', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482780750, 1795482780750, 36, 37, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p7849ttf6fnqddpfegj4y8', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', NULL, 1795482780750, 38, 39, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p7ps1r4hma0y3re294h8m8', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482900750, 1795482900750, 42, 43, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p7ps1sq2sdvpaf8nqq8y2m', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 1795482900750, 1795482900750, 46, 46, 0, NULL, NULL, NULL, '{"conversation_id":"con_06h0p7ps1vc54y07zcvt69ys3g","turn_id":"trn_06h0p7ps1rqcxgvd5qn20txkc8","number":5,"session_id":null,"request":{"route":null,"filters":{"type":null,"language":null,"tags":[],"document_ids":[],"created_after":null,"created_before":null},"use_memory":true,"max_tokens":null,"cache_key":null,"history":[],"instructions":null,"accept_memories":false}}', 0),
  ('job_06h0p7ps1sssxxbcxbwgq1z0yg', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 1795482900750, 1795482900750, 45, 45, 0, NULL, NULL, NULL, '{"conversation_id":"con_06h0p7ps1vc54y07zcvt69ys3g","turn_id":"trn_06h0p7ps1s92z3apy8j43bdx4r","number":3,"session_id":null,"request":{"route":null,"filters":{"type":null,"language":null,"tags":[],"document_ids":[],"created_after":null,"created_before":null},"use_memory":true,"max_tokens":null,"cache_key":null,"history":[],"instructions":null,"accept_memories":false}}', 0),
  ('job_06h0p7ps1svcg9brd2ns9w6b4c', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 1795482900750, 1795482900750, 44, 44, 0, NULL, NULL, NULL, '{"conversation_id":"con_06h0p7ps1vc54y07zcvt69ys3g","turn_id":"trn_06h0p7ps1vrkbb0p4kmwxzdvq0","number":1,"session_id":null,"request":{"route":null,"filters":{"type":null,"language":null,"tags":[],"document_ids":[],"created_after":null,"created_before":null},"use_memory":true,"max_tokens":null,"cache_key":"f2ec4a9c64e7a8a558673beef2391445ee7cc61c6eb905a4e4642efec27e4f46","history":[],"instructions":null,"accept_memories":false}}', 0),
  ('job_06h0p7ps1sx4rsrcvab4nry4xm', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482900750, 1795482900750, 40, 41, 1, NULL, NULL, NULL, NULL, 0),
  ('job_06h0p7ps1t6q82ktxgbxjhkyr0', 'usr_06h01h32g07swwzhv5rs0nh708', 'index', 1795482900750, 1795482900750, 47, 48, 1, NULL, NULL, NULL, NULL, 0);
DELETE FROM job_items;
INSERT INTO job_items ("id", "job_id", "user_id", "stage", "state", "batch", "first_pack", "last_pack", "documents", "document_count", "chunk_count", "progress", "cursor", "failures", "token", "lease", "attempts", "next_at", "sent_at", "error", "updated_at") VALUES
  (1, 'job_06h01h32g1dgxbmjpr9zkdazr4', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 'done', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 1795309260000, 0, 1795309200200, 1795309200200, NULL, 1795309200200),
  (2, 'job_06h01h3392m5qx5s4sc8thbadw', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 'done', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 1795309260200, 0, 1795309200350, 1795309200350, NULL, 1795309200350),
  (3, 'job_06h01hae7sz3qh0906ga8q9kr4', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 'done', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 1795309320350, 0, 1795309260600, 1795309260600, NULL, 1795309260600),
  (4, 'job_06h01haf71pmws7nmjmm6edr0r', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 'done', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 1795309320600, 0, 1795309260750, 1795309260750, NULL, 1795309260750),
  (5, 'job_06h0p4qj5tj1wc4jjrefa881r8', 'usr_06h01h32g07swwzhv5rs0nh708', 'archive', 'done', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 1795482180750, 0, 1795482120750, 1795482120750, NULL, 1795482120750),
  (6, 'job_06h0p4qj5tj1wc4jjrefa881r8', 'usr_06h01h32g07swwzhv5rs0nh708', 'archive', 'queued', NULL, NULL, NULL, '[]', 1, 0, 0, '{"conversation_id":"con_06h01hae7r3ge4hs25nm4t2sa4","number":4}', NULL, NULL, 0, 0, 1795482120750, 1795482120750, NULL, 1795482120750),
  (7, 'job_06h0p4qj5s6whe2c1mfd05e360', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'done', 8, NULL, NULL, '[]', 1, 1, 0, NULL, NULL, NULL, 1795482180750, 0, 1795482120750, 1795482120750, NULL, 1795482120750),
  (8, 'job_06h0p4qj5s6whe2c1mfd05e360', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 'done', NULL, 7, 7, '[]', 0, 1, 1, NULL, NULL, NULL, 1795482180750, 0, 1795482120750, 1795482120750, NULL, 1795482120750),
  (9, 'job_06h0p4ywhs0ke95gqzavbe17ww', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'done', 10, NULL, NULL, '[{"id":"doc_pc6ahahk5hhxg96n1jb7fhg9","start":0,"end":1052}]', 1, 1, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (10, 'job_06h0p4ywhs0ke95gqzavbe17ww', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 'done', NULL, 9, 9, '[]', 0, 1, 1, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (11, 'job_06h0p4ywhvpyzsv444pqs2dtcr', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 'done', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (12, 'job_06h0p4ywhrcmkt797pqbvx5hzr', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 'parked', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795483200750, 1795482180750, NULL, 1795482180750),
  (13, 'job_06h0p4ywhvamzk73h9dxy22b0r', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'done', 14, NULL, NULL, '[{"id":"doc_1xqe741cra5x557acjmkq2wf","start":0,"end":62}]', 1, 1, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (14, 'job_06h0p4ywhvamzk73h9dxy22b0r', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 'done', NULL, 13, 13, '[]', 0, 1, 1, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (15, 'job_06h0p4ywhvzz6m5wae3vb0s07m', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'done', 16, NULL, NULL, '[]', 1, 1, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (16, 'job_06h0p4ywhvzz6m5wae3vb0s07m', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 'done', NULL, 15, 15, '[]', 0, 1, 1, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (17, 'job_06h0p4ywhvpgpdnshjx27xmx34', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 'done', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (18, 'job_06h0p4ywhrbvnbrdc52ccwx1t8', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 'parked', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795483200750, 1795482180750, NULL, 1795482180750),
  (19, 'job_06h0p4ywhv6qdfk1jf9k77tzm8', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'done', 20, NULL, NULL, '[{"id":"doc_8qdmfn3nvvwvzbebjwh1ny71","start":0,"end":64}]', 1, 1, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (20, 'job_06h0p4ywhv6qdfk1jf9k77tzm8', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 'done', NULL, 19, 19, '[]', 0, 1, 1, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (21, 'job_06h0p4ywhr087p10d0ddd5rwvg', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 'queued', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (22, 'job_06h0p4ywhszpc7f625yjyc0adg', 'usr_06h01h32g1y6frt0dtyzrw1b50', 'chunk', 'done', 23, NULL, NULL, '[{"id":"doc_vbjyw6j1m1ydcggn313jbjjw","start":0,"end":64}]', 1, 1, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (23, 'job_06h0p4ywhszpc7f625yjyc0adg', 'usr_06h01h32g1y6frt0dtyzrw1b50', 'upsert', 'done', NULL, 22, 22, '[]', 0, 1, 1, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (24, 'job_06h0p4ywhrwt871ds76pvnmtsc', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'failed', 25, NULL, NULL, '[{"id":"doc_hpmx05rcfh88mvn6ajrpvdpw","start":0,"end":62}]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795482180750, 1795482180750, 'its message could not be processed and was given up by the queue', 1795482180750),
  (25, 'job_06h0p4ywhrwt871ds76pvnmtsc', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 'queued', NULL, 24, 24, '[]', 0, 0, 0, NULL, NULL, NULL, 0, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (26, 'job_06h0p4ywhs1mmymm28f5c02n3g', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'cancelled', 27, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (27, 'job_06h0p4ywhs1mmymm28f5c02n3g', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 'cancelled', NULL, 26, 26, '[]', 0, 0, 0, NULL, NULL, NULL, 0, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (28, 'job_06h0p4ywhtvjs1s05k5r7jent0', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 'done', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (29, 'job_06h0p4ywhtpvg9xxbw4b4k0rnm', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 'parked', NULL, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795483200750, 1795482180750, NULL, 1795482180750),
  (30, 'job_06h0p4ywhtnbcfq4sxh02t4mk8', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'done', 31, NULL, NULL, '[{"id":"doc_qepqghqshz3dpv35axbkwch8","start":0,"end":60}]', 1, 1, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (31, 'job_06h0p4ywhtnbcfq4sxh02t4mk8', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 'parked', NULL, 30, 30, '[]', 0, 1, 0, NULL, NULL, NULL, 1795482240750, 0, 1795564800000, 1795482180750, 'today''s neurons for indexing are spent: 1 of 0, and this needs 0.0', 1795482180750),
  (32, 'job_06h0p4ywhsffnbpwzymp14ckq4', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'done', 33, NULL, NULL, '[{"id":"doc_143ps06h9dcz27qzh6fb0f1v","start":0,"end":68}]', 1, 1, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (33, 'job_06h0p4ywhsffnbpwzymp14ckq4', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 'queued', NULL, 32, 32, '[]', 0, 1, 0, '{"slice":0,"slices":["clm_06h0p4ywhtngx1x5qhab8qhn64"]}', NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (34, 'job_06h0p4ywhr7z266fk00fykp9s0', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'done', 35, NULL, NULL, '[{"id":"doc_2rrbd2sabe19rcfrcv0eyg0g","start":0,"end":56}]', 1, 1, 0, NULL, NULL, NULL, 1795482240750, 0, 1795482180750, 1795482180750, NULL, 1795482180750),
  (35, 'job_06h0p4ywhr7z266fk00fykp9s0', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 'running', NULL, 34, 34, '[]', 0, 1, 0, NULL, NULL, 'clm_06h0p7849rze4zx5wbjwjz7t44', 1795482840750, 5, 1795482180750, 1795482180750, NULL, 1795482780750),
  (36, 'job_06h0p7849th3n4twscrxwmsp4w', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'running', 37, NULL, NULL, '[{"id":"doc_8tngxmdpembksmxcbx8epdgz","start":0,"end":58}]', 1, 0, 0, NULL, NULL, 'clm_06h0p7849s6v2nbg8ta74kc4fm', 1795482840750, 1, 1795482780750, 1795482780750, NULL, 1795482780750),
  (37, 'job_06h0p7849th3n4twscrxwmsp4w', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 'waiting', NULL, 36, 36, '[]', 0, 0, 0, NULL, NULL, NULL, 0, 0, 1795482780750, 1795482780750, NULL, 1795482780750),
  (38, 'job_06h0p7849ttf6fnqddpfegj4y8', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'uploading', 39, NULL, NULL, '[{"id":"doc_kkg71aprmhmp21pp72xevkjw","start":0,"end":70}]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795482780750, NULL, NULL, 1795482780750),
  (39, 'job_06h0p7849ttf6fnqddpfegj4y8', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 'uploading', NULL, 38, 38, '[]', 0, 0, 0, NULL, NULL, NULL, 0, 0, 1795482780750, NULL, NULL, 1795482780750),
  (40, 'job_06h0p7ps1sx4rsrcvab4nry4xm', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'queued', 41, NULL, NULL, '[{"id":"doc_4za0asxscv58gg77z0kj2a2r","start":0,"end":60}]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795482900750, 1795482900750, NULL, 1795482900750),
  (41, 'job_06h0p7ps1sx4rsrcvab4nry4xm', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 'waiting', NULL, 40, 40, '[]', 0, 0, 0, NULL, NULL, NULL, 0, 0, 1795482900750, 1795482900750, NULL, 1795482900750),
  (42, 'job_06h0p7ps1r4hma0y3re294h8m8', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'queued', 43, NULL, NULL, '[{"id":"doc_k77qbaec2t3jsq72s2kw2g34","start":0,"end":56}]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795482900750, 1795482900750, NULL, 1795482900750),
  (43, 'job_06h0p7ps1r4hma0y3re294h8m8', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 'waiting', NULL, 42, 42, '[]', 0, 0, 0, NULL, NULL, NULL, 0, 0, 1795482900750, 1795482900750, NULL, 1795482900750),
  (44, 'job_06h0p7ps1svcg9brd2ns9w6b4c', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 'queued', 45, NULL, NULL, '[]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795482900750, 1795482900750, NULL, 1795482900750),
  (45, 'job_06h0p7ps1sssxxbcxbwgq1z0yg', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 'waiting', 46, 44, 44, '[]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795482900750, 1795482900750, NULL, 1795482900750),
  (46, 'job_06h0p7ps1sq2sdvpaf8nqq8y2m', 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 'waiting', NULL, 45, 45, '[]', 1, 0, 0, NULL, NULL, NULL, 0, 0, 1795482900750, 1795482900750, NULL, 1795482900750),
  (47, 'job_06h0p7ps1t6q82ktxgbxjhkyr0', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 'running', 48, NULL, NULL, '[{"id":"doc_05g3v2hapj8mdwmwdabvfdqb","start":0,"end":58}]', 1, 0, 0, NULL, NULL, 'clm_06h0p7ps1r4e1bv0vb2pcccsjg', 1795482960750, 1, 1795482900750, 1795482900750, NULL, 1795482900750),
  (48, 'job_06h0p7ps1t6q82ktxgbxjhkyr0', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 'waiting', NULL, 47, 47, '[]', 0, 0, 0, NULL, NULL, NULL, 0, 0, 1795482900750, 1795482900750, NULL, 1795482900750);
DELETE FROM documents;
INSERT INTO documents ("user_id", "id", "external_id", "title", "type", "language", "media_type", "tags", "metadata", "created_at", "uploaded_at", "bytes", "pending", "latest", "latest_item", "latest_hash", "current", "current_item", "current_first", "chunk_count", "content_hash", "deleted_at", "hit_at", "evicted_at", "evicting") VALUES
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_05g3v2hapj8mdwmwdabvfdqb', 'live.md', 'live.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482900750, 1795482900750, 58, NULL, 1, 47, 'a5b1e6ba93a36b9d62bd23cb4dc4dbb4c6f19ee86764aca9d3b23e6ea91e943c', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_143ps06h9dcz27qzh6fb0f1v', 'embedded.md', 'embedded.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482180750, 1795482180750, 68, NULL, 1, 32, '75839f5fc3e4e71e149b27bf86cdd9c044f146454975530f936bf49b58d4348b', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_1xqe741cra5x557acjmkq2wf', 'swallow.md', 'swallow.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482180750, 1795482180750, 62, NULL, 1, 13, '1a2ae5ca57d7ab372b837d01a4b0dbc03f949fd27c24109ebced9fca6f4265aa', 1, 13, 212992, 1, '1a2ae5ca57d7ab372b837d01a4b0dbc03f949fd27c24109ebced9fca6f4265aa', NULL, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_2rrbd2sabe19rcfrcv0eyg0g', 'reserved.md', 'reserved.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482180750, 1795482180750, 56, NULL, 1, 34, 'fb502aa5a9d69935770d574c875a69a6cc0a374ed866b819e34cef280ff65649', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_4za0asxscv58gg77z0kj2a2r', 'lost.md', 'lost.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482900750, 1795482900750, 60, NULL, 1, 40, '3920276ecaef24d73b83757e010b24da0a010747aa598590d50ad222d2c92083', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_8qdmfn3nvvwvzbebjwh1ny71', NULL, NULL, 'doc', NULL, 'text/markdown', '[]', NULL, 1795482180750, 1795482180750, 0, NULL, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795482180750, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_8tngxmdpembksmxcbx8epdgz', 'dead.md', 'dead.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482780750, 1795482780750, 58, NULL, 1, 36, 'e8cd5a74dbfcf3bf89adf0fc47dc7705827ba1b13a8f4542b755ecc50dfac02b', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_aqnsfz2pqmt72jz3fa1ghy2g', 'cancelled.md', 'cancelled.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482180750, 1795482180750, 72, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795482180750, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_b8s5v6dfesp55gyb60ebdprp', NULL, NULL, 'doc', NULL, 'text/markdown', '[]', NULL, 1795482180750, 1795482180750, 0, NULL, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795482180750, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_hpmx05rcfh88mvn6ajrpvdpw', 'failed.md', 'failed.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482180750, 1795482180750, 62, NULL, 1, 24, '17eca73970551a58ea0cccda35e57385a87ecb3c10939c09fa5b475d345f54c8', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_k77qbaec2t3jsq72s2kw2g34', 'queued.md', 'queued.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482900750, 1795482900750, 56, NULL, 1, 42, 'acda707feb0fa92fe5127c9ffc735d6c8f2194f7cf6530a15e557ee81487a0fa', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_pc6ahahk5hhxg96n1jb7fhg9', 'tide.md', 'tide.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482180750, 1795482180750, 1052, NULL, 2, 9, 'c733f972ef62cee5983107ccbe2f49aad59de4c9b6a52abb159e429aa024632b', 2, 9, 147456, 1, 'c733f972ef62cee5983107ccbe2f49aad59de4c9b6a52abb159e429aa024632b', NULL, NULL, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'doc_qepqghqshz3dpv35axbkwch8', 'parked.md', 'parked.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482180750, 1795482180750, 60, NULL, 1, 30, '974c3e31e64c675ec5ce284228284c12464ac534470aa98ebf37f744e0236d01', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('usr_06h01h32g1y6frt0dtyzrw1b50', 'doc_vbjyw6j1m1ydcggn313jbjjw', 'foreign.md', 'foreign.md', 'doc', NULL, 'text/markdown', '[]', NULL, 1795482180750, 1795482180750, 64, NULL, 1, 22, '5eb14e5ca97619d4931672c7ef0ee3c9c16e992a9de3a5debded1cf58c827694', 1, 22, 360448, 1, '5eb14e5ca97619d4931672c7ef0ee3c9c16e992a9de3a5debded1cf58c827694', NULL, NULL, NULL, NULL);
DELETE FROM garbage;
INSERT INTO garbage ("retire_item", "document_id", "revision", "pack", "user_id", "chunk_count") VALUES
  (12, 'doc_pc6ahahk5hhxg96n1jb7fhg9', 1, 7, 'usr_06h01h32g07swwzhv5rs0nh708', 1),
  (18, 'doc_b8s5v6dfesp55gyb60ebdprp', 1, 15, 'usr_06h01h32g07swwzhv5rs0nh708', 1),
  (21, 'doc_8qdmfn3nvvwvzbebjwh1ny71', 1, 19, 'usr_06h01h32g07swwzhv5rs0nh708', NULL),
  (29, 'doc_aqnsfz2pqmt72jz3fa1ghy2g', 1, 26, 'usr_06h01h32g07swwzhv5rs0nh708', 0);
DELETE FROM chunks;
INSERT INTO chunks ("id", "user_id", "document_id", "revision", "chunk_index", "start", "end", "text") VALUES
  (147456, 'usr_06h01h32g07swwzhv5rs0nh708', 'doc_pc6ahahk5hhxg96n1jb7fhg9', 2, 0, 0, 1052, '## tide 0

This part is about tide and its number is 0. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. 

## tide 1

This part is about tide and its number is 1. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. It goes on for a while in plain words. 

'),
  (212992, 'usr_06h01h32g07swwzhv5rs0nh708', 'doc_1xqe741cra5x557acjmkq2wf', 1, 0, 0, 62, '# swallow

What the swallow does is told here, and told once.
'),
  (311296, 'usr_06h01h32g07swwzhv5rs0nh708', 'doc_8qdmfn3nvvwvzbebjwh1ny71', 1, 0, 0, 64, '# deleting

What the deleting does is told here, and told once.
'),
  (360448, 'usr_06h01h32g1y6frt0dtyzrw1b50', 'doc_vbjyw6j1m1ydcggn313jbjjw', 1, 0, 0, 64, '# stranger

What the stranger does is told here, and told once.
'),
  (491520, 'usr_06h01h32g07swwzhv5rs0nh708', 'doc_qepqghqshz3dpv35axbkwch8', 1, 0, 0, 60, '# anchor

What the anchor does is told here, and told once.
'),
  (524288, 'usr_06h01h32g07swwzhv5rs0nh708', 'doc_143ps06h9dcz27qzh6fb0f1v', 1, 0, 0, 68, '# lighthouse

What the lighthouse does is told here, and told once.
'),
  (557056, 'usr_06h01h32g07swwzhv5rs0nh708', 'doc_2rrbd2sabe19rcfrcv0eyg0g', 1, 0, 0, 56, '# buoy

What the buoy does is told here, and told once.
');
DELETE FROM chunks_fts_data;
INSERT INTO chunks_fts_data ("id", "block") VALUES
  (1, X'091212824800'),
  (10, X'00000000FF00000101090B0009010101010101010102010102020000010301010303000001040101040401010105010105050000010601010606000001070101070700000108010108080000010901010909000001'),
  (137438953473, X'000000A40430616E648780000601020A0103646F658780000601020601046865726587800006010209010269738780000601020701026D648780000601010301036F6E638780000601020C011474313431333337383534313334363239363831318780000203020268658780000601020402036964658780000E0101020102020502036F6C64878000080102080501027531878000020201047768617487800006010203040C0C0D0B0B0C1B0B100D09'),
  (274877906945, X'000001E6023030898000080102030C0101318980000801027B0C010161898000340102120B0B0B0B0B0B0B0B0B0B0B170B0B0B0B0B0B0B0B0B0B0B0204626F7574898000080102077A02026E64898000080102097A0103666F72898000340102110B0B0B0B0B0B0B0B0B0B0B170B0B0B0B0B0B0B0B0B0B0B0103676F658980003401020F0B0B0B0B0B0B0B0B0B0B0B170B0B0B0B0B0B0B0B0B0B0B0102696E898000340102140B0B0B0B0B0B0B0B0B0B0B170B0B0B0B0B0B0B0B0B0B0B0201738980000C0102060874080201748980003801020A060B0B0B0B0B0B0B0B0B0B0B13060B0B0B0B0B0B0B0B0B0B0B01026D648980000601010301066E756D6265728980000801020B7A01026F6E898000340102100B0B0B0B0B0B0B0B0B0B0B170B0B0B0B0B0B0B0B0B0B0B010470617274898000080102057A02046C61696E898000340102150B0B0B0B0B0B0B0B0B0B0B170B0B0B0B0B0B0B0B0B0B0B01147431343133333738353431333436323936383131898000020302026869898000080102047A02036964658980001201010201020208740801027531898000020201057768696C65898000340102130B0B0B0B0B0B0B0B0B0B0B170B0B0B0B0B0B0B0B0B0B0B02036F7264898000340102160B0B0B0B0B0B0B0B0B0B0B170B0B0B0B0B0B0B0B0B0B0B040B0B210E0C2323220D230B10220E241B0C120925'),
  (412316860417, X'000000A80430616E648D80000601020A0103646F658D8000060102060104686572658D800006010209010269738D80000601020701026D648D80000601010301036F6E638D80000601020C01077377616C6C6F778D80000E01010201020205011474313431333337383534313334363239363831318D80000203020268658D80000601020402036F6C648D80000801020805010275318D800002020104776861748D800006010203040C0C0D0B0B0C141B0B0D09'),
  (549755813889, X'000000A80430616E648F80000601020A0103646F658F8000060102060104686572658F800006010209010269738F80000601020701026D648F80000601010301036F6E638F80000601020C0107726563656970748F80000E01010201020205011474313431333337383534313334363239363831318F80000203020268658F80000601020402036F6C648F80000801020805010275318F800002020104776861748F800006010203040C0C0D0B0B0C141B0B0D09'),
  (687194767361, X'000000A50430616E649380000601020A010564656C65749380000E0101020102020502026F659380000601020601046865726593800006010209010269739380000601020701026D649380000601010301036F6E639380000601020C011474313431333337383534313334363239363831319380000203020268659380000601020402036F6C64938000080102080501027531938000020201047768617493800006010203040C120B0D0B0B0C1B0B0D09'),
  (824633720833, X'000000B60430616E649680000601020A0103646F65968000060102060107666F726569676E9680000601010201046865726596800006010209010269739680000601020701026D649680000601010301036F6E639680000601020C0108737472616E6765729680000801020205011474313431333337383534313334363239363831319680000203020268659680000601020402036F6C64968000080102080501027532968000020201047768617496800006010203040C0C100D0B0B0C121B0B0D09'),
  (962072674305, X'000000AF0730616E63686F729E800008010202050301649E80000601020A0103646F659E8000060102060104686572659E800006010209010269739E80000601020701026D649E80000601010301036F6E639E80000601020C01047061726B9E800006010102011474313431333337383534313334363239363831319E80000203020268659E80000601020402036F6C649E80000801020805010275319E800002020104776861749E80000601020304100A0C0D0B0B0C0D1B0B0D09'),
  (1099511627777, X'000000B50430616E64A080000601020A0103646F65A08000060102060105656D626564A0800006010102010468657265A080000601020901026973A080000601020701096C69676874686F7573A08000080102020501026D64A080000601010301036F6E63A080000601020C01147431343133333738353431333436323936383131A08000020302026865A080000601020402036F6C64A08000080102080501027531A080000202010477686174A0800006010203040C0C0E0D0B130B0C1B0B0D09'),
  (1236950581249, X'000000B10430616E64A280000601020A010462756F69A2800008010202050103646F65A2800006010206010468657265A280000601020901026973A280000601020701026D64A280000601010301036F6E63A280000601020C0106726573657276A280000601010201147431343133333738353431333436323936383131A28000020302026865A280000601020402036F6C64A28000080102080501027531A280000202010477686174A2800006010203040C0E0C0D0B0B0C0F1B0B0D09'),
  (9007336693694464, X'04000000000000010001C00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
  (9007749010554880, X'04000000000000010003C00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000');
DELETE FROM chunks_fts_idx;
INSERT INTO chunks_fts_idx ("segid", "term", "pgno") VALUES
  (1, X'', 2),
  (2, X'', 2),
  (3, X'', 2),
  (4, X'', 2),
  (5, X'', 2),
  (6, X'', 2),
  (7, X'', 2),
  (8, X'', 2),
  (9, X'', 2);
DELETE FROM chunks_fts_docsize;
INSERT INTO chunks_fts_docsize ("id", "sz", "origin") VALUES
  (147456, X'0202817000', 2),
  (212992, X'02020B00', 3),
  (311296, X'02020B00', 5),
  (360448, X'02020B00', 6),
  (491520, X'02020B00', 7),
  (524288, X'02020B00', 8),
  (557056, X'02020B00', 9);
DELETE FROM chunks_fts_config;
INSERT INTO chunks_fts_config ("k", "v") VALUES
  ('version', 4);
DELETE FROM idempotency_keys;
INSERT INTO idempotency_keys ("user_id", "key", "body_hash", "job_id", "response", "created_at") VALUES
  ('usr_06h01h32g07swwzhv5rs0nh708', 'answered', '7729241e69a6814849a539aedcb0a9a0b86736a560b5d6cf4008d0f432c701e7', 'job_06h0p4ywhvamzk73h9dxy22b0r', '{"job_id":"job_06h0p4ywhvamzk73h9dxy22b0r","status":"queued","consistency_token":"ct_06h0p4ywhvamzk73h9dxy22b0r","estimate":{"tokens":20,"chunks":1,"neurons":0.04,"queue_operations":9,"d1_rows_written":28},"items":[{"index":0,"external_id":"swallow.md","document_id":"doc_1xqe741cra5x557acjmkq2wf","status":"queued","error":null}]}', 1795482180750),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'in flight', 'd19ca44f03006f7026347cba888a00b1ddd4ccbced93fbe783b5e9f755367906', 'job_06h0p7849ttf6fnqddpfegj4y8', NULL, 1795482780750);
DELETE FROM dead_letters;
INSERT INTO dead_letters ("id", "user_id", "item_id", "stage", "why", "body", "body_hash", "created_at", "replayed_at") VALUES
  ('item-24-chunk', 'usr_06h01h32g07swwzhv5rs0nh708', 24, 'chunk', 'its message could not be processed and was given up by the queue', NULL, NULL, 1795482180750, NULL);
DELETE FROM usage_log;
INSERT INTO usage_log ("at", "id", "user_id", "source", "neurons", "d1_rows_read", "d1_rows_written", "kv_reads", "kv_writes", "r2_class_a", "r2_class_b", "queue_operations", "vectors_queried", "vectors_upserted", "object_requests", "key_id") VALUES
  (1795482120750, 'cron-5', NULL, 'cron', 0.0, 140, 33, 1, 0, 0, 0, 2, 0, 0, 0, NULL),
  (1795482120750, 'message-6', 'usr_06h01h32g07swwzhv5rs0nh708', 'archive', 0.0, 47, 10, 0, 0, 1, 1, 2, 0, 0, 0, NULL),
  (1795482120750, 'message-7', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 0.0, 37, 7, 0, 0, 0, 1, 3, 0, 0, 0, NULL),
  (1795482120750, 'message-8', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 0.034979, 34, 6, 0, 0, 1, 0, 3, 0, 0, 0, NULL),
  (1795482120750, 'message-9', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 0.0, 40, 6, 0, 0, 0, 1, 2, 0, 1, 0, NULL),
  (1795482120750, 'req_06h0p4qj5s4kyccastmc1nhgr0', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 2, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'message-10', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 0.0, 37, 7, 0, 0, 0, 1, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-11', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 0.506275, 34, 6, 0, 0, 1, 0, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-12', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 0.0, 49, 11, 0, 0, 0, 1, 3, 0, 1, 0, NULL),
  (1795482180750, 'message-13', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 0.0, 64, 14, 0, 0, 0, 0, 2, 0, 0, 0, NULL),
  (1795482180750, 'message-14', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 0.0, 38, 7, 0, 0, 0, 1, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-15', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 0.034979, 34, 6, 0, 0, 1, 0, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-16', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 0.0, 43, 6, 0, 0, 0, 1, 2, 0, 1, 0, NULL),
  (1795482180750, 'message-17', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 0.0, 39, 7, 0, 0, 0, 1, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-18', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 0.034979, 34, 6, 0, 0, 1, 0, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-19', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 0.0, 46, 6, 0, 0, 0, 1, 2, 0, 1, 0, NULL),
  (1795482180750, 'message-20', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 0.0, 61, 14, 0, 0, 0, 0, 2, 0, 0, 0, NULL),
  (1795482180750, 'message-21', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 0.0, 40, 7, 0, 0, 0, 1, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-22', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 0.046025, 34, 6, 0, 0, 1, 0, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-23', 'usr_06h01h32g07swwzhv5rs0nh708', 'upsert', 0.0, 49, 6, 0, 0, 0, 1, 2, 0, 1, 0, NULL),
  (1795482180750, 'message-24', 'usr_06h01h32g1y6frt0dtyzrw1b50', 'chunk', 0.0, 37, 7, 0, 0, 0, 1, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-25', 'usr_06h01h32g1y6frt0dtyzrw1b50', 'embed', 0.034979, 34, 6, 0, 0, 1, 0, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-26', 'usr_06h01h32g1y6frt0dtyzrw1b50', 'upsert', 0.0, 40, 6, 0, 0, 0, 1, 2, 0, 1, 0, NULL),
  (1795482180750, 'message-27', 'usr_06h01h32g07swwzhv5rs0nh708', 'retire', 0.0, 58, 12, 0, 0, 0, 0, 2, 0, 0, 0, NULL),
  (1795482180750, 'message-28', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 0.0, 44, 7, 0, 0, 0, 1, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-29', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 0.0, 26, 6, 0, 0, 0, 0, 2, 0, 0, 0, NULL),
  (1795482180750, 'message-30', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 0.0, 45, 7, 0, 0, 0, 1, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-31', 'usr_06h01h32g07swwzhv5rs0nh708', 'embed', 0.034979, 34, 6, 0, 0, 1, 0, 3, 0, 0, 0, NULL),
  (1795482180750, 'message-32', 'usr_06h01h32g07swwzhv5rs0nh708', 'chunk', 0.0, 46, 7, 0, 0, 0, 1, 3, 0, 0, 0, NULL),
  (1795482180750, 'req_06h0p4ywhr06knwb98qnwmfcmg', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 0, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhraqv78wjvv0qprdb0', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 0, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhrewcd14vgfqzqjzdr', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 0, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhrkeb4beff43n4cpx8', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 35, 10, 3, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhrpv3z0exdrkk7ps2m', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 0, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhrs3j9ragat7trb1hm', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/jobs/{id}', 0.0, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhs13x4t606f508bsjr', NULL, 'unknown', 0.0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, NULL),
  (1795482180750, 'req_06h0p4ywhsc5safvk0ppdh95fg', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 0, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhsyc6bz1ywhxh89xcc', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/documents', 0.0, 13, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhtj6yawfx3rya72stm', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/documents/{id}', 0.0, 28, 8, 0, 0, 0, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhtkk9vxbyhdy6x04vg', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/documents', 0.0, 14, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhtqctt042badegjpsg', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/memory', 0.011046, 21, 6, 0, 0, 0, 0, 0, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhtzawqne65ya6zaah0', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 37, 12, 0, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhvbfe22tsndc2t78k8', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/jobs/{id}/cancel', 0.0, 57, 11, 0, 0, 0, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhvex6xpspdv0k47dem', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/documents/{id}', 0.0, 27, 8, 0, 0, 0, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhvhbewwzhkkn76vscm', 'usr_06h01h32g1y6frt0dtyzrw1b50', '/api/index', 0.0, 33, 10, 1, 0, 1, 0, 1, 0, 0, 0, 'gjmyit7hhvgckotq'),
  (1795482180750, 'req_06h0p4ywhvpmqmnrqccrawrpac', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 0, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482180750, 'req_06h0p4ywhvzkcqdca1rtcsdzj8', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 0, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482780750, 'req_06h0p7849ve2zq3s270sfj1h10', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 2, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482900750, 'req_06h0p7ps1sg61xdp49t4amz9s0', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 3, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482900750, 'req_06h0p7ps1t3sxwwknphpcrn7fc', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/chat', 0.0, 25, 8, 2, 0, 0, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482900750, 'req_06h0p7ps1t4t427q8bynmtdz3r', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 0, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482900750, 'req_06h0p7ps1tgwj4pdbdsqr84r3c', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/index', 0.0, 33, 10, 0, 0, 1, 0, 1, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482900750, 'req_06h0p7ps1vgkw4ecrb8sjsvn70', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/chat', 0.0, 29, 8, 0, 0, 0, 0, 0, 0, 0, 0, 'urp7uha76tl6y4y5'),
  (1795482900750, 'req_06h0p7ps1vzq2y5zhv7kf3ww78', 'usr_06h01h32g07swwzhv5rs0nh708', '/api/chat', 0.0, 29, 8, 0, 0, 0, 0, 0, 0, 0, 0, 'urp7uha76tl6y4y5');
DELETE FROM conversations;
INSERT INTO conversations ("user_id", "id", "title", "origin", "created_at", "updated_at", "last_number", "last_item", "summary", "summarised_through", "archived_key", "restored_at") VALUES
  ('usr_06h01h32g07swwzhv5rs0nh708', 'con_06h01h32g22nc9bbcp4wr1zwxw', 'When is high tide?', 'chat', 1795309200000, 1795309200200, 4, 2, NULL, 0, 'u/usr_06h01h32g07swwzhv5rs0nh708/archives/conversations/2026-11-24/con_06h01h32g22nc9bbcp4wr1zwxw-clm_06h0p4qj5sm6pnmma0egt3wzsw.json.gz', NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'con_06h01hae7r3ge4hs25nm4t2sa4', 'Where do the swallows go?', 'chat', 1795309260350, 1795309260600, 4, 4, NULL, 0, NULL, NULL),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'con_06h0p7ps1vc54y07zcvt69ys3g', 'What does the tide do?', 'chat', 1795482900750, 1795482900750, 6, 46, NULL, 0, NULL, NULL);
DELETE FROM turns;
INSERT INTO turns ("user_id", "conversation_id", "number", "id", "role", "content", "detail", "created_at") VALUES
  ('usr_06h01h32g07swwzhv5rs0nh708', 'con_06h01hae7r3ge4hs25nm4t2sa4', 1, 'trn_06h01hae7vay0r6c2hj7tw898c', 'user', 'Where do the swallows go?', NULL, 1795309260350),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'con_06h01hae7r3ge4hs25nm4t2sa4', 2, 'trn_06h01hae7vay0r6c2hj7tw898c', 'assistant', 'I found nothing about this in your documents or memories.

Where do the swallows go?', '{"citations":[],"route":{"name":"simple","model":"@cf/ibm-granite/granite-4.0-h-micro","why":"it is short and asks for one thing"},"usage":{"prompt_tokens":100,"completion_tokens":5,"neurons":0.20499},"grounded":false,"memories":[],"offered":[],"finish":"stop"}', 1795309260600),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'con_06h01hae7r3ge4hs25nm4t2sa4', 3, 'trn_06h01haf720wcz5898rh91tc98', 'user', 'And after that?', NULL, 1795309260600),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'con_06h01hae7r3ge4hs25nm4t2sa4', 4, 'trn_06h01haf720wcz5898rh91tc98', 'assistant', 'And after that?', '{"citations":[],"route":{"name":"simple","model":"@cf/ibm-granite/granite-4.0-h-micro","why":"it is short and asks for one thing"},"usage":{"prompt_tokens":100,"completion_tokens":3,"neurons":0.184674},"grounded":false,"memories":[],"offered":[],"finish":"stop"}', 1795309260750),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'con_06h0p7ps1vc54y07zcvt69ys3g', 1, 'trn_06h0p7ps1vrkbb0p4kmwxzdvq0', 'user', 'What does the tide do?', NULL, 1795482900750),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'con_06h0p7ps1vc54y07zcvt69ys3g', 3, 'trn_06h0p7ps1s92z3apy8j43bdx4r', 'user', 'And the lighthouse?', NULL, 1795482900750),
  ('usr_06h01h32g07swwzhv5rs0nh708', 'con_06h0p7ps1vc54y07zcvt69ys3g', 5, 'trn_06h0p7ps1rqcxgvd5qn20txkc8', 'user', 'And the swallow?', NULL, 1795482900750);
DELETE FROM memories;
INSERT INTO memories ("number", "id", "user_id", "kind", "text", "hash", "source", "confidence", "state", "pinned", "supersedes", "embedding", "created_at", "recalled_at") VALUES
  (1, 'mem_06h0p4ywhtvqd2ckrncf5tp3k4', 'usr_06h01h32g07swwzhv5rs0nh708', 'fact', 'I live by the sea', '42f9053c39040d3f612801f76076e5a17251e0299ab7ab207267b19ed189532d', NULL, 1.0, 'active', 0, NULL, '3DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo5D/fkPtw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jkP9+Q+3DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo5D/fkPtw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOQ/35D7cOeo53DnqOQ/35D7cOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo53DnqOdw56jncOeo5', 1795482180750, NULL);
DELETE FROM memories_fts_data;
INSERT INTO memories_fts_data ("id", "block") VALUES
  (1, X'010105'),
  (10, X'00000000FF00000101010100010101010101000001'),
  (137438953473, X'0000003B033062790106010104010169010601010201046C69766501060101030103736561010601010601037468650106010105010275310102020409080B0A0A');
DELETE FROM memories_fts_idx;
INSERT INTO memories_fts_idx ("segid", "term", "pgno") VALUES
  (1, X'', 2);
DELETE FROM memories_fts_docsize;
INSERT INTO memories_fts_docsize ("id", "sz", "origin") VALUES
  (1, X'0105', 1);
DELETE FROM memories_fts_config;
INSERT INTO memories_fts_config ("k", "v") VALUES
  ('version', 4);
DELETE FROM sessions;
DELETE FROM session_tickets;
DELETE FROM budget;
INSERT INTO budget ("day", "neurons", "ingest_neurons", "counted_at", "used", "requests_by_key") VALUES
  (1795305600000, 0.813354, 0.0, NULL, NULL, NULL),
  (1795478400000, 7.38240999999999925e-01, 7.271949999999999247e-01, NULL, NULL, NULL);
DELETE FROM reservations;
INSERT INTO reservations ("id", "day", "purpose", "user_id", "neurons", "made_at") VALUES
  ('crash-6', 1795478400000, 'ingest', 'usr_06h01h32g07swwzhv5rs0nh708', 0.038661, 1795482780750);
DELETE FROM usage_hourly;
DELETE FROM usage_daily;
INSERT INTO usage_daily ("day", "user_id", "source", "invocations", "neurons", "d1_rows_read", "d1_rows_written", "kv_reads", "kv_writes", "r2_class_a", "r2_class_b", "queue_operations", "vectors_queried", "vectors_upserted", "object_requests") VALUES
  (1795305600000, '', '/api/keys', 2, 0.0, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0),
  (1795305600000, 'usr_06h01h32g07swwzhv5rs0nh708', '/api/chat', 4, 0.0, 104, 30, 9, 0, 0, 0, 4, 0, 0, 0),
  (1795305600000, 'usr_06h01h32g07swwzhv5rs0nh708', '/api/jobs/{id}', 4, 0.0, 48, 4, 0, 0, 0, 0, 0, 0, 0, 0),
  (1795305600000, 'usr_06h01h32g07swwzhv5rs0nh708', 'chat', 4, 0.813354, 156, 34, 4, 2, 0, 0, 8, 0, 0, 12);
DELETE FROM alerts;
DELETE FROM archives;
INSERT INTO archives ("key", "user_id", "kind", "subject", "state", "updated_at") VALUES
  ('u/usr_06h01h32g07swwzhv5rs0nh708/archives/conversations/2026-11-24/con_06h01h32g22nc9bbcp4wr1zwxw-clm_06h0p4qj5sm6pnmma0egt3wzsw.json.gz', 'usr_06h01h32g07swwzhv5rs0nh708', 'conversation', 'con_06h01h32g22nc9bbcp4wr1zwxw', 'kept', 1795482120750);
