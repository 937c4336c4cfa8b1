// A language model on this machine behind OpenAI's chat API: any GGUF file, by llama.cpp.
//
//   node server.js --model file.gguf [--port 0] [--context 8192]
//
// One prompt is worked on at a time, as fits a machine with a few cores; the others wait in line.
// The part of a prompt that the one before had too is not read again.
import { createServer } from "node:http";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { getLlama, LlamaChat } from "node-llama-cpp";

const { values: options } = parseArgs({
  options: {
    model: { type: "string" },
    port: { type: "string", default: "0" },
    context: { type: "string", default: "8192" },
  },
});

const LARGEST_BODY = 8 * 1024 * 1024;

// Its threads wait for each other by spinning: more of them than cores is a hundred times slower.
const maxThreads = availableParallelism();
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", progressLogs: false, maxThreads });
const model = await llama.loadModel({ modelPath: options.model });
const context = await model.createContext({ contextSize: { max: Number(options.context) } });
const chat = new LlamaChat({ contextSequence: context.getSequence() });

let line = Promise.resolve();
// Runs `work` when everything before it has ended, however it ended.
function inLine(work) {
  const turn = line.then(work, work);
  line = turn.catch(() => {});
  return turn;
}

// What was called stands with its result in what the model said.
function history(messages) {
  const result = (id) => messages.find(({ tool_call_id }) => tool_call_id === id)?.content;
  const called = ({ id, function: { name, arguments: text } }) => {
    return { type: "functionCall", name, params: JSON.parse(text), result: result(id) };
  };
  const item = ({ role, content, tool_calls: calls = [] }) => {
    if (role === "assistant") return { type: "model", response: [content, ...calls.map(called)].filter(Boolean) };
    return { type: role === "system" ? "system" : "user", text: content };
  };
  const items = messages.filter(({ role }) => role !== "tool").map(item);
  return items.at(-1).type === "model" ? items : [...items, { type: "model", response: [] }];
}

// What the model may call: a grammar of calls where it must, functions where it decides itself.
async function toolsOf({ tools, tool_choice: choice }) {
  if (!tools?.length) return {};
  const offered = tools.map((tool) => tool.function);
  if (!choice || choice === "auto") {
    const functions = offered.map(({ name, description, parameters }) => [name, { description, params: parameters }]);
    return { functions: Object.fromEntries(functions), documentFunctionParams: true };
  }
  const wanted = offered.filter(({ name }) => choice === "required" || choice.function.name === name);
  const call = ({ name, parameters }) => {
    return { type: "object", properties: { name: { const: name }, arguments: parameters } };
  };
  return { grammar: await llama.createGrammarForJsonSchema({ oneOf: wanted.map(call) }), isForced: true };
}

function toolCall({ name, arguments: value }, place) {
  return { id: `call_${place}`, type: "function", function: { name, arguments: JSON.stringify(value ?? {}) } };
}

// What a model that must call has written, unless it was cut off in it.
function forcedCalls(response) {
  try {
    return [toolCall(JSON.parse(response), 0)];
  } catch {
    return [];
  }
}

// What holds an answer to JSON, or to a schema of it; nothing for text.
async function grammarOf(format) {
  if (format?.type === "json_object") return llama.getGrammarFor("json");
  if (format?.type === "json_schema") return llama.createGrammarForJsonSchema(format.json_schema.schema);
  return undefined;
}

async function generate(input, signal, onText) {
  const { messages, max_tokens: maxTokens = 256, temperature = 0, top_p: topP, seed } = input;
  const { isForced, functions, documentFunctionParams, ...offered } = await toolsOf(input);
  const grammar = offered.grammar ?? (await grammarOf(input.response_format));
  const meter = chat.sequence.tokenMeter.getState();
  const { response, functionCalls, metadata } = await chat.generateResponse(history(messages), {
    maxTokens,
    temperature,
    topP,
    seed,
    grammar,
    functions,
    documentFunctionParams,
    repeatPenalty: { penalty: 1.15, lastTokens: 96 },
    signal,
    stopOnAbortSignal: true,
    onTextChunk: onText,
  });
  const used = chat.sequence.tokenMeter.diff(meter);
  const prompt = messages.reduce((sum, { content }) => sum + model.tokenize(content).length + 4, 0);
  const called = functionCalls?.map(({ functionName, params }) => ({ name: functionName, arguments: params })) ?? [];
  return {
    response: isForced ? null : response,
    calls: isForced ? forcedCalls(response) : called.map(toolCall),
    finish: metadata.stopReason === "maxTokens" ? "length" : "stop",
    usage: { prompt_tokens: prompt, completion_tokens: used.usedOutputTokens },
  };
}

async function body(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > LARGEST_BODY) throw new Error("the body is too large");
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString("utf8"));
}

function event(delta, rest = {}) {
  const choices = [{ index: 0, delta, finish_reason: null }];
  return `data: ${JSON.stringify({ object: "chat.completion.chunk", choices, ...rest })}\n\n`;
}

async function complete(request, response) {
  const input = await body(request);
  const abort = new AbortController();
  response.on("close", () => abort.abort());
  if (!input.stream) {
    const answer = await inLine(() => generate(input, abort.signal));
    const calls = answer.calls.length > 0 ? { tool_calls: answer.calls } : {};
    const message = { role: "assistant", content: answer.response, ...calls };
    const choice = { index: 0, message, finish_reason: answer.finish };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ object: "chat.completion", choices: [choice], usage: answer.usage }));
    return;
  }
  response.setHeader("content-type", "text/event-stream");
  response.flushHeaders();
  const answer = await inLine(() => {
    if (abort.signal.aborted) throw new Error("the client is gone");
    return generate(input, abort.signal, (text) => response.write(event({ content: text })));
  });
  response.end(`${event({}, { usage: answer.usage })}data: [DONE]\n\n`);
}

const server = createServer(async (request, response) => {
  try {
    if (request.method === "POST" && request.url === "/v1/chat/completions") return await complete(request, response);
    response.statusCode = request.url === "/health" ? 200 : 404;
    response.end();
  } catch (error) {
    if (!response.headersSent) response.statusCode = 400;
    response.end(JSON.stringify({ error: { message: String(error?.message ?? error) } }));
  }
});

server.listen(Number(options.port), "127.0.0.1", () => {
  console.log(`language model on 127.0.0.1:${server.address().port}`);
});
