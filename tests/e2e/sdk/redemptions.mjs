/** Uses and balances that are given back: orders that are cancelled, and codes redeemed by a shop that keeps its own. */

import assert from 'node:assert/strict'
import { authenticate } from '@commercelayer/js-auth'
import { check, connect, DOMAIN, INTEGRATION, pluck, refused, RUN, SALES_CHANNEL } from './client.mjs'
import { call, createPromotions, loyaltyService, openShop } from './shop.mjs'

const admin = await connect()
const service = await loyaltyService()
const shop = await openShop(admin)
const { market, skus } = shop
const CODE = `BACK-${RUN}`
const CARD = `CARD-${RUN}`
const EMAIL = `bob-${RUN}@example.com`
const { coupon, ...promotions } = await createPromotions(admin, shop, service.url, CODE)
await admin.coupons.update({ id: coupon.id, usage_limit: 2 })
const issued = await admin.gift_cards.create({ balance_cents: 5000, currency_code: 'EUR', code: CARD })
await admin.gift_cards._purchase(issued.id)
await admin.gift_cards._activate(issued.id)
const { accessToken } = await authenticate('client_credentials', {
  domain: DOMAIN, clientId: SALES_CHANNEL.clientId, scope: `market:code:${market.code}`,
})
const cl = await connect({ accessToken })

/** An order of a hat and a shirt with the coupon. */
async function cart() {
  const order = await cl.orders.create({ customer_email: EMAIL })
  await cl.line_items.create({ order, sku_code: skus.SHIRT.code, quantity: 1 })
  await cl.line_items.create({ order, sku_code: skus.HAT.code, quantity: 1 })
  return cl.orders.update({ id: order.id, coupon_code: CODE })
}

/** How often the coupon and each promotion that takes something off the cart were used. */
async function uses() {
  const used = [promotions.price, promotions.percentage, promotions.amount, promotions.flex, promotions.external]
  const found = await admin.promotions.list({ filters: { id_in: pluck(used, 'id') } })
  const { usage_count } = await admin.coupons.retrieve(coupon.id)
  return [usage_count, ...pluck(found, 'total_usage_count')]
}

const balance = async () => (await admin.gift_cards.retrieve(issued.id)).balance_cents
let order, late

await check('a gift card that holds more than the total pays all of it', async () => {
  order = await cart()
  // Shirt 500, 15 % of 6000, 10.00, a tenth of the hat's 2733, 5.00.
  assert.deepEqual([order.subtotal_amount_cents, order.discount_amount_cents, order.total_amount_cents], [6500, -3173, 3327])
  order = await cl.orders.update({ id: order.id, gift_card_code: CARD.slice(0, 8).toLowerCase() })
  assert.deepEqual([order.gift_card_code, order.gift_card_amount_cents, order.total_amount_cents], [CARD, -3327, 0])
  late = await cart()
  assert.deepEqual(await uses(), [0, 0, 0, 0, 0, 0])
})

await check('placing counts every use, and the card keeps the rest', async () => {
  order = await cl.orders._place(order.id)
  assert.deepEqual([order.status, order.payment_status], ['placed', 'free'])
  assert.deepEqual(await uses(), [1, 1, 1, 1, 1, 1])
  assert.equal(await balance(), 1673)
  const { usage_log } = await admin.gift_cards.retrieve(issued.id)
  const [{ action, amount_cents, balance_cents, order_number }] = usage_log[order.id]
  assert.deepEqual([action, amount_cents, balance_cents, order_number], ['use', -3327, 1673, order.number])
})

await check('cancelling gives everything back, once', async () => {
  order = await admin.orders._cancel(order.id)
  assert.equal(order.status, 'cancelled')
  assert.deepEqual(await uses(), [0, 0, 0, 0, 0, 0])
  assert.equal(await balance(), 5000)
  await admin.orders._cancel(order.id)
  assert.deepEqual([await uses(), await balance()], [[0, 0, 0, 0, 0, 0], 5000])
  const { usage_log } = await admin.gift_cards.retrieve(issued.id)
  assert.deepEqual(usage_log[order.id].map((entry) => [entry.action, entry.amount_cents]), [['use', -3327], ['refund', 3327]])
  const again = await refused(cl.orders._place(order.id), 'source')
  assert.deepEqual(again, { status: 422, errors: [{ source: { pointer: '/data/attributes/_place' } }] })
})

const attributes = {
  market_code: market.code,
  customer_email: EMAIL,
  coupon_code: CODE.toLowerCase(),
  reference: `THEIRS-${RUN}`,
  line_items: [{ sku_code: skus.HAT.code }],
}
const redeem = (given, key) =>
  call('POST', 'redemptions', INTEGRATION, { data: { type: 'redemptions', attributes: given } }, key && { 'idempotency-key': key })
const change = async (id, trigger) => {
  const [status, document] = await call('PATCH', `redemptions/${id}`, INTEGRATION, {
    data: { type: 'redemptions', id, attributes: { [trigger]: true } },
  })
  assert.equal(status, 200, JSON.stringify(document))
  return document.data
}
let redemption

await check('one call validates, computes and redeems, however often it is sent', async () => {
  const [status, document] = await redeem(attributes, RUN)
  assert.equal(status, 201, JSON.stringify(document))
  redemption = document.data
  const { discount_cents, formatted_discount, currency_code, reference } = redemption.attributes
  // 10.00 of the hat's 40.00, a tenth of the rest, 5.00.
  assert.deepEqual([discount_cents, formatted_discount, currency_code, reference], [-1800, '-€18,00', 'EUR', `THEIRS-${RUN}`])
  assert.equal(redemption.attributes.status, 'committed')
  const [again, same] = await redeem(attributes, RUN)
  assert.deepEqual([again, same.data.id], [201, redemption.id])
  assert.deepEqual(await uses(), [1, 0, 0, 1, 1, 1])
  const [other, { errors }] = await redeem({ ...attributes, reference: 'another' }, RUN)
  assert.deepEqual([other, errors[0].code], [422, 'VALIDATION_ERROR'])
})

await check('what is reserved counts until it is cancelled', async () => {
  const [status, { data }] = await redeem({ ...attributes, _reserve: true, time_to_live: 600 })
  assert.deepEqual([status, data.attributes.status], [201, 'reserved'])
  assert.deepEqual(await uses(), [2, 0, 0, 2, 2, 2])
  const [full, { errors }] = await redeem(attributes)
  assert.equal(full, 422)
  assert.deepEqual([errors[0].source.pointer, errors[0].meta.error], ['/data/attributes/coupon_code', 'invalid'])
  assert.equal(errors[0].meta.reason, 'coupon_usage_reached')
  assert.equal((await change(data.id, '_cancel')).attributes.status, 'released')
  assert.deepEqual(await uses(), [1, 0, 0, 1, 1, 1])
})

await check('a reservation is made final', async () => {
  const [, { data }] = await redeem({ ...attributes, _reserve: true })
  assert.equal((await change(data.id, '_commit')).attributes.status, 'committed')
  assert.deepEqual(await uses(), [2, 0, 0, 2, 2, 2])
})

await check('an order whose code was used up in the meantime is not placed, and stays as it was', async () => {
  const { status, errors } = await refused(cl.orders._place(late.id), 'source', 'meta')
  assert.deepEqual([status, errors.length, errors[0].source.pointer], [422, 1, '/data/attributes/coupon_code'])
  assert.deepEqual([errors[0].meta.error, errors[0].meta.reason], ['invalid', undefined])
  const read = await cl.orders.retrieve(late.id, { include: ['resource_errors'] })
  assert.deepEqual([read.status, read.total_amount_cents, read.errors_count], ['pending', 3327, 1])
  assert.deepEqual(pluck(read.resource_errors, 'name'), ['coupon_code'])
  const removed = await cl.orders.update({ id: late.id, coupon_code: '' })
  // Shirt 500, 15 % of 6000, a tenth of the hat's 3400, 5.00.
  assert.deepEqual([removed.coupon_code, removed.discount_amount_cents, removed.total_amount_cents], [null, -2240, 4260])
  assert.equal((await cl.orders._place(late.id)).payment_status, 'unpaid')
})

await check('redemptions are listed by what they are of', async () => {
  const [status, { data }] = await call('GET', `coupons/${coupon.id}/redemptions?sort=id`, INTEGRATION)
  assert.equal(status, 200)
  assert.deepEqual(data.map((one) => one.attributes.status), ['released', 'committed', 'released', 'committed'])
  assert.equal((await change(redemption.id, '_cancel')).attributes.status, 'released')
  assert.deepEqual((await uses())[0], 1)
  const [, of_order] = await call('GET', `orders/${order.id}/redemptions`, INTEGRATION)
  assert.deepEqual(of_order.data.map((one) => one.attributes.discount_cents), [-3173])
  assert.equal((await call('GET', 'redemptions', accessToken))[0], 401)
})

service.close()
