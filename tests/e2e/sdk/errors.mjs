/** What is refused, and how a client learns why. */

import assert from 'node:assert/strict'
import { check, CommerceLayerStatic, connect, couponPromotion, refused, RUN } from './client.mjs'

const cl = await connect()
const { promotion, rule } = await couponPromotion(cl)
const coupon = await cl.coupons.create({ code: `ERR-${RUN}`, promotion_rule: rule })

await check('the SDK knows its errors', async () => {
  const error = await cl.coupons.retrieve('NoSuchCode').catch((reason) => reason)
  assert.equal(cl.isApiError(error), true)
  assert.equal(CommerceLayerStatic.isApiError(error), true)
  assert.equal(CommerceLayerStatic.isSdkError(error), true)
  assert.equal(error.name, 'ApiError')
  assert.equal(error.status, 404)
  assert.deepEqual(error.first(), {
    title: 'Record not found',
    detail: 'The requested resource was not found. Please double-check the resource id.',
    code: 'RECORD_NOT_FOUND',
    status: '404',
  })
})

await check('one answer points to everything that is wrong', async () => {
  const { status, errors } = await refused(
    cl.coupons.create({ code: 'SHORT', usage_limit: -1, recipient_email: 'nobody' }),
    'code',
    'detail',
    'source',
    'meta',
  )
  assert.equal(status, 422)
  assert.deepEqual(new Set(errors.map((error) => error.code)), new Set(['VALIDATION_ERROR']))
  assert.deepEqual(Object.fromEntries(errors.map((error) => [error.source.pointer, error.meta.error])), {
    '/data/attributes/code': 'too_short',
    '/data/attributes/usage_limit': 'greater_than_or_equal_to',
    '/data/attributes/recipient_email': 'invalid',
    '/data/relationships/promotion_rule': 'blank',
  })
  const short = errors.find((error) => error.meta.error === 'too_short')
  assert.equal(short.detail, 'code - is too short (minimum is 8 characters)')
  assert.deepEqual(short.meta, { error: 'too_short', count: 8 })
})

await check('what is missing is blank', async () => {
  const { errors } = await refused(cl.percentage_discount_promotions.create({ name: 'Bare' }), 'detail', 'source')
  assert.deepEqual(Object.fromEntries(errors.map((error) => [error.source.pointer, error.detail])), {
    '/data/attributes/starts_at': "starts_at - can't be blank",
    '/data/attributes/expires_at': "expires_at - can't be blank",
    '/data/attributes/percentage': "percentage - can't be blank",
  })
})

await check('a code is used once in its rule', async () => {
  const again = cl.coupons.create({ code: coupon.code.toLowerCase(), promotion_rule: rule })
  assert.deepEqual(await refused(again, 'detail', 'source', 'meta'), {
    status: 422,
    errors: [
      {
        detail: 'code - has already been taken',
        source: { pointer: '/data/attributes/code' },
        meta: { error: 'taken' },
      },
    ],
  })
})

await check('an unknown attribute is not allowed', async () => {
  assert.deepEqual(await refused(cl.coupons.update({ id: coupon.id, colour: 'red' }), 'code', 'detail', 'source'), {
    status: 400,
    errors: [
      { code: 'PARAM_NOT_ALLOWED', detail: 'colour is not allowed.', source: { pointer: '/data/attributes/colour' } },
    ],
  })
})

await check('a relationship takes what is there and of its type', async () => {
  const missing = cl.coupons.update({ id: coupon.id, promotion_rule: { ...rule, id: 'NoSuchRule' } })
  assert.deepEqual(await refused(missing, 'code', 'source'), {
    status: 404,
    errors: [{ code: 'RECORD_NOT_FOUND', source: { pointer: '/data/relationships/promotion_rule/data' } }],
  })
  const mistaken = cl.coupons.update({ id: coupon.id, promotion_rule: promotion })
  assert.deepEqual(await refused(mistaken, 'code', 'source'), {
    status: 409,
    errors: [{ code: 'TYPE_MISMATCH', source: { pointer: '/data/relationships/promotion_rule/data/type' } }],
  })
})

await check('what others depend on is locked', async () => {
  assert.deepEqual(await refused(cl.coupon_codes_promotion_rules.delete(rule.id), 'code', 'detail', 'status'), {
    status: 423,
    errors: [{ code: 'LOCKED', detail: 'The rule has coupons.', status: '423' }],
  })
})

await check('what the contract does not offer is not allowed', async () => {
  assert.deepEqual(await refused(cl.promotions.update({ id: promotion.id, reference: 'X' }), 'code'), {
    status: 405,
    errors: [{ code: 'METHOD_NOT_ALLOWED' }],
  })
})

await check('what cannot be included or shown is refused', async () => {
  assert.deepEqual(await refused(cl.coupons.retrieve(coupon.id, { include: ['event_stores'] }), 'code', 'source'), {
    status: 400,
    errors: [{ code: 'INVALID_INCLUDE', source: { parameter: 'include' } }],
  })
  assert.deepEqual(await refused(cl.coupons.retrieve(coupon.id, { fields: ['colour'] }), 'code', 'source'), {
    status: 400,
    errors: [{ code: 'INVALID_FIELD', source: { parameter: 'fields[coupons]' } }],
  })
})

await check('a refused write has written nothing', async () => {
  assert.deepEqual(await cl.coupons.retrieve(coupon.id), coupon)
  assert.equal(await cl.coupons.count({ promotion_rule_id_eq: rule.id }), 1)
})
