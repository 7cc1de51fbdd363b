/** How many requests are left, as the raw response reader of the SDK shows it: the server allows three of each kind. */

import assert from 'node:assert/strict'
import { authenticate } from '@commercelayer/js-auth'
import { check, connect, DOMAIN, INTEGRATION, refused, RUN } from './client.mjs'

const cl = await connect()
const reader = cl.addRawResponseReader({ headers: true })

await check('every answer tells what is left', async () => {
  for (const remaining of ['2', '1', '0']) {
    await cl.organization.retrieve()
    assert.equal(reader.ok, true)
    assert.equal(reader.headers['x-ratelimit-limit'], '3')
    assert.equal(reader.headers['x-ratelimit-interval'], '86400')
    assert.equal(reader.headers['x-ratelimit-remaining'], remaining)
    assert.match(reader.headers['x-request-id'], /^[0-9a-f]{32}$/)
  }
})

await check('one request too many is told when to come back', async () => {
  assert.deepEqual(await refused(cl.organization.retrieve(), 'code'), { status: 429, errors: [{ code: 'THROTTLED' }] })
  assert.equal(reader.ok, false)
  assert.equal(reader.headers['x-ratelimit-remaining'], '0')
  const seconds = Number(reader.headers['retry-after'])
  assert(seconds > 0 && seconds <= 86400)
})

await check('writes are counted apart', async () => {
  await cl.tags.create({ name: `counted-${RUN}` })
  assert.equal(reader.headers['x-ratelimit-remaining'], '2')
})

await check('so are requests for tokens', async () => {
  const ask = () => authenticate('client_credentials', { domain: DOMAIN, ...INTEGRATION })
  assert.equal((await ask()).errors, undefined)
  assert.equal((await ask()).errors, undefined)
  assert.deepEqual((await ask()).errors, [{ title: 'Too Many Requests', code: 'THROTTLED', status: 429 }])
})
