/** A market with its catalog, one promotion of every type with rules, and a cart that all of them take something off. */

import assert from 'node:assert/strict'
import { check, connect, INTEGRATION, pluck, RUN, SALES_CHANNEL } from './client.mjs'
import { call, createPromotions, loyaltyService, openShop, PRICES } from './shop.mjs'

const cl = await connect()
const CODE = `EVAL-${RUN}`
const service = await loyaltyService()
const { asked } = service
let shop, made

async function evaluate(application, attributes) {
  const body = { data: { type: 'evaluations', attributes } }
  const [status, document] = await call('POST', 'evaluations', application, body)
  assert.equal(status, 200, JSON.stringify(document))
  return document.data.attributes
}

await check('a market has a merchant, a price list and an address', async () => {
  shop = await openShop(cl)
  assert.match(shop.market.shared_secret, /^[0-9a-f]{32}$/)
  const read = await cl.markets.retrieve(shop.market.id, { include: ['merchant.address', 'price_list'] })
  assert.equal(read.merchant.address.full_name, 'Ada Lovelace')
  assert.equal(read.price_list.currency_code, 'EUR')
})

await check('SKUs have prices and are held by lists', async () => {
  for (const [code, amount_cents] of Object.entries(PRICES)) {
    assert.equal(shop.prices[code].formatted_amount, `€${amount_cents / 100},00`)
    assert.deepEqual(pluck(await cl.sku_lists.skus(shop.lists[code].id), 'code'), [shop.skus[code].code])
  }
})

await check('customers are created and grouped', async () => {
  const customer_group = await cl.customer_groups.create({ name: `Friends ${RUN}` })
  const customer = await cl.customers.create({ email: `ada-${RUN}@example.com`, password: 'difference-engine', customer_group })
  assert.equal(customer.has_password, true)
  assert(!('password' in customer))
})

await check('there is a promotion of every type, with rules', async () => {
  made = await createPromotions(cl, shop, service.url, CODE)
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
