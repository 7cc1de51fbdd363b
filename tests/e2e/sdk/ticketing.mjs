/** Ticketing-style calls as its public clients send them; a cheque pays part of a JSON:API order and keeps the rest. */

import assert from 'node:assert/strict'
import { check, connect, createMarket, native, RUN, token } from './client.mjs'

const { SERVER } = process.env
const bearer = await token()

async function call(method, path, body, headers = {}) {
  const answer = await native(`${SERVER}${path}`, {
    method,
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  })
  const text = await answer.text()
  return { status: answer.status, body: text && JSON.parse(text) }
}

const cl = await connect()
const { market, sku } = await createMarket(cl, `TKT-${RUN}`)
const CODE = `CHEQUE-${RUN}`
let cheque

await check('a coupon and its codes are made and listed', async () => {
  const made = await call('POST', '/coupon', { name: 'Fifty euros', type: 'cheque', amount: 5000, start_date: '2025-01-05T19:00:00+01:00' })
  assert.deepEqual([made.status, made.body.type, made.body.amount, made.body.end_date], [200, 'cheque', 5000, null])
  cheque = made.body
  const codes = await call('PUT', `/3.0.0/coupon/${cheque.guid}/codes`, { codes: [{ code: CODE, applies_to_count: 1 }], applies_to_count: 1 }, { Company: cheque.company_id })
  assert.deepEqual([codes.status, codes.body.length, codes.body[0].code, codes.body[0].used_amount], [200, 1, CODE, 0])
  assert.equal((await call('PUT', `/coupon/${cheque.guid}/codes`, { codes: [{ code: CODE.toLowerCase() }] })).status, 409)
  assert.equal((await call('POST', `/coupon/${cheque.guid}/codes`, { count: 20 })).status, 204)
  assert.equal((await call('GET', `/coupon/${cheque.guid}/codes`)).body.length, 21)
  assert((await call('GET', '/coupon')).body.some(({ guid }) => guid === cheque.guid))
})

await check('what is wrong is named, and another company is closed', async () => {
  const bad = await call('POST', '/coupon', { type: 'voucher', amount: 12.5 })
  assert.deepEqual([bad.status, Object.keys(bad.body.error_context).sort()], [406, ['name', 'type']])
  assert.equal((await call('GET', '/coupon', undefined, { Company: cheque.guid })).status, 403)
})

await check('the cheque pays part of an order and keeps the rest', async () => {
  const order = await cl.orders.create({ market, customer_email: `bob-${RUN}@example.com`, coupon_code: CODE })
  await cl.line_items.create({ order, sku_code: sku.code, quantity: 1 })
  const placed = await cl.orders.update({ id: order.id, _place: true })
  assert.deepEqual([placed.discount_amount_cents, placed.total_amount_cents], [-2500, 0])
  const { body } = await call('GET', `/coupon/${cheque.guid}/codes`)
  assert.equal(body.find(({ code }) => code === CODE).used_amount, 2500)
  const next = await cl.orders.create({ market, customer_email: `bob-${RUN}@example.com`, coupon_code: CODE })
  await cl.line_items.create({ order: next, sku_code: sku.code, quantity: 2 })
  const rest = await cl.orders.update({ id: next.id, _place: true })
  assert.deepEqual([rest.discount_amount_cents, rest.total_amount_cents], [-2500, 2500])
  await cl.orders.update({ id: order.id, _cancel: true })
  const after = await call('GET', `/coupon/${cheque.guid}/codes`)
  assert.equal(after.body.find(({ code }) => code === CODE).used_amount, 2500)
})
