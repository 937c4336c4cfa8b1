// A participant as a browser is one: joins a session of its own with a ticket, closes it, and prints how DELETE was
// answered and what its connection was closed with. Started with the product's address and a key.
const [url, key] = process.argv.slice(2);
const call = (method, path, body) =>
  fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });

// A connection that does not end would keep this waiting.
setTimeout(() => process.exit(1), 120_000).unref();

const { id } = await (await call("POST", "/api/session", {})).json();
const { ticket } = await (await call("POST", `/api/session/${id}/tickets`, {})).json();
const address = `${url.replace("http", "ws")}/api/session/${id}/ws`;
const socket = new WebSocket(address, ["claudes-friend", `ticket.${ticket}`]);
const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
await new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }));
const { status } = await call("DELETE", `/api/session/${id}`);
const { code, reason, wasClean } = await closed;
console.log(status, code, reason, wasClean ? "clean" : "broken");
process.exit(0);
