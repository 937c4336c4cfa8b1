// Runs what src/lib.rs says as wasm. A loop without an end is ended by the runner's --test-timeout.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { recovering } from "../../cloudflare/instance.js";

const MEGABYTE = 1 << 20;
// As `--max-memory` in .cargo/config.toml; an isolate has 128 MB.
const MOST = 96 * MEGABYTE;
const PAGE = 64 * 1024;

const read = (path) => new WebAssembly.Module(readFileSync(new URL(path, import.meta.url)));
const module = read("../../target/wasm/wasm32-unknown-unknown/quick/wasm_tests.wasm");

test("it needs nothing but itself", () => {
  assert.deepEqual(WebAssembly.Module.imports(module), []);
});

for (let seed = 1; seed <= 40; seed++) {
  test(`no frame breaks the shared text: seed ${seed}`, () => {
    // An instance for each seed: what one leaves behind is nothing to the next.
    const { exports } = new WebAssembly.Instance(module);
    const accepted = exports.play(seed, 500);
    assert.ok(accepted > 20, `play(${seed}, 500) is ${accepted}; a negative number is the frame that broke it`);
  });
}

test("a call that takes more memory than an isolate has to spare traps, and the next begins anew", async () => {
  globalThis.addEventListener ??= () => {};
  let { exports } = new WebAssembly.Instance(module);
  const state = { criticalError: false, instanceId: 1 };
  const { entrypoint } = recovering({
    __worker_init_state: () => state,
    __wbg_reset_state: () => {
      ({ exports } = new WebAssembly.Instance(module));
      state.instanceId += 1;
    },
    fetch: async (bytes) => [exports.take(bytes), exports.memory.buffer.byteLength <= MOST, state.instanceId],
  });
  const worker = new (entrypoint(class {}, "fetch"))();
  assert.deepEqual(await worker.fetch(64 * MEGABYTE), [64 * MEGABYTE, true, 1]);
  await assert.rejects(worker.fetch(MOST), WebAssembly.RuntimeError);
  // What the lost instance held is free again.
  assert.deepEqual(await worker.fetch(64 * MEGABYTE), [64 * MEGABYTE, true, 2]);
});

for (const worker of ["gateway", "consumers"]) {
  test(`the ${worker} Worker as it is deployed takes no more`, () => {
    const built = read(`../../cloudflare/${worker}/build/bindings_bg.wasm`);
    const imports = {};
    for (const { module, name, kind } of WebAssembly.Module.imports(built)) {
      // Beside functions there is what JavaScript's exceptions are thrown as.
      const exception = () => new WebAssembly.Tag({ parameters: ["externref"] });
      (imports[module] ??= {})[name] = kind === "tag" ? exception() : () => {};
    }
    const { memory } = new WebAssembly.Instance(built, imports).exports;
    memory.grow((MOST - memory.buffer.byteLength) / PAGE);
    assert.throws(() => memory.grow(1), RangeError);
  });
}
