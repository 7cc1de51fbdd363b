/** What the scripts share: the official clients, led to the server under test as a proxy would lead them. */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { authenticate } from '@commercelayer/js-auth'

const { SDK, SERVER } = process.env

export const DOMAIN = process.env.DOMAIN
export const ORGANIZATION = process.env.ORGANIZATION
export const KNOWS_VERSIONS = SDK === 'sdk-versions'
export const INTEGRATION = credentials('INTEGRATION')
export const SALES_CHANNEL = credentials('SALES_CHANNEL')

export const { CommerceLayer } = await import(`${SDK}/bundle`)
export const modular = await import(SDK)
export const { CommerceLayerStatic } = modular

/** Sets what one run of a script makes apart from every other run on the same server. */
export const RUN = randomBytes(4).toString('hex').toUpperCase()

/** `fetch` for pages that a browser opens. */
export const native = globalThis.fetch

/** `fetch` for `https://*.DOMAIN`, the only addresses the clients know. */
export async function throughProxy(input, init) {
  const url = new URL(input)
  assert.equal(url.protocol, 'https:')
  assert(url.hostname.endsWith(`.${DOMAIN}`), `${url} is not ours`)
  const headers = new Headers(init?.headers)
  headers.set('x-forwarded-host', url.host)
  headers.set('x-forwarded-proto', 'https')
  return native(`${SERVER}${url.pathname}${url.search}`, { ...init, headers })
}

globalThis.fetch = throughProxy // js-auth has no option for it

/** An access token, asked for by js-auth. */
export async function token(application = INTEGRATION) {
  const { accessToken, errors } = await authenticate('client_credentials', { domain: DOMAIN, ...application })
  assert.deepEqual(errors, undefined)
  return accessToken
}

/** An SDK client. It knows organization and domain from the token alone. */
export async function connect(options = {}) {
  const { accessToken = await token(), refreshToken } = options
  const client = CommerceLayer({ fetch: throughProxy, ...options, accessToken })
  return KNOWS_VERSIONS && !refreshToken ? apart(client, accessToken) : client
}

/** The older SDK sends everything with the token of the client made last, unless it is told again. */
function apart(client, accessToken) {
  return new Proxy(client, { get: (_, name) => Reflect.get(client.config({ accessToken }), name, client) })
}

export async function check(what, proof) {
  try {
    await proof()
  } catch (error) {
    console.log(`FAILED  ${what}`)
    throw error
  }
  console.log(`ok  ${what}`)
}

/** The error of a call that must be refused by the API, whose entries are reduced to `members`. */
export async function refused(call, ...members) {
  const error = await call.then(
    (answer) => assert.fail(`answered ${JSON.stringify(answer)}`),
    (reason) => reason,
  )
  assert(CommerceLayerStatic.isApiError(error), error)
  const entries = error.errors.map((entry) => Object.fromEntries(members.map((name) => [name, entry[name]])))
  return { status: error.status, errors: entries }
}

/** One attribute of every resource of a list, whose own `map` would give a list of the SDK's again. */
export function pluck(list, name) {
  return Array.from(list, (resource) => resource[name])
}

/** A percentage promotion with its coupon rule. */
export async function couponPromotion(cl, attributes = {}) {
  const promotion = await cl.percentage_discount_promotions.create({
    name: `Promotion ${RUN}`,
    percentage: 10,
    starts_at: '2026-01-01T00:00:00.000Z',
    expires_at: '2999-01-01T00:00:00.000Z',
    ...attributes,
  })
  const rule = await cl.coupon_codes_promotion_rules.create({
    promotion: cl.percentage_discount_promotions.relationship(promotion.id),
  })
  return { promotion, rule }
}

export const ADDRESS = {
  first_name: 'Ada',
  last_name: 'Lovelace',
  line_1: '1, Analytical Street',
  city: 'London',
  zip_code: 'N1',
  state_code: 'LND',
  country_code: 'GB',
  phone: '+44 20 1234',
}

/** A market that sells one SKU. */
export async function createMarket(cl, code, attributes = {}) {
  const merchant = await cl.merchants.create({ name: code, address: await cl.addresses.create(ADDRESS) })
  const price_list = await cl.price_lists.create({ name: code, currency_code: 'EUR' })
  const market = await cl.markets.create({ name: code, code, merchant, price_list, ...attributes })
  const shipping_category = await cl.shipping_categories.create({ name: code })
  const sku = await cl.skus.create({ code: `SKU-${code}`, name: code, shipping_category })
  const price = await cl.prices.create({ amount_cents: 2500, sku_code: sku.code, price_list })
  return { market, sku, price }
}

export function credentials(name) {
  return { clientId: process.env[`${name}_ID`], clientSecret: process.env[`${name}_SECRET`] }
}
