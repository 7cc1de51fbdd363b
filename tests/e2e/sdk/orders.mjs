/** An order from the empty cart of a guest to its payment, priced to the cent at every step. */

import assert from 'node:assert/strict'
import { authenticate } from '@commercelayer/js-auth'
import { ADDRESS, check, connect, DOMAIN, INTEGRATION, pluck, refused, RUN, SALES_CHANNEL } from './client.mjs'
import { call, createPromotions, loyaltyService, openShop } from './shop.mjs'

const admin = await connect()
const service = await loyaltyService()
const shop = await openShop(admin)
const CODE = `ORDER-${RUN}`
const EMAIL = `ada-${RUN}@example.com`
const { market, skus, boxes } = shop
const sold = {}
const lines = {}
let promotions, cl, guest, order, card

/** What is not 0 of the order's amounts, in cents. */
function amounts(attributes) {
  const parts = ['subtotal', 'shipping', 'payment_method', 'discount', 'adjustment', 'gift_card', 'total']
  const told = parts.map((part) => [part, attributes[`${part}_amount_cents`]])
  return Object.fromEntries(told.filter(([, cents]) => cents !== 0))
}

/** The lines of the order, and of what they hold what `members` name. */
async function linesOf(client, item_type, ...members) {
  const found = await client.orders.line_items(order.id, { pageSize: 25, sort: { created_at: 'asc' } })
  const of_type = Array.from(found).filter((line) => line.item_type.endsWith(item_type))
  return of_type.map((line) => members.map((name) => line[name]))
}

await check('tiers make many cheaper, and a bundle costs less than what is in it', async () => {
  const price = shop.prices.SOCKS
  await admin.price_volume_tiers.create({ name: 'A few', up_to: 5, price_amount_cents: 1000, price })
  await admin.price_volume_tiers.create({ name: 'Many', up_to: null, price_amount_cents: 800, price })
  const sku_list = await admin.sku_lists.create({ name: `Set ${RUN}`, manual: true })
  for (const sku of [skus.SHIRT, skus.HAT]) {
    await admin.sku_list_items.create({ sku_code: sku.code, quantity: 1, sku_list })
  }
  sold.bundle = await admin.bundles.create({
    code: `SET-${RUN}`, name: 'Set', price_amount_cents: 5500, _compute_compare_at_amount: true, market, sku_list,
  })
  assert.deepEqual([sold.bundle.compare_at_amount_cents, sold.bundle.skus_count], [6500, 2])
})

await check('a market has ways to ship, one of them the usual, and a way to pay by hand', async () => {
  sold.post = await admin.shipping_methods.create({ name: 'Post', price_amount_cents: 700, market })
  sold.courier = await admin.shipping_methods.create({
    name: 'Courier', price_amount_cents: 1500, shipping_category: boxes, market,
  })
  const payment_gateway = await admin.manual_gateways.create({ name: 'By hand' })
  sold.transfer = await admin.payment_methods.create({
    name: 'Bank transfer', payment_source_type: 'wire_transfers', price_amount_cents: 300, market, payment_gateway,
  })
  await admin.markets.update({ id: market.id, default_shipping_method: sold.post })
  assert.deepEqual([sold.post.currency_code, sold.transfer.currency_code], ['EUR', 'EUR'])
})

await check('a guest begins with an empty order in the market of the token', async () => {
  const scope = `market:code:${market.code}`
  guest = await authenticate('client_credentials', { domain: DOMAIN, clientId: SALES_CHANNEL.clientId, scope })
  cl = await connect({ accessToken: guest.accessToken })
  order = await cl.orders.create({})
  const { status, payment_status, fulfillment_status, guest: is_guest, editable, currency_code, tax_included } = order
  assert.deepEqual(
    [status, payment_status, fulfillment_status, is_guest, editable, currency_code, tax_included],
    ['draft', 'unpaid', 'unfulfilled', true, true, 'EUR', true],
  )
  assert.match(order.number, /^\d+$/)
  assert.match(order.id, /^[A-Za-z]{10}$/)
  assert.deepEqual(amounts(order), {})
  assert.equal((await admin.orders.market(order.id)).id, market.id)
})

await check('lines are added by the codes of SKUs and bundles, and more of the same to the line that is there', async () => {
  lines.shirt = await cl.line_items.create({ order, sku_code: skus.SHIRT.code, quantity: 1, _update_quantity: true })
  const more = await cl.line_items.create({ order, sku_code: skus.SHIRT.code, quantity: 1, _update_quantity: true })
  assert.deepEqual([more.id, more.quantity, more.total_amount_cents], [lines.shirt.id, 2, 5000])
  lines.hat = await cl.line_items.create({ order, sku_code: skus.HAT.code, quantity: 1 })
  lines.gift = await cl.line_items.create({ order, sku_code: skus.GIFT.code, quantity: 1 })
  lines.socks = await cl.line_items.create({ order, sku_code: skus.SOCKS.code, quantity: 5 })
  assert.deepEqual([lines.socks.unit_amount_cents, lines.socks.total_amount_cents], [1000, 5000])
  lines.socks = await cl.line_items.update({ id: lines.socks.id, quantity: 6 })
  assert.deepEqual([lines.socks.unit_amount_cents, lines.socks.total_amount_cents], [800, 4800])
  lines.bundle = await cl.line_items.create({ order, bundle_code: sold.bundle.code, quantity: 1 })
  assert.deepEqual(
    [lines.bundle.item_type, lines.bundle.name, lines.bundle.unit_amount_cents, lines.bundle.compare_at_amount_cents],
    ['bundles', 'Set', 5500, 6500],
  )
})

await check('what is not sold is no line', async () => {
  const { status, errors } = await refused(
    cl.line_items.create({ order, sku_code: `NOWHERE-${RUN}`, quantity: 1 }), 'code', 'source', 'detail',
  )
  assert.equal(status, 422)
  assert.deepEqual(errors, [
    {
      code: 'VALIDATION_ERROR', source: { pointer: '/data/attributes/sku_code' }, detail: 'sku_code - must exist',
    },
  ])
})

await check('a gift card is drafted and bought', async () => {
  card = await cl.gift_cards.create({ balance_cents: 5000, currency_code: 'EUR', recipient_email: EMAIL })
  assert.deepEqual([card.status, card.balance_cents], ['draft', 5000])
  const line = await cl.line_items.create({ order, item: card, quantity: 1 })
  assert.deepEqual([line.item_type, line.unit_amount_cents, line.name], ['gift_cards', 5000, 'Gift card'])
  order = await cl.orders.retrieve(order.id)
  assert.deepEqual(amounts(order), { subtotal: 25500, total: 25500 })
  assert.deepEqual([order.status, order.skus_count, order.shipments_count], ['pending', 11, 0])
})

await check('an e-mail address finds or makes the customer', async () => {
  order = await cl.orders.update({ id: order.id, customer_email: EMAIL })
  assert.deepEqual([order.customer_email, order.guest], [EMAIL, true])
  assert.equal((await admin.orders.customer(order.id)).email, EMAIL)
})

await check('a shipping address makes a shipment for each category, sent in the usual way', async () => {
  const shipping_address = await cl.addresses.create(ADDRESS)
  const include = ['shipping_address', 'shipments.shipping_method', 'shipments.line_items']
  order = await cl.orders.update({ id: order.id, shipping_address }, { include })
  assert.deepEqual([order.shipping_address.id, order.country_code], [shipping_address.id, 'GB'])
  const held = order.shipments.map((shipment) => [
    shipment.shipping_method.name,
    shipment.cost_amount_cents,
    pluck(shipment.line_items, 'sku_code').sort(),
  ])
  const others = [null, skus.GIFT.code, skus.SHIRT.code, skus.SOCKS.code]
  assert.deepEqual(held.sort(), [['Post', 700, [skus.HAT.code]], ['Post', 700, others.sort()]].sort())
  assert.deepEqual(amounts(order), { subtotal: 25500, shipping: 1400, total: 26900 })
})

await check('a billing address is a copy', async () => {
  const include = ['billing_address', 'shipping_address']
  order = await cl.orders.update({ id: order.id, _billing_address_same_as_shipping: true }, { include })
  const { billing_address, shipping_address } = order
  assert.deepEqual([billing_address.full_address, billing_address.phone], [shipping_address.full_address, ADDRESS.phone])
  assert.notEqual(billing_address.id, shipping_address.id)
  const cloned = await cl.orders.update({ id: order.id, _billing_address_clone_id: shipping_address.id }, { include })
  assert.equal(cloned.billing_address.line_1, ADDRESS.line_1)
  assert(![billing_address.id, shipping_address.id].includes(cloned.billing_address.id))
})

await check('hats go by courier, which nothing else may', async () => {
  const shipments = await cl.orders.shipments(order.id, { include: ['line_items', 'available_shipping_methods'] })
  const of = ({ id }) => Array.from(shipments).find((shipment) => pluck(shipment.line_items, 'id').includes(id))
  assert.deepEqual(pluck(of(lines.hat).available_shipping_methods, 'name').sort(), ['Courier', 'Post'])
  assert.deepEqual(pluck(of(lines.shirt).available_shipping_methods, 'name'), ['Post'])
  const shipment = await cl.shipments.update({ id: of(lines.hat).id, shipping_method: sold.courier })
  assert.equal(shipment.cost_amount_cents, 1500)
  const { status, errors } = await refused(
    cl.shipments.update({ id: of(lines.shirt).id, shipping_method: sold.courier }), 'source', 'meta',
  )
  assert.equal(status, 422)
  assert.deepEqual(errors, [
    { source: { pointer: '/data/relationships/shipping_method' }, meta: { error: 'invalid' } },
  ])
})

await check('a payment method costs what it costs', async () => {
  const offered = await cl.orders.retrieve(order.id, { include: ['available_payment_methods', 'default_shipping_method'] })
  assert.deepEqual(pluck(offered.available_payment_methods, 'id'), [sold.transfer.id])
  assert.equal(offered.default_shipping_method.id, sold.post.id)
  order = await cl.orders.update({ id: order.id, payment_method: sold.transfer })
  assert.deepEqual(amounts(order), { subtotal: 25500, shipping: 2200, payment_method: 300, total: 28000 })
  assert.deepEqual(
    [order.formatted_total_amount, order.total_amount_float, order.total_amount_with_taxes_cents],
    ['€280,00', 280, 28000],
  )
})

await check('promotions apply with the next refresh', async () => {
  promotions = await createPromotions(admin, shop, service.url, CODE)
  order = await cl.orders.update({ id: order.id, _refresh: true })
  // Gift 1200, shirts 2 × 500, socks 2 × 800, 15 % of 16700, a tenth of the hat's 3400, 500, and both shipments.
  assert.equal(1200 + 1000 + 1600 + 2505 + 340 + 500 + 2200, 9345)
  assert.deepEqual(amounts(order), {
    subtotal: 25500, shipping: 2200, payment_method: 300, discount: -9345, total: 18655,
  })
})

await check('a code that does not work is refused where it stands, and nobody is told why', async () => {
  const { status, errors } = await refused(
    cl.orders.update({ id: order.id, coupon_code: `WRONG-${RUN}` }), 'title', 'detail', 'code', 'status', 'source', 'meta',
  )
  assert.equal(status, 422)
  assert.equal(errors.length, 1)
  const [{ title, detail, code, status: told, source, meta }] = errors
  assert.deepEqual([code, told, source], ['VALIDATION_ERROR', '422', { pointer: '/data/attributes/coupon_code' }])
  assert.deepEqual([meta.error, meta.reason], ['invalid', undefined])
  assert.equal(detail, `coupon_code - ${title}`)
  const why = await refused(admin.orders.update({ id: order.id, coupon_code: `WRONG-${RUN}` }), 'meta')
  assert.equal(why.errors[0].meta.reason, 'coupon_not_found')
})

await check('a coupon opens the last promotion, whatever its letters', async () => {
  order = await cl.orders.update({ id: order.id, coupon_code: CODE.toLowerCase() })
  assert.equal(order.coupon_code, CODE.toLowerCase())
  assert.deepEqual(amounts(order), {
    subtotal: 25500, shipping: 2200, payment_method: 300, discount: -10321, total: 17679,
  })
  const wrong = await refused(cl.orders.update({ id: order.id, coupon_code: `WRONG-${RUN}` }))
  assert.equal(wrong.status, 422)
  assert.equal((await cl.orders.retrieve(order.id)).coupon_code, CODE.toLowerCase())
})

await check('every promotion is a line of the order', async () => {
  const code = CODE.toLowerCase()
  const told = await linesOf(admin, '_promotions', 'item_type', 'name', 'quantity', 'total_amount_cents', 'coupon_code')
  assert.deepEqual(told.sort(), [
    ['buy_x_pay_y_promotions', 'Three for two', 1, -1600, null],
    ['external_promotions', 'Loyalty', 1, -500, null],
    ['fixed_amount_promotions', 'Ten euros', 1, -1000, code],
    ['fixed_price_promotions', 'Shirts at 20', 1, -1000, null],
    ['flex_promotions', 'Hats', 1, -316, null],
    ['free_gift_promotions', 'Gift', 1, -1200, null],
    ['free_shipping_promotions', 'Post free', 1, -2200, null],
    ['percentage_discount_promotions', 'Fifteen', 1, -2505, null],
  ])
  const found = await admin.orders.line_items(order.id, { pageSize: 25, include: ['item'] })
  const items = Array.from(found).filter((line) => line.item_type.endsWith('_promotions')).map((line) => line.item.id)
  const { coupon, ...all } = promotions
  assert.deepEqual(items.sort(), pluck(Object.values(all), 'id').sort())
})

await check('every line tells what each promotion took off it', async () => {
  const found = await cl.orders.line_items(order.id, { pageSize: 25 })
  const line = ({ id }) => Array.from(found).find((each) => each.id === id)
  const discounts = [lines.shirt, lines.hat, lines.gift, lines.socks, lines.bundle].map((each) => line(each).discount_cents)
  assert.deepEqual(discounts, [-1963, -1265, -1200, -2370, -1323])
  const { price, percentage, amount, external, flex } = promotions
  assert.deepEqual(line(lines.shirt).discount_breakdown, {
    [price.id]: { name: 'Shirts at 20', cents: -1000, weight: 1, coupon_code: null },
    [percentage.id]: { name: 'Fifteen', cents: -600, weight: 0.24, coupon_code: null },
    [amount.id]: { name: 'Ten euros', cents: -240, weight: 0.24, coupon_code: CODE.toLowerCase() },
    [external.id]: { name: 'Loyalty', cents: -123, weight: 0.246, coupon_code: null },
  })
  const cents = Object.entries(line(lines.hat).discount_breakdown).map(([id, share]) => [id, share.cents])
  assert.deepEqual(
    cents.sort(),
    [[percentage.id, -600], [amount.id, -239], [flex.id, -316], [external.id, -110]].sort(),
  )
  assert.equal(line(lines.shirt).total_amount_cents, 5000)
})

await check('a gift card pays as much as it holds', async () => {
  const issued = await admin.gift_cards.create({ balance_cents: 10000, currency_code: 'EUR', code: `PAYS-${RUN}` })
  const early = await refused(cl.orders.update({ id: order.id, gift_card_code: `PAYS-${RUN}` }), 'source', 'meta')
  assert.deepEqual([early.status, early.errors[0].source.pointer], [422, '/data/attributes/gift_card_code'])
  assert.deepEqual([early.errors[0].meta.error, early.errors[0].meta.reason], ['invalid', undefined])
  await admin.gift_cards._purchase(issued.id)
  sold.card = await admin.gift_cards._activate(issued.id)
  assert.equal(sold.card.status, 'active')
  order = await cl.orders.update({ id: order.id, gift_card_or_coupon_code: `PAYS-${RUN}` })
  assert.deepEqual([order.coupon_code, order.gift_card_code], [CODE.toLowerCase(), `PAYS-${RUN}`])
  assert.deepEqual(amounts(order), {
    subtotal: 25500, shipping: 2200, payment_method: 300, discount: -10321, gift_card: -10000, total: 7679,
  })
  assert.equal((await admin.gift_cards.retrieve(issued.id)).balance_cents, 10000)
})

await check('a cart is read as applications read it', async () => {
  const read = await cl.orders.retrieve(order.id, {
    include: ['line_items', 'line_items.item', 'line_items.line_item_options.sku_option', 'shipments.shipping_method'],
    fields: {
      orders: ['number', 'formatted_total_amount', 'formatted_discount_amount', 'skus_count', 'line_items', 'shipments'],
      line_items: ['item_type', 'name', 'quantity', 'formatted_total_amount', 'item', 'line_item_options'],
      skus: ['code', 'do_not_ship'],
    },
  })
  assert.deepEqual([read.formatted_total_amount, read.formatted_discount_amount], ['€76,79', '-€103,21'])
  const of = (type) => read.line_items.filter((line) => line.item_type.endsWith(type))
  const counts = ['skus', 'bundles', 'gift_cards', 'shipments', 'payment_methods', '_promotions'].map((type) => of(type).length)
  assert.deepEqual(counts, [4, 1, 2, 2, 1, 8])
  assert.deepEqual(of('skus').map((line) => line.item.code).sort(), pluck(Object.values(skus), 'code').sort())
  assert.deepEqual(of('_promotions').map((line) => line.item ?? null), Array(8).fill(null))
  assert.deepEqual(read.shipments.map((shipment) => shipment.shipping_method.name).sort(), ['Courier', 'Post'])
})

await check('a guest may not do what is a matter of the merchant', async () => {
  const tried = { number: '1A', expires_at: '2999-01-01T00:00:00.000Z', _approve: true, _capture: true, _refresh_prices: true }
  for (const [name, value] of Object.entries(tried)) {
    const { status, errors } = await refused(cl.orders.update({ id: order.id, [name]: value }), 'code', 'source')
    assert.equal(status, 400)
    assert.deepEqual(errors, [{ code: 'PARAM_NOT_ALLOWED', source: { pointer: `/data/attributes/${name}` } }])
  }
  const priced = await refused(cl.line_items.update({ id: lines.hat.id, unit_amount_cents: 1 }), 'code', 'source')
  assert.deepEqual(priced, {
    status: 400,
    errors: [{ code: 'PARAM_NOT_ALLOWED', source: { pointer: '/data/attributes/unit_amount_cents' } }],
  })
  for (const trigger of ['_activate', '_purchase']) {
    assert.equal((await refused(cl.gift_cards[trigger](card.id), 'code')).errors[0].code, 'PARAM_NOT_ALLOWED')
  }
  for (const closed of [
    () => cl.coupons.list(),
    () => cl.promotions.list(),
    () => cl.percentage_discount_promotions.retrieve(promotions.percentage.id),
    () => cl.orders.list(),
    () => cl.orders.delete(order.id),
    () => cl.gift_cards.list(),
    () => cl.adjustments.list(),
    () => cl.events.list(),
  ]) {
    const { status, errors } = await refused(closed(), 'code')
    assert.deepEqual([status, errors[0].code], [401, 'UNAUTHORIZED'])
  }
  const [status] = await call('GET', 'redemptions', guest.accessToken)
  assert.equal(status, 401)
})

await check('it is placed once', async () => {
  order = await cl.orders.update({ id: order.id, _place: true })
  assert.deepEqual([order.status, order.payment_status, order.editable], ['placed', 'authorized', false])
  assert.deepEqual([order.total_amount_cents, order.place_total_amount_cents], [7679, 7679])
  assert.equal(order.customer_type, 'new')
  const again = await cl.orders._place(order.id)
  const { updated_at, ...same } = again
  const { updated_at: before, ...first } = order
  assert.deepEqual(same, first)
  assert.equal(updated_at, before)
  assert.equal((await admin.coupons.retrieve(promotions.coupon.id)).usage_count, 1)
  const { coupon, ...all } = promotions
  const counted = await admin.promotions.list({ filters: { id_in: pluck(Object.values(all), 'id') } })
  assert.deepEqual(pluck(counted, 'total_usage_count'), [1, 1, 1, 1, 1, 1, 1, 1])
  assert.equal((await admin.gift_cards.retrieve(sold.card.id)).balance_cents, 0)
})

await check('what was placed stays as it is', async () => {
  const { status, errors } = await refused(cl.orders.update({ id: order.id, coupon_code: '' }), 'source')
  assert.deepEqual([status, errors[0].source.pointer], [422, '/data/attributes/coupon_code'])
  const line = await refused(cl.line_items.update({ id: lines.hat.id, quantity: 9 }), 'source', 'meta')
  assert.deepEqual([line.status, line.errors[0].meta.error], [422, 'invalid'])
  await admin.percentage_discount_promotions._disable(promotions.percentage.id)
  order = await admin.orders.update({ id: order.id, _refresh: true })
  assert.deepEqual(amounts(order), {
    subtotal: 25500, shipping: 2200, payment_method: 300, discount: -10321, gift_card: -10000, total: 7679,
  })
})

await check('the evaluation tells the merchant why, and the guest what', async () => {
  const [status, { data }] = await call('GET', `orders/${order.id}/evaluation`, INTEGRATION)
  assert.equal(status, 200)
  assert.deepEqual([data.type, data.attributes.total_amount_cents], ['evaluations', 17379])
  const applied = Object.fromEntries(data.attributes.applied.map((one) => [one.promotion.id, one.total_amount_cents]))
  const { gift, price, socks, percentage, amount, flex, external, shipping } = promotions
  assert.deepEqual(applied, {
    [gift.id]: -1200, [price.id]: -1000, [socks.id]: -1600, [percentage.id]: -2505,
    [amount.id]: -1000, [flex.id]: -316, [external.id]: -500, [shipping.id]: -2200,
  })
  const of_coupon = data.attributes.applied.find((one) => one.promotion.id === amount.id)
  assert.deepEqual(of_coupon.shares.map((share) => [share.line_item, share.cents]).sort(), [
    [lines.shirt.id, -240], [lines.hat.id, -239], [lines.socks.id, -192], [lines.bundle.id, -329],
  ].sort())
  const [shown, seen] = await call('GET', `orders/${order.id}/evaluation`, guest.accessToken)
  assert.deepEqual([shown, seen.data.attributes.discount_amount_cents], [200, -10321])
})

await check('the merchant approves it, records the payment and sends it', async () => {
  order = await admin.orders._approve(order.id)
  assert.deepEqual([order.status, order.payment_status], ['approved', 'authorized'])
  const bought = await admin.gift_cards.retrieve(card.id)
  assert.deepEqual([bought.status, bought.balance_cents], ['active', 5000])
  order = await admin.orders._capture(order.id)
  assert.equal(order.payment_status, 'paid')
  for (const shipment of await admin.orders.shipments(order.id)) {
    assert.equal(shipment.status, 'upcoming')
    for (const step of ['_picking', '_packing', '_ready_to_ship', '_ship', '_deliver']) {
      await admin.shipments[step](shipment.id)
    }
  }
  order = await admin.orders._fulfill(order.id)
  assert.equal(order.fulfillment_status, 'fulfilled')
  const events = await admin.orders.events(order.id, { filters: { name_not_eq: 'orders.update' }, sort: { created_at: 'asc' } })
  assert.deepEqual(
    pluck(events, 'name'),
    ['orders.create', 'orders.place', 'orders.approve', 'orders.capture', 'orders.fulfill'],
  )
})

service.close()
