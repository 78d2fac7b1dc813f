/* Prints what is published: node subscriber.js [PATTERN], by default news.> */
'use strict'
const { connect } = require('./bus')

async function main(pattern = 'news.>') {
  const bus = await connect()
  await bus.subscribe(pattern, (subject, ...params) => console.log(subject, ...params))
  await bus.ended
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error.message)
  process.exit(1)
})
