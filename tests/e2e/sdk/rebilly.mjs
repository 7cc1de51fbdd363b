/** The official client of the Rebilly API: coupons made, redeemed and expired, and spent in a JSON:API order. */

import assert from 'node:assert/strict'
import RebillyAPI from 'rebilly-js-sdk'
import { check, connect, createMarket, native, ORGANIZATION, pluck, RUN } from './client.mjs'

const { SERVER, API_KEY } = process.env
const urls = { live: SERVER, sandbox: SERVER }
const api = RebillyAPI({ apiKey: API_KEY, organizationId: ORGANIZATION, urls })
const bare = RebillyAPI({ apiKey: API_KEY, urls })
const ISSUED = '2026-01-01T00:00:00Z'
const ID = `SPRING-${RUN}`
const AN_EIGHTH = { discount: { type: 'percent', value: 12.5, context: 'items' }, issuedTime: ISSUED }

/** What the client makes of a refusal: its class, the status and the fields that are wrong. */
async function refused(call) {
  const error = await call.then((answer) => assert.fail(JSON.stringify(answer.fields)), (reason) => reason)
  return [error.name, error.status, pluck(error.invalidFields ?? [], 'field')]
}

await check('a coupon is created as the reference shows it', async () => {
  const data = {
    ...AN_EIGHTH,
    description: 'An eighth off',
    restrictions: [
      { type: 'minimum-order-amount', amount: 20.5, currency: 'EUR' },
      { type: 'restrict-to-plans', planIds: ['gold', 'silver'], minimumQuantity: 2 },
      { type: 'total-redemptions', quantity: 3 },
    ],
  }
  const { fields, response } = await api.coupons.create({ data })
  assert.equal(response.status, 201)
  assert.match(fields.id, /^cpn_[0-9A-HJKMNP-TV-Z]{26}$/)
  assert.equal(response.headers.location, `${SERVER}/organizations/${ORGANIZATION}/coupons/${fields.id}`)
  const { id, createdTime, updatedTime, revision, _links, ...told } = fields
  assert.deepEqual(told, { ...data, redemptionsCount: 0, status: 'issued', expiredTime: null })
  assert.deepEqual(_links.map(({ rel }) => rel), ['self'])
  assert.deepEqual((await bare.coupons.get({ id })).fields, fields)
})

await check('a chosen id is the code, and is taken once', async () => {
  const { fields, response } = await api.coupons.create({ id: ID, data: AN_EIGHTH })
  assert.deepEqual([fields.id, response.status], [ID, 201])
  // The client asks whether it is there, and refuses by itself.
  assert.deepEqual(await refused(api.coupons.create({ id: ID, data: AN_EIGHTH })), ['RebillyConflictError', null, []])
  const updated = await api.coupons.update({ id: ID, data: { ...AN_EIGHTH, description: 'Spring' } })
  assert.deepEqual([updated.response.status, updated.fields.description, updated.fields.revision], [200, 'Spring', fields.revision + 1])
})

await check('what is wrong is named', async () => {
  const data = { issuedTime: 'yesterday', discount: { type: 'percent', value: 101 }, restrictions: [{ type: 'paid-by-time' }] }
  const [name, status, fields] = await refused(api.coupons.create({ data }))
  assert.deepEqual([name, status, fields.sort()], ['RebillyValidationError', 422, ['discount.value', 'issuedTime', 'restrictions.0.time']])
  assert.deepEqual(await refused(api.coupons.get({ id: 'NOBODY' })), ['RebillyNotFoundError', 404, []])
  const stranger = RebillyAPI({ apiKey: 'sk_test_nobody', organizationId: ORGANIZATION, urls })
  assert.deepEqual(await refused(stranger.coupons.getAll()), ['RebillyForbiddenError', 401, []])
})

await check('lists are filtered, sorted and paged', async () => {
  for (const letter of ['A', 'B', 'C']) {
    const discount = { type: 'fixed', amount: 9.99, currency: letter === 'C' ? 'USD' : 'EUR' }
    await api.coupons.create({ id: `LIST-${RUN}-${letter}`, data: { discount, issuedTime: ISSUED } })
  }
  const found = await api.coupons.getAll({ filter: `id:list-${RUN}-a,LIST-${RUN}-B;discount.currency:EUR`, sort: ['-id'] })
  assert.deepEqual(found.items.map(({ fields }) => fields.id), [`LIST-${RUN}-B`, `LIST-${RUN}-A`])
  const page = await api.coupons.getAll({ q: `LIST-${RUN}`, limit: 1, offset: 1, sort: ['id'] })
  assert.deepEqual([page.total, page.limit, page.offset], [3, 1, 1])
  assert.deepEqual(page.items.map(({ fields }) => fields.id), [`LIST-${RUN}-B`])
  assert.deepEqual(page.items[0].fields.discount, { type: 'fixed', amount: 9.99, currency: 'EUR', context: 'items' })
})

await check('redemptions are limited by customer and in all, and given back', async () => {
  const restrictions = [{ type: 'redemptions-per-customer', quantity: 2 }, { type: 'total-redemptions', quantity: 5 }]
  const id = `LIMITED-${RUN}`
  await api.coupons.create({ id, data: { ...AN_EIGHTH, restrictions } })
  const redeem = (customerId) => api.coupons.redeem({ data: { couponId: id, customerId } })
  const tries = await Promise.allSettled(['ada', 'bob', 'eve'].flatMap((customer) => Array.from({ length: 4 }, () => redeem(customer))))
  const made = tries.filter(({ status }) => status === 'fulfilled').map(({ value }) => value.fields)
  const lost = tries.filter(({ status }) => status === 'rejected').map(({ reason }) => reason.status)
  assert.deepEqual([made.length, new Set(lost)], [5, new Set([422])])
  for (const customer of ['ada', 'bob', 'eve']) assert(made.filter(({ customerId }) => customerId === customer).length <= 2)
  const listed = await api.coupons.getAllRedemptions({ filter: `couponId:${id}` })
  assert.deepEqual([listed.total, (await api.coupons.get({ id })).fields.redemptionsCount], [5, 5])
  const [first] = made
  assert.match(first.id, /^cpn_rdm_[0-9A-HJKMNP-TV-Z]{26}$/)
  assert.equal((await api.coupons.cancelRedemption({ id: first.id })).response.status, 201)
  assert.notEqual((await api.coupons.getRedemption({ id: first.id })).fields.canceledTime, null)
  assert.equal((await api.coupons.get({ id })).fields.redemptionsCount, 4)
  assert.equal((await redeem(first.customerId)).response.status, 201)
  assert.deepEqual((await refused(api.coupons.update({ id, data: AN_EIGHTH }))).slice(0, 2), ['RebillyConflictError', 409])
})

await check('a redemption discounts as many invoices as it may', async () => {
  const id = `MONTHS-${RUN}`
  await api.coupons.create({ id, data: { ...AN_EIGHTH, restrictions: [{ type: 'discounts-per-redemption', quantity: 2 }] } })
  const { fields: { id: redemption } } = await api.coupons.redeem({ data: { couponId: id, customerId: 'ada' } })
  const apply = async (invoiceId) => {
    const body = JSON.stringify({ invoiceId, currency: 'EUR', items: [{ planId: 'gold', quantity: 1, unitPrice: 20 }] })
    const headers = { 'REB-APIKEY': API_KEY, 'content-type': 'application/json' }
    const answer = await native(`${SERVER}/coupons-redemptions/${redemption}/applications`, { method: 'POST', headers, body })
    return [answer.status, (await answer.json()).discounts?.map(({ amount }) => amount)]
  }
  assert.deepEqual(await apply('in_1'), [201, [2.5]])
  assert.deepEqual(await apply('in_1'), [201, [2.5]])
  assert.deepEqual(await apply('in_2'), [201, [2.5]])
  assert.equal((await apply('in_3'))[0], 422)
})

await check('an order of the JSON:API is discounted by the coupon, until it expires', async () => {
  const cl = await connect()
  const { market, sku } = await createMarket(cl, `REB-${RUN}`)
  const order = await cl.orders.create({ market, customer_email: `ada-${RUN}@example.com`, coupon_code: ID.toLowerCase() })
  await cl.line_items.create({ order, sku_code: sku.code, quantity: 3 })
  const placed = await cl.orders.update({ id: order.id, _place: true })
  assert.deepEqual([placed.status, placed.discount_amount_cents, placed.total_amount_cents], ['placed', -938, 6562])
  const { fields } = await api.coupons.get({ id: ID })
  assert.deepEqual([fields.redemptionsCount, fields.status], [1, 'issued'])
  const expired = await api.coupons.setExpiration({ id: ID, data: { expiredTime: null } })
  assert.deepEqual([expired.response.status, expired.fields.status], [201, 'expired'])
  assert.deepEqual((await refused(api.coupons.setExpiration({ id: ID, data: { expiredTime: null } }))).slice(0, 2), ['RebillyConflictError', 409])
  const late = await cl.orders.create({ market })
  const error = await cl.orders.update({ id: late.id, coupon_code: ID }).catch((reason) => reason)
  assert.equal(error.status, 422)
})
