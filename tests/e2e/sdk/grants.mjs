/** Tokens in somebody's name by js-auth: passwords, assertions, refresh tokens and codes; and what they open. */

import assert from 'node:assert/strict'
import {
  authenticate,
  createAssertion,
  getTokenType,
  jwtDecode,
  jwtIsSalesChannel,
  jwtIsWebApp,
  makeSalesChannel,
} from '@commercelayer/js-auth'
import {
  ADDRESS,
  check,
  connect,
  createMarket,
  credentials,
  DOMAIN,
  INTEGRATION,
  native,
  pluck,
  refused,
  RUN,
  SALES_CHANNEL,
} from './client.mjs'

const { SERVER, STAFF_ID, STAFF_NAME, STAFF_PASSWORD } = process.env
const WEBAPP = credentials('WEBAPP')
const CALLBACK = 'https://app.example.com/callback'
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const { clientId } = SALES_CHANNEL
const admin = await connect()
const { market, sku, price } = await createMarket(admin, `GR-${RUN}`)
const elsewhere = await createMarket(admin, `XX-${RUN}`)
const scope = `market:code:${market.code}`
const username = `ada-${RUN}@example.com`
const password = 'difference engine'
let ada, bob, session

const guest = await authenticate('client_credentials', { domain: DOMAIN, clientId, scope })
const ask = (grant, options) => authenticate(grant, { domain: DOMAIN, ...options })

await check('a market is told to whoever decodes the token', () => {
  const { payload } = jwtDecode(guest.accessToken)
  assert.equal(jwtIsSalesChannel(payload), true)
  assert.equal(getTokenType(payload), 'sales_channel:guest')
  assert.equal(payload.scope, scope)
  assert.equal(payload.market.id.join(), market.id)
  assert.deepEqual(payload.market, {
    id: [market.id],
    stock_location_ids: [],
    geocoder_id: null,
    allows_external_prices: false,
  })
})

await check('a market that is not there is no scope', async () => {
  const { errors } = await ask('client_credentials', { clientId, scope: `market:code:NO-${RUN}` })
  assert.deepEqual([errors[0].title, errors[0].status], ['invalid_scope', 400])
})

await check('a guest sees what its market sells and signs up', async () => {
  const cl = await connect({ accessToken: guest.accessToken })
  assert.deepEqual(pluck(await cl.skus.list(), 'code'), [sku.code])
  const [{ id, prices }] = await cl.skus.list({ include: ['prices'] })
  assert.deepEqual([id, pluck(prices, 'id')], [sku.id, [price.id]])
  assert.equal((await refused(cl.skus.retrieve(elsewhere.sku.id), 'code')).status, 404)
  ada = await cl.customers.create({ email: username, password })
  bob = await admin.customers.create({ email: `bob-${RUN}@example.com`, password })
  assert.equal((await refused(cl.customers.retrieve(ada.id), 'code')).status, 401)
})

await check('a password opens a session of the customer', async () => {
  session = await ask('password', { clientId, scope, username: username.toUpperCase(), password })
  assert.equal(session.errors, undefined)
  assert.deepEqual([session.ownerId, session.ownerType, session.scope], [ada.id, 'customer', scope])
  const { payload } = jwtDecode(session.accessToken)
  assert.equal(getTokenType(payload), 'sales_channel:customer')
  assert.deepEqual(payload.owner, { id: ada.id, type: 'Customer' })
  assert.deepEqual(payload.market.id, [market.id])
})

await check('a wrong password is told in the form clients read', async () => {
  const { errors } = await ask('password', { clientId, username, password: 'wrong' })
  assert.deepEqual([errors.length, errors[0].title, errors[0].code, errors[0].status], [1, 'invalid_grant', 'BAD_REQUEST', 400])
})

await check('the SDK reads and changes the customer, its book and nobody else', async () => {
  const cl = await connect({ accessToken: session.accessToken })
  assert.equal((await cl.customers.retrieve(ada.id)).email, username)
  assert.deepEqual(pluck(await cl.customers.list(), 'id'), [ada.id])
  await cl.customers.update({ id: ada.id, metadata: { size: 'M' } })
  const address = await cl.addresses.create(ADDRESS)
  await cl.customer_addresses.create({ customer: ada, address, customer_email: username })
  const [entry] = await cl.customers.customer_addresses(ada.id, { include: ['address', 'customer'] })
  assert.deepEqual([entry.address.id, entry.customer.id], [address.id, ada.id])
  assert.equal((await refused(cl.customers.retrieve(bob.id), 'code')).status, 404)
  assert.equal((await refused(cl.customer_addresses.create({ customer: bob, address }), 'code')).status, 404)
  const { status, errors } = await refused(cl.customers.update({ id: ada.id, _add_tags: 'vip' }), 'code', 'source')
  assert.equal(status, 400)
  assert.deepEqual(errors, [{ code: 'PARAM_NOT_ALLOWED', source: { pointer: '/data/attributes/_add_tags' } }])
  assert.equal((await refused(cl.coupons.list(), 'code')).status, 401)
})

await check('a refresh token gives the standing token and the next refresh token', async () => {
  const renewed = await ask('refresh_token', { clientId, refreshToken: session.refreshToken })
  assert.equal(renewed.accessToken, session.accessToken)
  assert.deepEqual([renewed.ownerId, renewed.ownerType, renewed.scope], [ada.id, 'customer', scope])
  assert.notEqual(renewed.refreshToken, session.refreshToken)
  session = renewed
})

await check('an assertion brings a customer and a custom claim to who has the secret', async () => {
  const owner = { type: 'Customer', id: ada.id }
  const assertion = await createAssertion({
    payload: { 'https://commercelayer.io/claims': { owner, custom_claim: { tier: 'gold' } } },
  })
  const answer = await ask(JWT_BEARER, { ...SALES_CHANNEL, assertion })
  const { payload } = jwtDecode(answer.accessToken)
  assert.deepEqual([payload.owner, payload.custom_claim], [owner, { tier: 'gold' }])
  assert.deepEqual([answer.ownerType, typeof answer.refreshToken], ['customer', 'string'])
  const without = await ask(JWT_BEARER, { clientId, clientSecret: '', assertion })
  assert.deepEqual([without.errors[0].title, without.errors[0].status], ['invalid_client', 401])
})

await check('empty claims are no assertion', async () => {
  const assertion = await createAssertion({ payload: { 'https://commercelayer.io/claims': {} } })
  const { errors } = await ask(JWT_BEARER, { ...SALES_CHANNEL, assertion })
  assert.deepEqual(errors, [
    { code: 'BAD_REQUEST', title: 'invalid_assertion', detail: 'The provided assertion is invalid.', status: 400 },
  ])
})

await check('an integration sees the customer too, and takes no password', async () => {
  assert.equal((await admin.customers.retrieve(ada.id)).metadata.size, 'M')
  const { errors } = await ask('password', { ...INTEGRATION, username, password })
  assert.equal(errors[0].title, 'unauthorized_client')
})

await check('a session that js-auth keeps is renewed by it and ends with the log-out', async () => {
  const kept = new Map()
  const storage = {
    getItem: async (key) => kept.get(key) ?? null,
    setItem: async (key, value) => void kept.set(key, value),
    removeItem: async (key) => void kept.delete(key),
  }
  const sales = makeSalesChannel({ domain: DOMAIN, clientId, scope }, { storage })
  assert.equal((await sales.getAuthorization()).ownerType, 'guest')
  await sales.setCustomer(session)
  const { ownerType, ownerId, accessToken } = await sales.getAuthorization()
  assert.deepEqual([ownerType, ownerId, accessToken], ['customer', ada.id, session.accessToken])
  assert.deepEqual(await sales.logoutCustomer(), {})
  assert.equal((await sales.getAuthorization()).ownerType, 'guest')
  const cl = await connect({ accessToken: session.accessToken })
  assert.equal((await refused(cl.customers.list(), 'code')).errors[0].code, 'INVALID_TOKEN')
  const { errors } = await ask('refresh_token', { clientId, refreshToken: session.refreshToken })
  assert.equal(errors[0].title, 'invalid_grant')
})

await check('staff log in on a page and the webapp exchanges the code', async () => {
  const parameters = { client_id: WEBAPP.clientId, redirect_uri: CALLBACK, response_type: 'code', scope, state: RUN }
  const url = `${SERVER}/oauth/authorize?${new URLSearchParams(parameters)}`
  const page = await native(url)
  const [, token] = (await page.text()).match(/name="csrfmiddlewaretoken" value="([^"]+)"/)
  const cookie = page.headers.getSetCookie().map((set) => set.split(';')[0]).join('; ')
  const body = new URLSearchParams({ csrfmiddlewaretoken: token, username: STAFF_NAME, password: STAFF_PASSWORD })
  const answer = await native(url, { method: 'POST', headers: { cookie }, body, redirect: 'manual' })
  assert.equal(answer.status, 302)
  const back = new URL(answer.headers.get('location'))
  assert.deepEqual([back.origin + back.pathname, back.searchParams.get('state')], [CALLBACK, RUN])
  const code = back.searchParams.get('code')
  const auth = await ask('authorization_code', { ...WEBAPP, code, redirectUri: CALLBACK })
  assert.equal(auth.errors, undefined)
  assert.deepEqual([auth.ownerType, auth.ownerId, typeof auth.refreshToken], ['user', STAFF_ID, 'string'])
  const { payload } = jwtDecode(auth.accessToken)
  assert.equal(jwtIsWebApp(payload), true)
  assert.equal(getTokenType(payload), 'webapp:user')
  assert.deepEqual([payload.owner, payload.user], [{ id: STAFF_ID, type: 'User' }, { id: STAFF_ID }])
  const cl = await connect({ accessToken: auth.accessToken })
  assert.equal((await cl.customers.retrieve(bob.id)).id, bob.id)
  const again = await ask('authorization_code', { ...WEBAPP, code, redirectUri: CALLBACK })
  assert.equal(again.errors[0].title, 'invalid_grant')
})
