// Stands between Claude Code and the product: passes everything on, and writes down each hook and what it was answered.
//
//     node recorder.mjs TARGET LOG
//
// It prints its port, and ends with its input.
import { appendFileSync } from 'node:fs'
import http from 'node:http'

const [target, log] = process.argv.slice(2)
const { hostname, port } = new URL(target)

const collected = async stream => {
    const parts = []
    for await (const part of stream) parts.push(part)
    return Buffer.concat(parts)
}

const parsed = bytes => {
    try {
        return JSON.parse(bytes)
    } catch {
        return null
    }
}

const server = http.createServer(async (request, response) => {
    const asked = await collected(request)
    const { method, url: path, headers } = request
    const passed = http.request({ hostname, port, method, path, headers }, async answer => {
        const answered = await collected(answer)
        if (path.startsWith('/hooks/')) {
            const line = { headers, input: parsed(asked), status: answer.statusCode, answer: parsed(answered) }
            appendFileSync(log, JSON.stringify(line) + '\n')
        }
        response.writeHead(answer.statusCode, answer.headers)
        response.end(answered)
    })
    passed.on('error', () => response.destroy())
    passed.end(asked)
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
