// Follows a job with Node's EventSource, as a browser would, until that does not come back any more. Prints what it was
// answered, and the types of the events. Started with the product's address, a key and a job's id.
import { createServer } from "node:http";

const [url, key, job] = process.argv.slice(2);
const statuses = [];
const types = [];

// An EventSource sends no headers of ours: this stands between and adds the key, as a page's own server would.
const server = createServer(async (request, response) => {
  const headers = { authorization: `Bearer ${key}` };
  if (request.headers["last-event-id"]) headers["last-event-id"] = request.headers["last-event-id"];
  const answer = await fetch(url + request.url, { headers });
  statuses.push(answer.status);
  response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" });
  for await (const piece of answer.body ?? []) response.write(piece);
  response.end();
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const source = new EventSource(`http://127.0.0.1:${server.address().port}/api/jobs/${job}/events`);
for (const type of ["job", "started", "delta", "restarted", "done", "failed", "cancelled"]) {
  source.addEventListener(type, () => types.push(type));
}
await new Promise((resolve) => {
  source.addEventListener("error", () => source.readyState === EventSource.CLOSED && resolve());
});
console.log(JSON.stringify({ statuses, types }));
process.exit(0);
