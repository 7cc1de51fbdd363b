/** Promotions of every kind, at their own type and at the one that stands for all, and coupons from rule to redeemable. */

import assert from 'node:assert/strict'
import { check, connect, couponPromotion, pluck, refused, RUN } from './client.mjs'

const cl = await connect()
const { promotion, rule } = await couponPromotion(cl)
const window = { starts_at: '2026-01-01T00:00:00.000Z', expires_at: '2999-01-01T00:00:00.000Z' }
const mine = { name_end: RUN }

const fixed = await cl.fixed_amount_promotions.create({
  name: `Ten off ${RUN}`,
  currency_code: 'EUR',
  fixed_amount_cents: 1050,
  exclusive: true,
  priority: 2,
  total_usage_limit: 3,
  ...window,
  _disable: true,
})

await check('amounts are told in cents, as a number and as text', () => {
  assert.equal(fixed.type, 'fixed_amount_promotions')
  assert.equal(fixed.fixed_amount_cents, 1050)
  assert.equal(fixed.fixed_amount_float, 10.5)
  assert.equal(fixed.formatted_fixed_amount, '€10,50')
})

await check('a promotion created disabled is not active', () => {
  assert.equal(fixed.status, 'disabled')
  assert.equal(fixed.active, false)
  assert.match(fixed.disabled_at, /Z$/)
})

await check('promotions of all types are listed as what they are', async () => {
  const all = await cl.promotions.list({ filters: mine, sort: ['name'] })
  assert.deepEqual(pluck(all, 'type'), ['percentage_discount_promotions', 'fixed_amount_promotions'])
  assert.deepEqual([all[0].percentage, all[1].fixed_amount_cents], [10, 1050])
  const ofType = await cl.promotions.list({ filters: { ...mine, type_in: ['fixed_amount_promotions'] } })
  assert.deepEqual(pluck(ofType, 'id'), [fixed.id])
})

await check('one promotion is read at the type that stands for all', async () => {
  const whole = await cl.promotions.retrieve(promotion.id, { include: ['coupon_codes_promotion_rule', 'promotion_rules'] })
  assert.equal(whole.type, 'percentage_discount_promotions')
  assert.deepEqual(whole.coupon_codes_promotion_rule, whole.promotion_rules[0])
  assert.equal(whole.promotion_rules[0].id, rule.id)
})

await check('promotions are found by where they stand', async () => {
  const found = async (filters) => pluck(await cl.promotions.list({ filters: { ...mine, ...filters } }), 'id')
  assert.deepEqual(await found({ active: true }), [promotion.id])
  assert.deepEqual(await found({ with_status: 'disabled' }), [fixed.id])
  assert.deepEqual(await found({ expired: true }), [])
  assert.deepEqual(await found({ disabled_at_null: true }), [promotion.id])
})

await check('triggers enable and disable', async () => {
  assert.equal((await cl.fixed_amount_promotions._enable(fixed.id)).status, 'active')
  assert.equal((await cl.fixed_amount_promotions._disable(fixed)).status, 'disabled')
})

await check('a promotion has one rule of a type', async () => {
  const amount = await cl.order_amount_promotion_rules.create({
    order_amount_cents: 5000,
    use_subtotal: true,
    promotion: cl.fixed_amount_promotions.relationship(fixed.id),
  })
  assert.equal(amount.order_amount_float, 50)
  assert.equal(amount.formatted_order_amount, '€50,00')
  const again = cl.order_amount_promotion_rules.create({
    order_amount_cents: 1,
    promotion: cl.fixed_amount_promotions.relationship(fixed.id),
  })
  assert.deepEqual(await refused(again, 'detail', 'source'), {
    status: 422,
    errors: [
      { detail: 'promotion - has already been taken', source: { pointer: '/data/relationships/promotion' } },
    ],
  })
  const rules = await cl.promotion_rules.list({ filters: { promotion_id_in: [promotion.id, fixed.id] }, sort: ['id'] })
  assert.deepEqual(pluck(rules, 'type'), ['coupon_codes_promotion_rules', 'order_amount_promotion_rules'])
  const found = await cl.promotions.list({ filters: { ...mine, promotion_rules_type_eq: 'OrderAmountPromotionRule' } })
  assert.deepEqual(pluck(found, 'id'), [fixed.id])
})

await check('coupons count at their promotion, and without any it is disabled', async () => {
  const codes = [1, 2, 3].map((number) => `PROMO-${RUN}-${number}`)
  const coupons = []
  for (const code of codes) coupons.push(await cl.coupons.create({ code, promotion_rule: rule }))
  const counted = async () => (await cl.percentage_discount_promotions.retrieve(promotion.id)).coupons_count
  assert.equal(await counted(), 3)
  const listed = await cl.promotions.coupons(promotion.id, { sort: ['code'] })
  assert.deepEqual(pluck(listed, 'code'), codes)
  for (const coupon of coupons) await cl.coupons.delete(coupon.id)
  assert.equal(await counted(), 0)
  assert.equal((await cl.promotions.retrieve(promotion.id)).status, 'disabled')
})

await check('a deleted promotion takes its rules along', async () => {
  await cl.fixed_amount_promotions.delete(fixed.id)
  await cl.percentage_discount_promotions.delete(promotion.id)
  assert.equal((await refused(cl.promotion_rules.retrieve(rule.id))).status, 404)
  assert.equal(await cl.promotions.count(mine), 0)
})
