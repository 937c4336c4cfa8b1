// Clients of the npm package `ot` edit a shared text together, as wasm (src/room.rs): whatever is under way between
// them, they end with the same text. Texts hold characters of one and of two UTF-16 units.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import ot from "ot";

const built = new URL("../../target/wasm/wasm32-unknown-unknown/quick/wasm_tests.wasm", import.meta.url);
const module = new WebAssembly.Module(readFileSync(built));
const TEXTS = ["a", "be ", "é", "文字", "🐋", "🦀🐋", "👩‍👩‍👧", "\u{100000}", "𝄞"];
const WRITERS = 3;

// Mulberry32: the same numbers from the same seed.
function draws(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const isSecondHalf = (text, at) => at > 0 && at < text.length && /[\udc00-\udfff]/.test(text[at]);

class Room {
  constructor() {
    this.exports = new WebAssembly.Instance(module).exports;
  }

  send(frame) {
    for (const byte of new TextEncoder().encode(JSON.stringify(frame))) this.exports.write_byte(byte);
    const bytes = Uint8Array.from({ length: this.exports.receive() }, (_, at) => this.exports.read_byte(at));
    return JSON.parse(new TextDecoder().decode(bytes));
  }
}

class Writer extends ot.Client {
  constructor() {
    super(0);
    this.text = "";
    this.sent = [];
    this.events = [];
    this.refused = 0;
  }

  sendOperation(revision, operation) {
    this.sent.push({ type: "edit", revision, operation: operation.toJSON() });
  }

  applyOperation(operation) {
    this.text = operation.apply(this.text);
  }

  edit(operation) {
    this.text = operation.apply(this.text);
    this.applyClient(operation);
  }

  hear({ type, from, operation, revision, text }) {
    if (type === "edited" && from === this) return this.serverAck();
    if (type === "edited") return this.applyServer(ot.TextOperation.fromJSON(operation));
    // Refused: the text as it is, and what was not accepted is lost.
    this.refused += 1;
    this.text = text;
    this.revision = revision;
    this.setState(new ot.Client.Synchronized());
  }
}

// Replaces characters of a text, whole ones.
function replacement(text, draw) {
  let start = draw(text.length + 1);
  let end = Math.min(text.length, start + draw(4));
  if (isSecondHalf(text, start)) start -= 1;
  if (isSecondHalf(text, end)) end += 1;
  return new ot.TextOperation()
    .retain(start)
    .delete(end - start)
    .insert(draw(4) === 0 ? "" : TEXTS[draw(TEXTS.length)])
    .retain(text.length - end);
}

// Replaces the second half of a pair alone, as a comparison of two texts by units does.
function halfReplacement(text, draw) {
  const whales = [...text.matchAll(/\ud83d[\udc0b\udc0c]/g)];
  if (whales.length === 0) return replacement(text, draw);
  const at = whales[draw(whales.length)].index + 1;
  const other = text[at] === "\udc0b" ? "\udc0c" : "\udc0b";
  return new ot.TextOperation().retain(at).delete(1).insert(other).retain(text.length - at - 1);
}

// A writer's frame arrives; everybody hears of it, whoever is refused gets the text.
function arrive(room, writers, writer) {
  const answer = room.send(writer.sent.shift());
  if (answer.type === "error") {
    assert.equal(answer.code, "conflict", JSON.stringify(answer));
    return writer.events.push(room.send({ type: "scratch" }));
  }
  for (const other of writers) other.events.push({ ...answer, from: writer });
}

function play(seed, edit) {
  const [draw, room] = [draws(seed), new Room()];
  const writers = Array.from({ length: WRITERS }, () => new Writer());
  for (let step = 0; step < 400; step++) {
    const writer = writers[draw(WRITERS)];
    const what = draw(3);
    if (what === 0) writer.edit(edit(writer.text, draw));
    if (what === 1 && writer.sent.length > 0) arrive(room, writers, writer);
    if (what === 2 && writer.events.length > 0) writer.hear(writer.events.shift());
  }
  while (writers.some(({ sent, events }) => sent.length + events.length > 0)) {
    for (const writer of writers) {
      if (writer.sent.length > 0) arrive(room, writers, writer);
      if (writer.events.length > 0) writer.hear(writer.events.shift());
    }
  }
  const { text, revision } = room.send({ type: "scratch" });
  for (const writer of writers) assert.deepEqual([writer.text, writer.revision], [text, revision]);
  assert.ok(text.isWellFormed());
  return { text, revision, refused: writers.reduce((sum, { refused }) => sum + refused, 0) };
}

test("clients of ot.js end with the same text, and none of their edits is refused", () => {
  let pairs = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const { text, revision, refused } = play(seed, replacement);
    assert.equal(refused, 0, `seed ${seed}`);
    assert.ok(revision > 20, `seed ${seed}: ${revision} edits`);
    pairs += /[\ud800-\udbff]/.test(text) ? 1 : 0;
  }
  assert.ok(pairs > 100, `${pairs} texts with characters of two units`);
});

test("who replaces half of a pair ends with the same text as all others", () => {
  let [edits, refusals] = [0, 0];
  for (let seed = 1; seed <= 200; seed++) {
    const half = (text, draw) => (draw(5) === 0 ? halfReplacement : replacement)(text, draw);
    const { revision, refused } = play(seed, half);
    edits += revision;
    refusals += refused;
  }
  // Two that replace half of the same character at once cannot both.
  assert.ok(refusals < edits / 5, `${refusals} refused of ${edits}`);
});
