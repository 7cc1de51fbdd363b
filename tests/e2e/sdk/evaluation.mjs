/** A market with its catalog, one promotion of every type with rules, and a cart that all of them take something off. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { check, connect, DOMAIN, INTEGRATION, ORGANIZATION, pluck, RUN, SALES_CHANNEL, throughProxy, token } from './client.mjs'

const cl = await connect()
const WINDOW = { starts_at: '2026-01-01T00:00:00.000Z', expires_at: '2999-01-01T00:00:00.000Z' }
const CODE = `EVAL-${RUN}`
const made = {}
const lists = {}

/** Answers every order with five euros off, and keeps what it was asked. */
const asked = []
const service = createServer((request, response) => {
  const body = []
  request.on('data', (part) => body.push(part))
  request.on('end', () => {
    asked.push({ headers: request.headers, order: JSON.parse(Buffer.concat(body)) })
    response.end(JSON.stringify({ success: true, data: { name: 'Loyalty', discount_cents: 500 } }))
  })
})
await new Promise((listening) => service.listen(0, '127.0.0.1', listening))

async function evaluate(application, attributes) {
  const answer = await throughProxy(`https://${ORGANIZATION}.${DOMAIN}/api/evaluations`, {
    method: 'POST',
    headers: {
      accept: 'application/vnd.api+json',
      'content-type': 'application/vnd.api+json',
      authorization: `Bearer ${await token(application)}`,
    },
    body: JSON.stringify({ data: { type: 'evaluations', attributes } }),
  })
  const document = await answer.json()
  assert.equal(answer.status, 200, JSON.stringify(document))
  return document.data.attributes
}

await check('a market has a merchant, a price list and an address', async () => {
  const address = await cl.addresses.create({
    first_name: 'Ada',
    last_name: 'Lovelace',
    line_1: '1, Analytical Street',
    city: 'London',
    zip_code: 'N1',
    state_code: 'LND',
    country_code: 'GB',
    phone: '+44 20 1234',
  })
  const merchant = await cl.merchants.create({ name: 'Acme', address })
  made.prices = await cl.price_lists.create({ name: 'Euros', currency_code: 'EUR', tax_included: true })
  made.market = await cl.markets.create({ name: 'Europe', code: `EU-${RUN}`, merchant, price_list: made.prices })
  assert.match(made.market.shared_secret, /^[0-9a-f]{32}$/)
  const read = await cl.markets.retrieve(made.market.id, { include: ['merchant.address', 'price_list'] })
  assert.equal(read.merchant.address.full_name, 'Ada Lovelace')
  assert.equal(read.price_list.currency_code, 'EUR')
})

await check('SKUs have prices and are held by lists', async () => {
  const shipping_category = await cl.shipping_categories.create({ name: `Parcels ${RUN}` })
  for (const [code, amount_cents] of Object.entries({ SHIRT: 2500, HAT: 4000, GIFT: 1200, SOCKS: 1000 })) {
    const sku = await cl.skus.create({ code: `${code}-${RUN}`, name: code, shipping_category })
    const price = await cl.prices.create({ amount_cents, sku_code: sku.code, price_list: made.prices })
    assert.equal(price.formatted_amount, `€${amount_cents / 100},00`)
    lists[code] = await cl.sku_lists.create({ name: `${code} ${RUN}`, manual: true })
    await cl.sku_list_items.create({ sku_code: sku.code, quantity: 1, sku_list: lists[code] })
    assert.deepEqual(pluck(await cl.sku_lists.skus(lists[code].id), 'code'), [sku.code])
  }
})

await check('customers are created and grouped', async () => {
  const customer_group = await cl.customer_groups.create({ name: `Friends ${RUN}` })
  const customer = await cl.customers.create({ email: `ada-${RUN}@example.com`, password: 'difference-engine', customer_group })
  assert.equal(customer.has_password, true)
  assert(!('password' in customer))
})

await check('there is a promotion of every type, with rules', async () => {
  const { market } = made
  made.gift = await cl.free_gift_promotions.create({ name: 'Gift', max_quantity: 1, market, sku_list: lists.GIFT, ...WINDOW })
  made.price = await cl.fixed_price_promotions.create({
    name: 'Shirts at 20', fixed_amount_cents: 2000, market, sku_list: lists.SHIRT, ...WINDOW,
  })
  made.socks = await cl.buy_x_pay_y_promotions.create({ name: 'Three for two', x: 3, y: 2, market, sku_list: lists.SOCKS, ...WINDOW })
  made.percentage = await cl.percentage_discount_promotions.create({ name: 'Fifteen', percentage: 15, market, ...WINDOW })
  await cl.order_amount_promotion_rules.create({ order_amount_cents: 5000, use_subtotal: true, promotion: made.percentage })
  made.amount = await cl.fixed_amount_promotions.create({ name: 'Ten euros', fixed_amount_cents: 1000, market, ...WINDOW })
  await cl.sku_list_promotion_rules.create({ promotion: made.amount, sku_list: lists.HAT, min_quantity: 1 })
  const promotion_rule = await cl.coupon_codes_promotion_rules.create({ promotion: made.amount })
  await cl.coupons.create({ code: CODE, promotion_rule })
  made.flex = await cl.flex_promotions.create({
    name: 'Hats',
    rules: {
      rules: [
        {
          name: 'A tenth off hats',
          conditions: [{ field: 'order.line_items.sku.code', matcher: 'eq', value: `HAT-${RUN}`, group: 'hats' }],
          actions: [
            { type: 'percentage', selector: 'order.line_items', groups: ['hats'], apply_on: 'unit_amount_cents', value: 0.1 },
          ],
        },
      ],
    },
    ...WINDOW,
  })
  made.external = await cl.external_promotions.create({
    name: 'Loyalty', promotion_url: `http://127.0.0.1:${service.address().port}/`, market, ...WINDOW,
  })
  made.shipping = await cl.free_shipping_promotions.create({ name: 'Post free', market, ...WINDOW })
  await cl.custom_promotion_rules.create({ filters: { customer_email_end_any: '@example.com,@example.org' }, promotion: made.shipping })
})

await check('the umbrella types show each as the type it is', async () => {
  const promotions = await cl.promotions.list({ pageSize: 25, sort: { created_at: 'asc' }, include: ['promotion_rules'] })
  assert.deepEqual(pluck(promotions, 'type'), [
    'free_gift_promotions',
    'fixed_price_promotions',
    'buy_x_pay_y_promotions',
    'percentage_discount_promotions',
    'fixed_amount_promotions',
    'flex_promotions',
    'external_promotions',
    'free_shipping_promotions',
  ])
  assert.deepEqual(Array.from(promotions, (promotion) => (promotion.promotion_rules ?? []).map((rule) => rule.type).sort()), [
    [], [], [],
    ['order_amount_promotion_rules'],
    ['coupon_codes_promotion_rules', 'sku_list_promotion_rules'],
    [], [],
    ['custom_promotion_rules'],
  ])
  const rules = await cl.promotion_rules.list({ filters: { type_in: 'sku_list_promotion_rules,custom_promotion_rules' } })
  assert.deepEqual(pluck(rules, 'type').sort(), ['custom_promotion_rules', 'sku_list_promotion_rules'])
  const ofHats = await cl.promotions.list({ filters: { sku_code_eq: `HAT-${RUN}` } })
  assert.deepEqual(pluck(ofHats, 'id'), [made.amount.id])
})

const cart = {
  market_code: `EU-${RUN}`,
  customer_email: `ada-${RUN}@example.com`,
  coupon_code: CODE.toLowerCase(),
  line_items: [
    { sku_code: `SHIRT-${RUN}`, quantity: 2 },
    { sku_code: `HAT-${RUN}` },
    { sku_code: `GIFT-${RUN}` },
    { sku_code: `SOCKS-${RUN}`, quantity: 3 },
  ],
  shipments: [{ cost_amount_cents: 700 }],
}

await check('all of them take their part off one cart, to the cent', async () => {
  const evaluation = await evaluate(INTEGRATION, cart)
  assert.deepEqual(
    evaluation.applied.map((one) => [one.promotion.id, one.name, one.total_amount_cents]),
    [
      [made.gift.id, 'Gift', -1200],
      [made.price.id, 'Shirts at 20', -1000],
      [made.socks.id, 'Three for two', -1000],
      [made.percentage.id, 'Fifteen', -1500],
      [made.amount.id, 'Ten euros', -1000],
      [made.flex.id, 'Hats', -300],
      [made.external.id, 'Loyalty', -500],
      [made.shipping.id, 'Post free', -700],
    ],
  )
  assert.deepEqual(evaluation.line_items.map((line) => line.discount_cents), [-2208, -1488, -1200, -1604])
  assert.deepEqual(evaluation.not_applied, [])
  assert.equal(evaluation.subtotal_amount_cents, 13200)
  assert.equal(evaluation.shipping_amount_cents, 700)
  assert.equal(evaluation.discount_amount_cents, -7200)
  assert.equal(evaluation.total_amount_cents, 6700)
  assert.equal(evaluation.formatted_total_amount, '€67,00')
})

await check('the service behind the external promotion was asked once, and its question was signed', async () => {
  await evaluate(INTEGRATION, cart)
  assert.equal(asked.length, 1)
  assert.match(asked[0].headers['x-commercelayer-signature'], /^[A-Za-z0-9+/]{43}=$/)
  assert.equal(asked[0].order.data.type, 'orders')
  assert(asked[0].order.included.some((one) => one.type === 'skus' && one.attributes.code === `HAT-${RUN}`))
})

await check('who asks is told how far a promotion is; a sales channel is told nothing but that a code does not work', async () => {
  const small = { ...cart, coupon_code: undefined, coupon_codes: [CODE, 'NOWHERE-1'], line_items: [cart.line_items[0]] }
  const precise = await evaluate(INTEGRATION, { ...small, line_items: [{ sku_code: `GIFT-${RUN}` }] })
  const fifteen = precise.not_applied.find((one) => one.promotion?.id === made.percentage.id)
  assert.deepEqual([fifteen.reason, fifteen.missing], ['order_amount_too_low', 3800])
  const public_ = await evaluate(SALES_CHANNEL, small)
  assert.deepEqual(
    public_.not_applied.map((one) => [one.coupon_code, one.reason, one.promotion]).sort(),
    [[CODE, 'not_applicable', null], ['NOWHERE-1', 'not_applicable', null]].sort(),
  )
})

service.close()
