/** Orders of customers: each sees its own and nobody else's, and a guest none of theirs. */

import assert from 'node:assert/strict'
import { authenticate } from '@commercelayer/js-auth'
import { ADDRESS, check, connect, createMarket, DOMAIN, pluck, refused, RUN, SALES_CHANNEL } from './client.mjs'

const admin = await connect()
const { market, sku } = await createMarket(admin, `SHOP-${RUN}`)
const elsewhere = await createMarket(admin, `ELSE-${RUN}`)
const post = await admin.shipping_methods.create({ name: 'Post', price_amount_cents: 700, market })
await admin.markets.update({ id: market.id, default_shipping_method: post })
const scope = `market:code:${market.code}`
const ask = { domain: DOMAIN, clientId: SALES_CHANNEL.clientId, scope }
const password = 'difference engine'

const shopping = async (accessToken) => connect({ accessToken })
const guest = await shopping((await authenticate('client_credentials', ask)).accessToken)
const email = (name) => `${name}-${RUN}@example.com`

/** A client of a customer who signed up just now. */
async function signedUp(name) {
  const customer = await guest.customers.create({ email: email(name), password })
  const session = await authenticate('password', { ...ask, username: email(name), password })
  return [customer, await shopping(session.accessToken)]
}

const [ada, hers] = await signedUp('ada')
const [bob, his] = await signedUp('bob')
let order, theirs, address

await check('an order is of whoever makes it', async () => {
  order = await hers.orders.create({}, { include: ['customer'] })
  assert.deepEqual([order.customer.id, order.customer_email, order.guest], [ada.id, email('ada'), false])
  theirs = await his.orders.create({})
  assert.equal((await refused(his.orders.create({ customer: ada }), 'code')).errors[0].code, 'RECORD_NOT_FOUND')
  const line = await hers.line_items.create({ order, sku_code: sku.code, quantity: 2 })
  assert.equal(line.total_amount_cents, 5000)
  assert.equal((await refused(hers.line_items.create({ order, sku_code: elsewhere.sku.code, quantity: 1 }))).status, 422)
})

await check('it is sent to an address of the book', async () => {
  address = await hers.addresses.create({ ...ADDRESS, reference: 'home' })
  await hers.customer_addresses.create({ customer: ada, address, customer_email: email('ada') })
  const include = ['shipping_address', 'billing_address', 'shipments.shipping_method', 'customer.customer_addresses.address']
  order = await hers.orders.update(
    { id: order.id, _shipping_address_clone_id: address.id, _billing_address_clone_id: address.id }, { include },
  )
  assert.deepEqual([order.shipping_address.reference, order.billing_address.reference], ['home', 'home'])
  assert.equal(new Set([address.id, order.shipping_address.id, order.billing_address.id]).size, 3)
  assert.deepEqual(order.shipments.map((shipment) => shipment.shipping_method.name), ['Post'])
  assert.deepEqual(order.customer.customer_addresses.map((entry) => entry.address.id), [address.id])
  assert.deepEqual([order.shipping_amount_cents, order.total_amount_cents], [700, 5700])
})

await check('customers list their own orders', async () => {
  assert.deepEqual(pluck(await hers.orders.list(), 'id'), [order.id])
  assert.deepEqual(pluck(await his.orders.list(), 'id'), [theirs.id])
  const pending = await hers.customers.orders(ada.id, { filters: { status_in: ['pending'] }, sort: { number: 'desc' } })
  assert.deepEqual(pluck(pending, 'id'), [order.id])
  assert.deepEqual(pluck(await his.orders.list({ filters: { customer_email_eq: email('ada') } }), 'id'), [])
})

await check('nobody sees or changes the orders of somebody else', async () => {
  const [line] = await hers.orders.line_items(order.id)
  const [shipment] = await hers.orders.shipments(order.id)
  for (const other of [his, guest]) {
    for (const tried of [
      () => other.orders.retrieve(order.id),
      () => other.orders.update({ id: order.id, _place: true }),
      () => other.orders.line_items(order.id),
      () => other.line_items.retrieve(line.id),
      () => other.line_items.update({ id: line.id, quantity: 9 }),
      () => other.line_items.create({ order, sku_code: sku.code, quantity: 1 }),
      () => other.line_items.delete(line.id),
      () => other.shipments.retrieve(shipment.id),
    ]) {
      assert.equal((await refused(tried(), 'code')).errors[0].code, 'RECORD_NOT_FOUND', String(tried))
    }
  }
  const cloned = await refused(his.orders.update({ id: theirs.id, _shipping_address_clone_id: address.id }), 'source')
  assert.deepEqual([cloned.status, cloned.errors[0].source.pointer], [422, '/data/attributes/_shipping_address_clone_id'])
  assert.equal((await refused(his.addresses.retrieve(address.id))).status, 404)
})

await check('a guest shows the id of an order and nothing else', async () => {
  const own = await guest.orders.create({ customer_email: email('eve') })
  assert.equal((await guest.orders.retrieve(own.id)).customer_email, email('eve'))
  assert.equal((await refused(hers.orders.retrieve(own.id))).status, 404)
  assert.equal((await refused(guest.orders.list())).status, 401)
})

await check('a customer places its order and keeps the address', async () => {
  await hers.orders.update({ id: order.id, shipping_address: await hers.addresses.create({ ...ADDRESS, line_1: '2, Byron Road' }) })
  await hers.orders.update({ id: order.id, _save_shipping_address_to_customer_address_book: true })
  assert.equal(await hers.customer_addresses.count(), 2)
  order = await hers.orders._place(order.id)
  assert.deepEqual([order.status, order.customer_type, order.total_amount_cents], ['placed', 'new', 5700])
  assert.equal((await admin.customers.retrieve(ada.id)).total_orders_count, 1)
  assert.equal((await admin.customers.retrieve(bob.id)).total_orders_count, 0)
})
