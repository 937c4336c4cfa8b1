// Runs what src/lib.rs says as wasm. A loop without an end is ended by the runner's --test-timeout.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const file = new URL("../../target/wasm/wasm32-unknown-unknown/quick/wasm_tests.wasm", import.meta.url);
const module = new WebAssembly.Module(readFileSync(file));

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
