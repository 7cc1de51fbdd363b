/** Tags: made, put on by name and by relationship, taken off, searched by. */

import assert from 'node:assert/strict'
import { check, connect, couponPromotion, pluck, refused, RUN } from './client.mjs'

const cl = await connect()
const { promotion, rule } = await couponPromotion(cl)
const coupon = await cl.coupons.create({ code: `TAG-${RUN}`, promotion_rule: rule })
const [summer, mail, vip] = await Promise.all(
  ['summer', 'mail', 'vip'].map((name) => cl.tags.create({ name: `${name}-${RUN}` })),
)

const names = async (resources, id) => pluck(await resources.tags(id, { sort: ['name'] }), 'name')
const onCoupon = () => names(cl.coupons, coupon.id)

await check('_add_tags puts tags on and passes over names that are no tag', async () => {
  await cl.coupons._add_tags(coupon.id, `${summer.name}, ${mail.name},nobody-${RUN}`)
  assert.deepEqual(await onCoupon(), [mail.name, summer.name])
})

await check('_remove_tags takes off what is on', async () => {
  const left = await cl.coupons._remove_tags(coupon, `${summer.name},${vip.name}`, { include: ['tags'] })
  assert.deepEqual(pluck(left.tags, 'name'), [mail.name])
})

await check('the relationship replaces the tags', async () => {
  await cl.coupons.update({ id: coupon.id, tags: cl.tags.relationshipToMany(vip.id, summer.id) })
  assert.deepEqual(await onCoupon(), [summer.name, vip.name])
})

await check('whole tags will do as identifiers', async () => {
  await cl.coupons.update({ id: coupon.id, tags: [mail, vip] })
  assert.deepEqual(await onCoupon(), [mail.name, vip.name])
})

await check('tagged resources are found by their tags', async () => {
  const found = async (filters) => pluck(await cl.coupons.list({ filters }), 'id')
  assert.deepEqual(await found({ tags_id_in: [vip.id, summer.id] }), [coupon.id])
  assert.deepEqual(await found({ tags_name_eq: mail.name }), [coupon.id])
  assert.deepEqual(await found({ tags_id_in: [summer.id] }), [])
})

await check('no tags at all are an empty relationship', async () => {
  const bare = await cl.coupons.update({ id: coupon.id, tags: cl.tags.relationshipToMany(null) }, { include: ['tags'] })
  assert.deepEqual(bare.tags, [])
  assert.deepEqual(await onCoupon(), [])
})

await check('promotions are tagged as well, and answer at both of their types', async () => {
  await cl.percentage_discount_promotions._add_tags(promotion.id, vip.name)
  assert.deepEqual(await names(cl.percentage_discount_promotions, promotion.id), [vip.name])
  assert.deepEqual(await names(cl.promotions, promotion.id), [vip.name])
  const tagged = await cl.promotions.list({ filters: { tags_id_eq: vip.id }, include: ['tags'] })
  assert.deepEqual(Array.from(tagged, (each) => [each.id, pluck(each.tags, 'id')]), [[promotion.id, [vip.id]]])
})

await check('tagging is told as an event', async () => {
  const told = await cl.coupons.events(coupon.id, { filters: { name_eq: 'coupons.tagged' } })
  assert.equal(told.length, 5)
})

await check('a tag needs a name of its own', async () => {
  const problems = (call) => refused(call, 'code', 'detail', 'source', 'meta')
  const pointer = { pointer: '/data/attributes/name' }
  assert.deepEqual(await problems(cl.tags.create({ name: vip.name })), {
    status: 422,
    errors: [
      {
        code: 'VALIDATION_ERROR',
        detail: 'name - has already been taken',
        source: pointer,
        meta: { error: 'taken' },
      },
    ],
  })
  const { errors } = await problems(cl.tags.create({ name: 'not a tag!' }))
  assert.deepEqual(errors.map((error) => [error.source, error.meta.value]), [[pointer, 'not a tag!']])
})

await check('a tag that is deleted is on nothing', async () => {
  await cl.coupons._add_tags(coupon.id, `${summer.name},${mail.name}`)
  await cl.tags.delete(summer.id)
  assert.deepEqual(await onCoupon(), [mail.name])
})
