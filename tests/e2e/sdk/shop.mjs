/** A market with a catalog, and one promotion of every type that takes something off what it sells. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { ADDRESS, ORGANIZATION, DOMAIN, RUN, throughProxy, token } from './client.mjs'

export const WINDOW = { starts_at: '2026-01-01T00:00:00.000Z', expires_at: '2999-01-01T00:00:00.000Z' }
export const PRICES = { SHIRT: 2500, HAT: 4000, GIFT: 1200, SOCKS: 1000 }

/** A service behind an external promotion: five euros off every order. `asked` is what it was sent. */
export async function loyaltyService() {
  const asked = []
  const server = createServer((request, response) => {
    const body = []
    request.on('data', (part) => body.push(part))
    request.on('end', () => {
      asked.push({ headers: request.headers, order: JSON.parse(Buffer.concat(body)) })
      response.end(JSON.stringify({ success: true, data: { name: 'Loyalty', discount_cents: 500 } }))
    })
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  return { asked, url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() }
}

/** A market with four SKUs, each with its price and a list that holds it alone. Hats are sent apart from all else. */
export async function openShop(cl) {
  const merchant = await cl.merchants.create({ name: 'Acme', address: await cl.addresses.create(ADDRESS) })
  const price_list = await cl.price_lists.create({ name: 'Euros', currency_code: 'EUR', tax_included: true })
  const market = await cl.markets.create({ name: 'Europe', code: `EU-${RUN}`, merchant, price_list })
  const parcels = await cl.shipping_categories.create({ name: `Parcels ${RUN}` })
  const boxes = await cl.shipping_categories.create({ name: `Boxes ${RUN}` })
  const skus = {}
  const prices = {}
  const lists = {}
  for (const [code, amount_cents] of Object.entries(PRICES)) {
    const shipping_category = code === 'HAT' ? boxes : parcels
    skus[code] = await cl.skus.create({ code: `${code}-${RUN}`, name: code, shipping_category })
    prices[code] = await cl.prices.create({ amount_cents, sku_code: skus[code].code, price_list })
    lists[code] = await cl.sku_lists.create({ name: `${code} ${RUN}`, manual: true })
    await cl.sku_list_items.create({ sku_code: skus[code].code, quantity: 1, sku_list: lists[code] })
  }
  return { merchant, price_list, market, parcels, boxes, skus, prices, lists }
}

/** One promotion of every type; that of a fixed amount has a coupon. */
export async function createPromotions(cl, { market, lists }, url, code) {
  const of = (name, attributes) => ({ name, market, ...WINDOW, ...attributes })
  const gift = await cl.free_gift_promotions.create(of('Gift', { max_quantity: 1, sku_list: lists.GIFT }))
  const price = await cl.fixed_price_promotions.create(
    of('Shirts at 20', { fixed_amount_cents: 2000, sku_list: lists.SHIRT }),
  )
  const socks = await cl.buy_x_pay_y_promotions.create(of('Three for two', { x: 3, y: 2, sku_list: lists.SOCKS }))
  const percentage = await cl.percentage_discount_promotions.create(of('Fifteen', { percentage: 15 }))
  await cl.order_amount_promotion_rules.create({
    order_amount_cents: 5000, use_subtotal: true, promotion: percentage,
  })
  const amount = await cl.fixed_amount_promotions.create(of('Ten euros', { fixed_amount_cents: 1000 }))
  await cl.sku_list_promotion_rules.create({ promotion: amount, sku_list: lists.HAT, min_quantity: 1 })
  const promotion_rule = await cl.coupon_codes_promotion_rules.create({ promotion: amount })
  const coupon = await cl.coupons.create({ code, promotion_rule })
  const flex = await cl.flex_promotions.create({ name: 'Hats', rules: { rules: [TENTH_OFF_HATS] }, ...WINDOW })
  const external = await cl.external_promotions.create(of('Loyalty', { promotion_url: url }))
  const shipping = await cl.free_shipping_promotions.create(of('Post free'))
  const filters = { customer_email_end_any: '@example.com,@example.org' }
  await cl.custom_promotion_rules.create({ filters, promotion: shipping })
  return { gift, price, socks, percentage, amount, flex, external, shipping, coupon }
}

const TENTH_OFF_HATS = {
  name: 'A tenth off hats',
  conditions: [{ field: 'order.line_items.sku.code', matcher: 'eq', value: `HAT-${RUN}`, group: 'hats' }],
  actions: [
    { type: 'percentage', selector: 'order.line_items', groups: ['hats'], apply_on: 'unit_amount_cents', value: 0.1 },
  ],
}

/** A call beside the SDK: `[status, document]` of a path of the API. */
export async function call(method, path, application, body, headers = {}) {
  const answer = await throughProxy(`https://${ORGANIZATION}.${DOMAIN}/api/${path}`, {
    method,
    headers: {
      accept: 'application/vnd.api+json',
      'content-type': 'application/vnd.api+json',
      authorization: `Bearer ${typeof application === 'string' ? application : await token(application)}`,
      ...headers,
    },
    body: body && JSON.stringify(body),
  })
  return [answer.status, await answer.json()]
}
