/* A client of Panpipe in one page, over npm's @msgpack/msgpack. Copy it, change it.
 *
 *     const bus = await connect()
 *     await bus.subscribe('news.>', console.log)
 *     await bus.serve('svc.sum', (subject, ...numbers) => numbers.reduce((a, b) => a + b, 0))
 *     console.log(await bus.call('other.service', 1, 'two'))
 *
 * Handlers get the subject and the params; one that serves may be async. */
'use strict'
const { execFileSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const net = require('node:net')
const { decodeMultiStream, encode } = require('@msgpack/msgpack')

/* Where the broker listens: $PANPIPE is its name, or the path itself. A pipe's name on Windows has
 * the user's SID in it, which the program panpipe knows. */
function path() {
  const name = process.env.PANPIPE || 'default'
  if (/[/\\]/.test(name)) return name
  if (process.platform === 'win32') return execFileSync('panpipe', ['where']).toString().trim()
  if (process.env.XDG_RUNTIME_DIR) return `${process.env.XDG_RUNTIME_DIR}/panpipe/${name}.sock`
  const folder = `/tmp/panpipe-${process.geteuid()}`
  if (fs.lstatSync(folder).uid !== process.geteuid()) throw new Error(`whose is ${folder}?`)
  return `${folder}/${name}.sock`
}

class Bus {
  #socket
  #last = 0
  #answers = new Map() // number of a call: what to do with its answer
  #handlers = new Map() // the id that the broker gave: handler

  constructor(socket) {
    this.#socket = socket.on('error', () => {}) // this.ended has it
    this.ended = this.#run() // rejected when the connection ends, as every open call is then
    this.ended.catch(() => {})
  }

  publish(subject, ...params) {
    this.#send(2, subject, params)
  }

  call(subject, ...params) {
    return this.#request(subject, params, (result) => result)
  }

  subscribe(pattern, handler, method = '$sub') {
    const params = [pattern, { form: 'rich' }]
    return this.#request(method, params, (id) => this.#handlers.set(id, handler))
  }

  serve(pattern, handler) {
    return this.subscribe(pattern, handler, '$serve')
  }

  close() {
    this.#socket.end()
  }

  #send(...message) {
    this.#socket.write(encode(message))
  }

  #request(subject, params, done) {
    const number = ++this.#last
    return new Promise((resolve, reject) => {
      this.#answers.set(number, (error, result) =>
        error === null ? resolve(done(result)) : reject(new Error(error)))
      this.#send(0, number, subject, params)
    })
  }

  async #run() {
    const why = await this.#receive().catch((error) => error.message)
    for (const fail of this.#answers.values()) fail(why)
    throw new Error(why)
  }

  /* Rich messages are [2, '$msg', [id, subject, params]], rich calls [0, number, '$call', [id,
   * subject, params]], answers [1, number, error, result]. */
  async #receive() {
    for await (const [kind, ...rest] of decodeMultiStream(this.#socket)) {
      if (kind === 1) {
        this.#answers.get(rest[0])?.(rest[1], rest[2])
        this.#answers.delete(rest[0])
      } else if (kind === 2 && rest[0] === '$msg') {
        const [id, subject, params] = rest[1]
        this.#handlers.get(id)(subject, ...params)
      } else if (kind === 0) {
        this.#answer(rest[0], ...rest[2])
      }
    }
    return 'the broker has closed the connection'
  }

  async #answer(number, id, subject, params) {
    try {
      this.#send(1, number, null, (await this.#handlers.get(id)(subject, ...params)) ?? null)
    } catch (error) {
      this.#send(1, number, String(error.message ?? error), null)
    }
  }
}

exports.path = path
exports.connect = async function () {
  const socket = net.connect(path())
  await once(socket, 'connect')
  return new Bus(socket)
}
