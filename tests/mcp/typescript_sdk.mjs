// The official TypeScript SDKs, version 1 and 2, at work: every tool, resources, prompts, in each era that they speak.
// Prints what each of them saw, as JSON.
import { Client as ClientOf2, StreamableHTTPClientTransport as TransportOf2 } from '@modelcontextprotocol/client'
import { Client as ClientOf1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as TransportOf1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const [url, key] = process.argv.slice(2)
const requestInit = { headers: { Authorization: `Bearer ${key}` } }
const identity = { name: 'tests', version: '1' }

const journey = async (client, label) => {
    // Lists the output schemas, by which the SDKs check each structured answer from then on.
    const tools = (await client.listTools()).tools.map(tool => tool.name)
    const call = async (name, args) => {
        const { isError, structuredContent, content } = await client.callTool({ name, arguments: args })
        return isError ? { error: content[0].text } : structuredContent
    }
    const file = `${label}/seals.md`
    const documents = [{ external_id: file, content: `# Seals\n\nThe seals of ${label} sing in the deep.\n` }]
    const indexed = await call('friend_index', { documents, wait_seconds: 50 })
    const status = await call('friend_status', { job_id: indexed.job_id })
    const found = await call('friend_search', { query: `seals of ${label}`, mode: 'keyword' })
    const read = await call('friend_get', { document: file, start_line: 3, end_line: 3 })
    const remembered = await call('friend_remember', { text: `${label} is released on Thursdays`, kind: 'decision' })
    const { memory_id } = remembered.memory
    const recalled = await call('friend_recall', { query: `when is ${label} released?` })
    const forgotten = await call('friend_forget', { memory_id })
    const sessions = await call('friend_sessions', {})
    const usage = await call('friend_usage', {})
    const asked = await call('friend_ask', { question: 'What is the capital of Freedonia?', wait_seconds: 50 })
    const resource = await client.readResource({ uri: found.hits[0].link })
    const context = await client.getPrompt({ name: 'context', arguments: { task: `seals of ${label}` } })
    return {
        tools,
        indexed: indexed.status,
        status: status.jobs[0].status,
        found: [found.hits[0].file, found.hits[0].start_line, found.hits[0].end_line],
        read: read.text,
        recalled: recalled.memories.some(memory => memory.memory_id === memory_id),
        forgotten: forgotten.memory_id === memory_id,
        sessions: sessions.sessions.length,
        usage: usage.resources[0].name,
        asked: [asked.status, asked.answer, asked.citations[0]?.file],
        resources: (await client.listResources()).resources[0].uri,
        templates: (await client.listResourceTemplates()).resourceTemplates.length,
        resource: resource.contents[0].text,
        prompts: (await client.listPrompts()).prompts.map(prompt => prompt.name),
        context: context.messages[0].content.text.includes(file),
        refused: (await call('friend_search', { query: ' ' })).error,
        unknown: await client.callTool({ name: 'friend_fly' }).then(() => 'called', error => error.code),
    }
}

const clients = {
    v1: [ClientOf1, TransportOf1, {}],
    v2_legacy: [ClientOf2, TransportOf2, {}],
    v2_auto: [ClientOf2, TransportOf2, { versionNegotiation: { mode: 'auto' } }],
    v2_pinned: [ClientOf2, TransportOf2, { versionNegotiation: { mode: { pin: '2026-07-28' } } }],
}
const seen = {}
for (const [label, [Client, Transport, options]] of Object.entries(clients)) {
    const client = new Client(identity, options)
    await client.connect(new Transport(new URL(url), { requestInit }))
    seen[label] = await journey(client, label)
    seen[label].server = client.getServerVersion()?.name
    await client.close()
}
const refused = new ClientOf1(identity)
const wrong = { requestInit: { headers: { Authorization: 'Bearer cf_wrong' } } }
seen.refused = await refused
    .connect(new TransportOf1(new URL(url), wrong))
    .then(() => 'connected', error => String(error))
console.log(JSON.stringify(seen))
process.exit(0)
