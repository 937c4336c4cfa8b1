// The official openai package of npm, unmodified, against /v1.
//
// Usage: node openai_sdk.cjs BASE_URL API_KEY
// Prints one JSON object with what it saw.
const OpenAI = require("openai");

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 170_000 });
const messages = [{ role: "user", content: "What is the capital of Freedonia?" }];
const complete = (fields) => client.chat.completions.create({ model: "friend", messages, ...fields });

async function refusal(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return [error.status, error.code, error.param];
  }
}

async function main() {
  const seen = {};
  const stopped = await complete({ stop: "It lies", temperature: 0 });
  seen.stopped = stopped.choices[0].message.content;
  let streamed = "";
  let citations = null;
  for await (const chunk of await complete({ stream: true })) {
    streamed += chunk.choices[0]?.delta?.content ?? "";
    citations = chunk.citations ?? citations;
  }
  seen.streamed = streamed;
  seen.citations = citations;
  seen.refused = await refusal(() => complete({ tools: [{ type: "function" }] }));
  const look = ({ capital }) => `${capital}, sunny`;
  const parameters = { type: "object", properties: { capital: { type: "string" } }, required: ["capital"] };
  const tools = [{ type: "function", function: { name: "look", function: look, parse: JSON.parse, parameters } }];
  const model = "friend-plain";
  seen.tools = await client.chat.completions.runTools({ model, messages, tools }).finalContent();
  const streamed_tools = client.chat.completions.runTools({ model, messages, tools, stream: true, seed: 1 });
  seen.streamed_tools = await streamed_tools.finalContent();
  const embedded = await client.embeddings.create({ model: "friend-embedding", input: ["ships", "whales"] });
  seen.embeddings = [embedded.data.length, embedded.data[0].embedding.length];
  seen.model = (await client.models.retrieve("friend-code")).id;
  const response = await client.responses.create({ model: "friend", input: messages[0].content });
  seen.response = response.output_text;
  console.log(JSON.stringify(seen));
}

main();
