// A language model behind Anthropic's Messages API that does what a script says, and writes down what it was given: with
// it Claude Code runs without an account.
//
//     node model.mjs SCRIPTS LOG [PORT]
//
// SCRIPTS is a file of JSON: what a prompt holds, and the steps of the turn that follows it, one for each answer.
//     {"say": "…"}                                   ends the turn with a text
//     {"call": "friend_search", "input": {…}}        calls the tool whose name ends so
//     {"quote": "file: (.*)", "as": "It is in $1."}  ends the turn with what of the last tool's result looks so
// LOG is appended a line of JSON for each request. It prints its port, and ends with its input.
import { appendFileSync, readFileSync } from 'node:fs'
import http from 'node:http'

const [scriptsFile, log, port = '0'] = process.argv.slice(2)
const scripts = JSON.parse(readFileSync(scriptsFile, 'utf8'))

const blocks = message => typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content

// What the user or a client's own words say in a message: not what tools answered.
const words = message =>
    message.role === 'user' ? blocks(message).filter(block => block.type === 'text').map(block => block.text) : []

const resultText = block => typeof block.content === 'string' ? block.content : JSON.stringify(block.content)

// Tools whose schemas Claude Code has not sent so far are loaded by another one, by name, before they can be called.
const LOADER = 'ToolSearch'

const isLoading = message => blocks(message).some(block => block.type === 'tool_use' && block.name === LOADER)

// The turn that is under way: the steps for the last prompt that a script is for, and how many of them are done.
const turn = messages => {
    for (let place = messages.length - 1; place >= 0; place--) {
        const said = words(messages[place])
        const steps = Object.entries(scripts).find(([prompt]) => said.some(text => text.includes(prompt)))
        if (!steps) continue
        const answers = messages.slice(place).filter(message => message.role === 'assistant' && !isLoading(message))
        return { steps: steps[1], done: answers.length }
    }
    return { steps: [], done: 0 }
}

const quoted = (messages, { quote, as = '$&' }) => {
    const results = messages.filter(({ role }) => role === 'user').flatMap(blocks)
        .filter(({ type }) => type === 'tool_result')
    const found = results.map(resultText).at(-1)?.match(new RegExp(quote))
    return found ? found[0].replace(new RegExp(quote), as) : 'No result looks like that.'
}

const text = said => ({ type: 'text', text: said })

const use = (name, input) => ({ type: 'tool_use', id: `toolu_${Date.now()}${Math.random()}`.replace('.', ''), name, input })

// Calls a tool, or loads it first if Claude Code has only told its name.
const call = (step, tools, messages) => {
    const isMeant = name => name === step.call || name.endsWith(`__${step.call}`)
    const name = tools.map(tool => tool.name).find(isMeant)
    if (name) return use(name, step.input ?? {})
    const listed = messages.flatMap(blocks).map(block => block.text).join(' ')
    const told = listed.match(/\bmcp__\w+/g)?.find(isMeant)
    if (told && !isLoading(messages.findLast(message => message.role === 'assistant') ?? { content: [] })) {
        return use(LOADER, { query: `select:${told}`, max_results: 1 })
    }
    return text(`There is no tool ${step.call} among ${tools.map(tool => tool.name).join(', ')}`)
}

// Titles and the like are asked for without tools, and are no turn of anybody's.
const answer = ({ messages, tools = [] }) => {
    const { steps, done } = turn(messages)
    const step = tools.length === 0 ? undefined : steps[done]
    if (step?.quote) return text(quoted(messages, step))
    return step?.call ? call(step, tools, messages) : text(step?.say ?? 'That is all.')
}

// The events in which a block is streamed.
const pieces = block => block.type === 'text'
    ? [{ ...block, text: '' }, { type: 'text_delta', text: block.text }]
    : [{ ...block, input: {} }, { type: 'input_json_delta', partial_json: JSON.stringify(block.input) }]

const stream = (response, message) => {
    const send = event => response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    const { content: [block], stop_reason, usage } = message
    const [begin, delta] = pieces(block)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    send({ type: 'message_start', message: { ...message, content: [], stop_reason: null } })
    send({ type: 'content_block_start', index: 0, content_block: begin })
    send({ type: 'content_block_delta', index: 0, delta })
    send({ type: 'content_block_stop', index: 0 })
    send({ type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage })
    send({ type: 'message_stop' })
    response.end()
}

const read = async request => {
    const parts = []
    for await (const part of request) parts.push(part)
    return Buffer.concat(parts).toString()
}

const json = (response, status, value) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(value))
}

const server = http.createServer(async (request, response) => {
    const path = request.url.split('?')[0]
    const sent = await read(request)
    if (request.method !== 'POST' || !path.startsWith('/v1/messages')) {
        const error = { type: 'not_found_error', message: `${request.method} ${path}` }
        return json(response, 404, { type: 'error', error })
    }
    const body = JSON.parse(sent)
    if (path.endsWith('/count_tokens')) return json(response, 200, { input_tokens: Math.ceil(sent.length / 4) })
    const { system, messages, tools = [] } = body
    appendFileSync(log, JSON.stringify({ system, messages, tools: tools.map(tool => tool.name) }) + '\n')
    const block = answer(body)
    const message = {
        id: `msg_${Date.now()}`, type: 'message', role: 'assistant', model: body.model, content: [block],
        stop_reason: block.type === 'tool_use' ? 'tool_use' : 'end_turn', stop_sequence: null,
        usage: { input_tokens: Math.ceil(sent.length / 4), output_tokens: 10 },
    }
    body.stream ? stream(response, message) : json(response, 200, message)
})
server.listen(Number(port), '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
