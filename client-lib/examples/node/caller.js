/* Calls a service: node caller.js SUBJECT [NUMBER...], as in node caller.js svc.sum 1 2 39 */
'use strict'
const { connect } = require('./bus')

async function main(subject, ...numbers) {
  const bus = await connect()
  console.log(await bus.call(subject, ...numbers.map(Number)))
  bus.close()
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error.message) // 'E_NORESP ...': nobody serves it; or what the service said
  process.exit(1)
})
