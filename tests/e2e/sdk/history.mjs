/** What was done, when and by whom: versions to the clients that know them, event stores to all, and events. */

import assert from 'node:assert/strict'
import { jwtDecode } from '@commercelayer/js-auth'
import { check, connect, couponPromotion, KNOWS_VERSIONS, pluck, refused, RUN } from './client.mjs'

const cl = await connect()
const { application } = jwtDecode(cl.currentAccessToken).payload
const who = { application: { id: application.id, kind: 'integration', public: false } }
const { rule } = await couponPromotion(cl)
const coupon = await cl.coupons.create({ code: `HIST-${RUN}`, usage_limit: 1, promotion_rule: rule })
await cl.coupons.update({ id: coupon.id, usage_limit: 2 })
await cl.coupons.update({ id: coupon.id, usage_limit: 2 })
const update = { usage_limit: [1, 2] }
const mine = { resource_type_eq: 'coupons', resource_id_eq: coupon.id }

await check('events name what happened, and what changed nothing is no event', async () => {
  const events = await cl.coupons.events(coupon.id, { sort: ['id'] })
  assert.deepEqual(pluck(events, 'name'), ['coupons.create', 'coupons.update'])
  const { id, type, name } = await cl.events.retrieve(events[0].id)
  assert.deepEqual({ id, type, name }, { id: events[0].id, type: 'events', name: 'coupons.create' })
  assert.equal((await cl.events._trigger(events[1].id)).name, 'coupons.update')
  const listed = await cl.events.list({ filters: { name_eq: 'coupons.update', id_gteq: events[1].id } })
  assert.equal(listed[0].id, events[1].id)
})

await check('event stores tell every change and who made it', async () => {
  const stores = await cl.coupons.event_stores(coupon.id, { sort: ['id'] })
  assert.deepEqual(pluck(stores, 'event'), ['create', 'update'])
  assert.match(stores[0].id, /^\d{13}-\d+$/)
  assert.deepEqual(stores[0].payload.code, [null, coupon.code])
  assert.deepEqual(stores[1].payload, update)
  assert.deepEqual(stores[1].who, who)
  assert.deepEqual(await cl.event_stores.retrieve(stores[1].id), stores[1])
  assert.deepEqual(pluck(await cl.event_stores.list({ filters: mine, sort: ['id'] }), 'id'), pluck(stores, 'id'))
})

await check('event stores are no include', async () => {
  const included = cl.coupons.retrieve(coupon.id, { include: ['event_stores'] })
  assert.deepEqual(await refused(included, 'code'), { status: 400, errors: [{ code: 'INVALID_INCLUDE' }] })
})

if (KNOWS_VERSIONS) {
  await check('versions tell the same', async () => {
    const versions = await cl.coupons.versions(coupon.id, { sort: ['id'] })
    assert.deepEqual(pluck(versions, 'event'), ['create', 'update'])
    const { resource_type, resource_id, event, changes, who: author } = versions[1]
    assert.deepEqual(
      { resource_type, resource_id, event, changes, who: author },
      { resource_type: 'coupons', resource_id: coupon.id, event: 'update', changes: update, who },
    )
    assert.deepEqual(await cl.versions.retrieve(versions[1].id), versions[1])
    const listed = await cl.versions.list({ filters: { ...mine, event_eq: 'update' } })
    assert.deepEqual(pluck(listed, 'id'), [versions[1].id])
  })

  await check('versions are included', async () => {
    const read = await cl.coupons.retrieve(coupon.id, { include: ['versions'] })
    assert.deepEqual(pluck(read.versions, 'event'), ['create', 'update'])
  })
} else {
  await check('an SDK that has outgrown versions knows none', () => {
    assert.equal(cl.versions, undefined)
  })
}

await check('what is deleted keeps its history', async () => {
  await cl.coupons.delete(coupon.id)
  const stores = await cl.event_stores.list({ filters: mine, sort: ['id'] })
  assert.deepEqual(pluck(stores, 'event'), ['create', 'update', 'destroy'])
  assert.deepEqual(stores[2].payload.usage_limit, [2, null])
})
