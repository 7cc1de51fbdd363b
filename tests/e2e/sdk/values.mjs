/** Values as other official clients send them: the CLI everything as text, the dashboard with habits of its own. */

import assert from 'node:assert/strict'
import { check, connect, couponPromotion, refused, RUN } from './client.mjs'

const cl = await connect()
const { promotion, rule } = await couponPromotion(cl)
const { starts_at, expires_at } = promotion

await check('numbers and booleans may be text', async () => {
  const made = await cl.percentage_discount_promotions.create({
    name: `Text ${RUN}`,
    percentage: '15',
    exclusive: 'true',
    priority: '2',
    total_usage_limit: '100',
    starts_at: '2026-01-01T00:00:00Z',
    expires_at: '2030-01-01T01:00:00+01:00',
    _disable: 'true',
  })
  const { percentage, exclusive, priority, total_usage_limit, status } = made
  assert.deepEqual([percentage, exclusive, priority, total_usage_limit, status], [15, true, 2, 100, 'disabled'])
  assert.equal(made.expires_at, '2030-01-01T00:00:00.000Z')
  const changed = await cl.percentage_discount_promotions.update({ id: made.id, exclusive: 'false', percentage: '16' })
  assert.deepEqual([changed.exclusive, changed.percentage], [false, 16])
})

const coupon = await cl.coupons.create({
  code: `VAL-${RUN}`,
  usage_limit: '5',
  customer_single_use: 'true',
  recipient_email: `${RUN}@example.com`,
  promotion_rule: rule,
})

await check('so may those of a coupon', () => {
  assert.deepEqual([coupon.usage_limit, coupon.customer_single_use], [5, true])
})

await check('text that is no number is refused', async () => {
  assert.deepEqual(await refused(cl.coupons.update({ id: coupon.id, usage_limit: 'five' }), 'detail', 'source'), {
    status: 422,
    errors: [{ detail: 'usage_limit - is not a number', source: { pointer: '/data/attributes/usage_limit' } }],
  })
})

await check('a trigger may be true, 1 or text, and is nothing when false, null or empty', async () => {
  const change = async (attributes) =>
    (await cl.percentage_discount_promotions.update({ id: promotion.id, ...attributes })).status
  assert.equal(await change({ _disable: true, _enable: false }), 'disabled')
  assert.equal(await change({ _enable: 1, _disable: null }), 'active')
  assert.equal(await change({ _disable: '1', _enable: '' }), 'disabled')
  assert.equal(await change({ _disable: false }), 'disabled')
  assert.equal(await change({ _enable: 'true' }), 'active')
  assert.equal(await change({ _enable: 'false', _disable: 0, _add_tags: '', _remove_tags: null }), 'active')
})

await check('contrary triggers at once are refused', async () => {
  const both = cl.percentage_discount_promotions.update({ id: promotion.id, _disable: true, _enable: true })
  assert.deepEqual(await refused(both, 'source'), {
    status: 422,
    errors: [
      { source: { pointer: '/data/attributes/_disable' } },
      { source: { pointer: '/data/attributes/_enable' } },
    ],
  })
})

await check('a relationship that is null among the attributes is cleared', async () => {
  const cleared = await cl.coupons.update({ id: coupon.id, coupon_recipient: null }, { include: ['coupon_recipient'] })
  assert.equal(cleared.coupon_recipient, null)
  assert.equal(cleared.recipient_email, null)
})

await check('a whole resource will do as an identifier', async () => {
  const whole = await cl.coupon_codes_promotion_rules.retrieve(rule.id, { include: ['promotion'] })
  const moved = await cl.coupons.update({ id: coupon.id, promotion_rule: whole }, { include: ['promotion_rule'] })
  assert.equal(moved.promotion_rule.id, rule.id)
})

await check('a promotion is named by its type or by the one that stands for all', async () => {
  const other = await cl.percentage_discount_promotions.create({ name: `Other ${RUN}`, percentage: 5, starts_at, expires_at })
  const made = await cl.coupon_codes_promotion_rules.create(
    { promotion: cl.promotions.relationship(other.id) },
    { include: ['promotion'] },
  )
  assert.deepEqual([made.promotion.type, made.promotion.id], ['percentage_discount_promotions', other.id])
})

await check('fields of a type in the singular, or of a type that is not there, do no harm', async () => {
  const read = await cl.coupons.retrieve(coupon.id, {
    include: ['promotion_rule'],
    fields: { coupons: ['promotion_rule'], coupon_codes_promotion_rule: ['id'], addresses: ['city'] },
  })
  assert.deepEqual(read, {
    id: coupon.id,
    type: 'coupons',
    promotion_rule: { id: rule.id, type: 'coupon_codes_promotion_rules' },
  })
})

await check('text of any script comes back as it was', async () => {
  const reference = 'Ærø 日本語 🎟️ "quotes" \\ /'
  const changed = await cl.coupons.update({ id: coupon.id, reference, metadata: { [reference]: reference } })
  assert.deepEqual([changed.reference, changed.metadata], [reference, { [reference]: reference }])
})
