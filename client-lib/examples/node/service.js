/* Serves svc.sum, which adds numbers, and publishes each sum as news.sum. */
'use strict'
const { connect } = require('./bus')

async function main() {
  const bus = await connect()
  await bus.serve('svc.sum', (subject, ...numbers) => {
    if (!numbers.every(Number.isFinite)) throw new Error('E_ARG numbers only')
    const sum = numbers.reduce((a, b) => a + b, 0)
    bus.publish('news.sum', sum)
    return sum
  })
  await bus.ended
}

main().catch((error) => {
  console.error(error.message)
  process.exit(1)
})
