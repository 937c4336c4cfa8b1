// What workerd calls, around what wasm-bindgen exports. A Worker's entry.js names what it has.
//
// A trap (a panic, or memory that ran out) leaves an instance whose memory cannot be trusted.
// The call that trapped fails; the next one begins with a new instance of the same module.

// Wraps the exports of a Worker: `entrypoint` makes its default export, on workerd's base class of that name;
// `durableObject` makes a class that workerd can construct.
export function recovering(bindings) {
  // Kept by the worker crate: whether the instance is lost, and how many there have been.
  const state = bindings.__worker_init_state();

  function replaceLostInstance() {
    if (!state.criticalError) return;
    console.log("the wasm instance trapped: going on with a new one");
    bindings.__wbg_reset_state();
    state.criticalError = false;
  }

  function noticeTrap(error) {
    if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
  }

  async function call(work) {
    replaceLostInstance();
    try {
      return await work();
    } catch (error) {
      noticeTrap(error);
      throw error;
    }
  }

  // A trap in a task that nobody awaits.
  addEventListener("error", ({ error }) => noticeTrap(error));

  function entrypoint(Base, ...handlers) {
    class Entrypoint extends Base {}
    for (const handler of handlers) {
      Entrypoint.prototype[handler] = function (event) {
        return call(() => bindings[handler](event, this.env, this.ctx));
      };
    }
    return Entrypoint;
  }

  // A Durable Object whose Rust half is made again when the instance that held it is gone.
  function durableObject(name) {
    const Rust = bindings[name];
    class DurableObject {
      #arguments;
      #object;
      #instance;

      constructor(...given) {
        this.#arguments = given;
        replaceLostInstance();
        try {
          this.#current();
        } catch (error) {
          noticeTrap(error);
          throw error;
        }
      }

      #current() {
        if (this.#instance !== state.instanceId) {
          this.#object = new Rust(...this.#arguments);
          this.#instance = state.instanceId;
        }
        return this.#object;
      }

      static pass(method) {
        DurableObject.prototype[method] = function (...given) {
          return call(() => this.#current()[method](...given));
        };
      }
    }
    const isHandler = (method) => !method.startsWith("__") && !["constructor", "free"].includes(method);
    Object.getOwnPropertyNames(Rust.prototype).filter(isHandler).forEach(DurableObject.pass);
    return DurableObject;
  }

  return { entrypoint, durableObject };
}
