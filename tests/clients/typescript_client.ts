// A client that openapi-typescript made of /openapi.json, used as it is: indexes, waits, searches, asks, pages.
//
// Usage: typescript_client.ts BASE_URL API_KEY; the generated types are in ./generated.d.ts.
// Prints one JSON object with what it saw.

import createClient from "openapi-fetch";
import type { components, paths } from "./generated.d.ts";

declare const process: { argv: string[] };
type Job = components["schemas"]["Job"];

const [baseUrl, key] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const ended: Job["status"][] = ["succeeded", "partial", "failed", "cancelled"];

// What was answered, where it is no problem.
function answered<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

async function wait(id: string): Promise<Job> {
  for (;;) {
    const job = answered(await client.GET("/api/jobs/{id}", { params: { path: { id } } }));
    if (ended.includes(job.status)) return job;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const accepted = answered(
  await client.POST("/api/index", {
    body: {
      documents: [0, 1, 2].map((n) => ({
        external_id: `typed/${n}.md`,
        content: `The capital of Freedonia is Glorp, sheet ${n}.`,
        tags: ["typescript"],
      })),
    },
  }),
);
if (!accepted.job_id) throw new Error("no job");
const indexed = (await wait(accepted.job_id)).status;

const found = answered(
  await client.POST("/api/search", {
    body: { query: "capital of Freedonia", mode: "keyword", filters: { tags: ["typescript"] } },
  }),
);

const asked = answered(
  await client.POST("/api/chat", {
    params: { header: { Prefer: "wait=60" } },
    body: { message: "What is the capital of Freedonia?" },
  }),
);
const turn = "answer" in asked ? asked : (await wait(asked.job_id)).result;

const pages: (string | null)[][] = [];
for (let cursor: string | undefined; ; ) {
  const page = answered(
    await client.GET("/api/documents", { params: { query: { limit: 2, tag: "typescript", cursor } } }),
  );
  pages.push(page.items.map((document) => document.external_id));
  if (!page.next_cursor) break;
  cursor = page.next_cursor;
}

const missing = await client.GET("/api/jobs/{id}", { params: { path: { id: "job_nothing" } } });

console.log(
  JSON.stringify({
    items: accepted.items.map((item) => item.status),
    indexed,
    hits: found.hits.map((hit) => hit.external_id).sort(),
    found_by: found.hits[0].found_by,
    answer: turn?.answer,
    pages,
    problem: missing.error?.code,
  }),
);
