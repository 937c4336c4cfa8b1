// Passes requests on with an API key: the conformance suite knows no header of its own. Host and Origin stay as they
// came. Prints its port; ends with its input.
import http from 'node:http'

const [target, key] = process.argv.slice(2)
const { hostname, port } = new URL(target)

const server = http.createServer((request, response) => {
    const headers = { ...request.headers, authorization: `Bearer ${key}` }
    const passed = http.request({ hostname, port, method: request.method, path: request.url, headers }, answer => {
        response.writeHead(answer.statusCode, answer.headers)
        answer.pipe(response)
    })
    passed.on('error', () => response.destroy())
    request.pipe(passed)
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
