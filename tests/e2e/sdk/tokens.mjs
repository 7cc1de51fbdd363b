/** Access tokens by js-auth: what they say, who may do what with them, and what happens when they end. */

import assert from 'node:assert/strict'
import {
  authenticate,
  getCoreApiBaseEndpoint,
  getTokenType,
  jwtDecode,
  jwtIsIntegration,
  jwtIsSalesChannel,
  jwtVerify,
  makeIntegration,
  makeSalesChannel,
  revoke,
} from '@commercelayer/js-auth'
import {
  check,
  CommerceLayerStatic,
  connect,
  createMarket,
  DOMAIN,
  INTEGRATION,
  ORGANIZATION,
  refused,
  RUN,
  SALES_CHANNEL,
  token,
} from './client.mjs'

const EXPIRED = process.env.EXPIRED_TOKEN
const auth = await authenticate('client_credentials', { domain: DOMAIN, ...INTEGRATION })
const channel = await authenticate('client_credentials', { domain: DOMAIN, clientId: SALES_CHANNEL.clientId })

await check('the answer to client credentials is the one js-auth documents', () => {
  assert.equal(auth.errors, undefined)
  assert.equal(auth.tokenType, 'Bearer')
  assert.equal(auth.scope, 'market:all')
  assert(auth.expiresIn > 15 * 60 && auth.expiresIn <= 4 * 3600)
  assert(Math.abs(auth.createdAt + 4 * 3600 - Date.now() / 1000 - auth.expiresIn) < 5)
  assert(Math.abs(auth.expires - Date.now() - auth.expiresIn * 1000) < 5000)
})

await check('the token tells organization, application and issuer', () => {
  const { header, payload } = jwtDecode(auth.accessToken)
  assert.deepEqual({ ...header, kid: '' }, { alg: 'RS512', typ: 'JWT', kid: '' })
  assert.equal(jwtIsIntegration(payload), true)
  assert.equal(getTokenType(payload), 'integration:guest')
  assert.deepEqual(
    { ...payload.organization, id: '' },
    { id: '', slug: ORGANIZATION, enterprise: true, region: 'eu-west-1' },
  )
  const { client_id, kind, public: open, confidential } = payload.application
  assert.deepEqual([client_id, kind, open, confidential], [INTEGRATION.clientId, 'integration', false, true])
  assert.deepEqual([payload.iss, payload.test], [`https://auth.${DOMAIN}`, true])
  assert.equal(payload.exp - payload.iat, 4 * 3600)
  assert.equal(getCoreApiBaseEndpoint(auth.accessToken), `https://${ORGANIZATION}.${DOMAIN}`)
})

await check('its signature is verified by the published keys', async () => {
  assert.deepEqual((await jwtVerify(auth.accessToken)).payload, jwtDecode(auth.accessToken).payload)
  const [header, , signature] = auth.accessToken.split('.')
  const payload = Buffer.from(JSON.stringify({ ...jwtDecode(auth.accessToken).payload, test: false })).toString('base64url')
  await assert.rejects(jwtVerify([header, payload, signature].join('.')), { name: 'InvalidTokenError' })
})

await check('whoever asks again is given the same token', async () => {
  assert.equal(await token(), auth.accessToken)
})

await check('a wrong secret is told in the form clients read', async () => {
  const wrong = await authenticate('client_credentials', { domain: DOMAIN, ...INTEGRATION, clientSecret: 'wrong' })
  assert.deepEqual(wrong.errors, [
    {
      title: 'invalid_client',
      detail:
        'Client authentication failed due to unknown client, no client authentication included, or unsupported authentication method.',
      code: 'UNAUTHORIZED',
      status: 401,
    },
  ])
})

await check('a sales channel needs no secret, and with it is told as confidential', async () => {
  const { payload } = jwtDecode(channel.accessToken)
  assert.equal(jwtIsSalesChannel(payload), true)
  assert.deepEqual([payload.application.public, payload.application.confidential], [true, false])
  const proven = jwtDecode(await token(SALES_CHANNEL)).payload.application
  assert.deepEqual([proven.public, proven.confidential], [false, true])
})

await check('a sales channel is refused what is not for it, and no new token is asked for', async () => {
  let asked = 0
  const cl = await connect({ accessToken: channel.accessToken, refreshToken: async () => `${++asked}` })
  const calls = [
    () => cl.coupons.list(),
    () => cl.coupons.create({ code: `TOK-${RUN}` }),
    () => cl.promotions.retrieve('aaaaaaaaaa'),
    () => cl.tags.list(),
    () => cl.events.list(),
    () => cl.event_stores.list(),
    () => cl.markets.list(),
    () => cl.customers.list(),
    () => cl.skus.create({ code: 'X', name: 'X' }),
  ]
  for (const call of calls) {
    assert.deepEqual(await refused(call(), 'code', 'title', 'detail', 'status'), {
      status: 401,
      errors: [
        {
          code: 'UNAUTHORIZED',
          title: 'Access denied',
          detail: 'You are not authorized to perform this action on the requested resource.',
          status: '401',
        },
      ],
    })
  }
  assert.equal((await cl.application.retrieve()).kind, 'sales_channel')
  assert.equal(asked, 0)
})

await check('an expired token is renewed once and the call succeeds', async () => {
  assert.equal(CommerceLayerStatic.isTokenExpired(EXPIRED), true)
  await assert.rejects(jwtVerify(EXPIRED), { name: 'TokenExpiredError' })
  const asked = []
  const refreshToken = async (old) => {
    asked.push(old)
    return auth.accessToken
  }
  const cl = await connect({ accessToken: EXPIRED, refreshToken })
  const tag = await cl.tags.create({ name: `tok-${RUN}` })
  assert.deepEqual(asked, [EXPIRED])
  assert.equal((await cl.tags.retrieve(tag.id)).name, `tok-${RUN}`)
  assert.deepEqual(asked, [EXPIRED])
  assert.equal(cl.currentAccessToken, auth.accessToken)
})

const invalid = {
  status: 401,
  errors: [{ code: 'INVALID_TOKEN', title: 'Invalid token', detail: 'The access token you provided is invalid.' }],
}
const refusal = (call) => refused(call, 'code', 'title', 'detail')

await check('without a way to renew it an expired token is invalid', async () => {
  const cl = await connect({ accessToken: EXPIRED })
  assert.deepEqual(await refusal(cl.tags.list()), invalid)
})

await check('a token that others signed is invalid', async () => {
  const cl = await connect({ accessToken: `${auth.accessToken.slice(0, -8)}AAAAAAAA` })
  assert.deepEqual(await refusal(cl.tags.list()), invalid)
})

await check('a revoked token is invalid, and only its own application can revoke it', async () => {
  await createMarket(await connect(), RUN)
  const { accessToken } = await authenticate('client_credentials', {
    domain: DOMAIN,
    ...INTEGRATION,
    scope: `market:code:${RUN}`,
  })
  const cl = await connect({ accessToken })
  await cl.tags.list()
  const stranger = await revoke({ ...SALES_CHANNEL, token: accessToken })
  assert.deepEqual(stranger.errors, [
    {
      title: 'unauthorized_client',
      detail: 'You are not authorized to revoke this token',
      code: 'FORBIDDEN',
      status: 403,
    },
  ])
  await cl.tags.list()
  assert.deepEqual(await revoke({ ...INTEGRATION, token: accessToken }), {})
  assert.deepEqual(await refusal(cl.tags.list()), invalid)
})

await check('credentials that js-auth keeps work for both kinds of application', async () => {
  const kept = new Map()
  const storage = {
    getItem: async (key) => kept.get(key) ?? null,
    setItem: async (key, value) => void kept.set(key, value),
    removeItem: async (key) => void kept.delete(key),
  }
  const integration = makeIntegration({ domain: DOMAIN, ...INTEGRATION, scope: `market:code:${RUN}` }, { storage })
  const first = await integration.getAuthorization()
  assert.deepEqual([first.ownerType, first.scope], ['guest', `market:code:${RUN}`])
  assert.equal((await integration.getAuthorization()).accessToken, first.accessToken)
  assert.deepEqual(await integration.revokeAuthorization(), {})
  assert.notEqual((await integration.getAuthorization()).accessToken, first.accessToken)
  const { clientId } = SALES_CHANNEL
  const sales = await makeSalesChannel({ domain: DOMAIN, clientId, scope: 'market:all' }, { storage }).getAuthorization()
  assert.equal(sales.accessToken, channel.accessToken)
})
