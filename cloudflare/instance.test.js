// What instance.js promises, over bindings that trap when asked to.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { recovering } from "./instance.js";

globalThis.addEventListener ??= () => {};

class Base {
  constructor(ctx, env) {
    Object.assign(this, { ctx, env });
  }
}

let state, bindings, worker;

beforeEach(() => {
  state = { criticalError: false, instanceId: 1 };
  const answer = (request, ...rest) => {
    if (request === "trap") throw new WebAssembly.RuntimeError("unreachable");
    return Promise.resolve([request, ...rest, state.instanceId]);
  };
  class Session {
    #instance = state.instanceId;
    constructor(storage, env) {
      Object.assign(this, { storage, env });
    }
    fetch(request) {
      if (this.#instance !== state.instanceId) throw new Error("an object of an instance that is gone");
      return answer(request, this.storage, this.env);
    }
    webSocketMessage(socket, message) {
      return answer(socket, message);
    }
    free() {}
    __destroy_into_raw() {}
  }
  bindings = {
    __worker_init_state: () => state,
    __wbg_reset_state: () => (state.instanceId += 1),
    fetch: async (...given) => answer(...given),
    Session,
  };
  worker = recovering(bindings);
});

test("a handler gets the event, the bindings and the context", async () => {
  const Entrypoint = worker.entrypoint(Base, "fetch");
  assert.deepEqual(await new Entrypoint("ctx", "env").fetch("request"), ["request", "env", "ctx", 1]);
});

test("a call that traps fails, and the next begins with a new instance", async () => {
  const Entrypoint = worker.entrypoint(Base, "fetch");
  const entrypoint = new Entrypoint("ctx", "env");
  await assert.rejects(entrypoint.fetch("trap"), WebAssembly.RuntimeError);
  assert.deepEqual(await entrypoint.fetch("request"), ["request", "env", "ctx", 2]);
  assert.deepEqual(await entrypoint.fetch("request"), ["request", "env", "ctx", 2]);
});

test("a Durable Object outlives the instance that held it", async () => {
  const session = new (worker.durableObject("Session"))("storage", "env");
  assert.deepEqual(await session.fetch("request"), ["request", "storage", "env", 1]);
  await assert.rejects(session.fetch("trap"), WebAssembly.RuntimeError);
  assert.deepEqual(await session.fetch("request"), ["request", "storage", "env", 2]);
});

test("a Durable Object has the handlers of its class and nothing else", async () => {
  const Session = worker.durableObject("Session");
  assert.deepEqual(Object.getOwnPropertyNames(Session.prototype), ["constructor", "fetch", "webSocketMessage"]);
  assert.deepEqual(await new Session().webSocketMessage("socket", "message"), ["socket", "message", 1]);
});
