// Workers AI and Vectorize as their bindings look from a Worker. Nothing is decided here: each call
// goes to the model server (local/models), which enforces the documented limits and answers, or
// fails, as the platform would.
import { WorkerEntrypoint } from "cloudflare:workers";

class Remote extends WorkerEntrypoint {
  async call(path, body) {
    const headers = { "content-type": "application/json" };
    const response = await fetch(this.env.MODEL_SERVER + path, { method: "POST", headers, body });
    if (!response.ok) throw new Error(await response.text());
    return response;
  }
}

// Typed arrays become plain ones: JSON would write them as objects.
const plain = (values) => (Array.isArray(values) ? values : Array.from(values));

export class Ai extends Remote {
  async run(model, input) {
    const response = await this.call("/ai/run", JSON.stringify({ model, input }));
    return input.stream ? response.body : response.json();
  }
}

export class Vectorize extends Remote {
  async upsert(vectors) {
    const body = vectors.map((vector) => ({ ...vector, values: plain(vector.values) }));
    return (await this.call("/vectorize/upsert", JSON.stringify(body))).json();
  }

  async query(vector, options) {
    return (await this.call("/vectorize/query", JSON.stringify({ vector: plain(vector), ...options }))).json();
  }

  async deleteByIds(ids) {
    return (await this.call("/vectorize/delete", JSON.stringify(ids))).json();
  }
}

// The binding of a stage's queue: each is named after its stage, so that a new stage needs no list here.
const queueOf = (stage) => `${stage.toUpperCase()}_QUEUE`;

// Delivers messages twice, on demand: one more for every item that is not finished, in its present
// stage and in the one before. Started through the simulator's cron endpoint.
async function duplicateMessages(env) {
  const { results } = await env.DB.prepare(
    `SELECT id AS item, stage, user_id AS user FROM job_items
     WHERE state IN ('queued', 'running', 'waiting') LIMIT 100`,
  ).all();
  for (const row of results) {
    const stages = row.stage === "upsert" ? ["embed", "upsert"] : [row.stage];
    for (const stage of stages) {
      await env[queueOf(stage)].send(JSON.stringify({ v: 1, ...row, stage }), { contentType: "text" });
    }
  }
}

// What `make bench` does in the place of queues that hold everything back, so that each invocation runs alone.
// Commands come as the expression of a cron trigger, `deliver chunk 1`: nothing else reaches this Worker.
const commands = {
  // One message for each of the first items that wait in a stage.
  deliver: (env, stage, count) => send(env, queueOf(stage), stage, count),
  // The same into the stage's dead-letter queue, as if its workers had died on them.
  "give-up": (env, stage, count) => send(env, `${stage.toUpperCase()}_DEAD_LETTERS`, stage, count),
  // Whatever was sent was sent long ago: the sweep takes it for lost.
  lose: (env) => env.DB.prepare("UPDATE job_items SET sent_at = 1 WHERE state = 'queued'").run(),
};

async function send(env, queue, stage, count) {
  const { results } = await env.DB.prepare(
    `SELECT id AS item, stage, user_id AS user FROM job_items
     WHERE state = 'queued' AND stage = ? AND next_at <= ? ORDER BY id LIMIT ?`,
  )
    .bind(stage, Date.now(), Number(count))
    .all();
  const messages = results.map((row) => ({ body: JSON.stringify({ v: 1, ...row }), contentType: "text" }));
  // The simulator knows one delay a queue, whoever sends: what is not to be held back must say so.
  if (messages.length > 0) await env[queue].sendBatch(messages, { delaySeconds: 0 });
}

async function scheduled({ cron }, env) {
  const [command, ...parameters] = cron.split(" ");
  await (commands[command] ?? duplicateMessages)(env, ...parameters);
}

export default {
  fetch: () => new Response("stand-ins for Workers AI and Vectorize; see local/bindings/index.js"),
  scheduled,
};
