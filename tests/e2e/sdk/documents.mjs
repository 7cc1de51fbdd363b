/** One resource at a time: created, read whole and in part, changed, followed along its relationships, deleted. */

import assert from 'node:assert/strict'
import {
  check,
  connect,
  couponPromotion,
  DOMAIN,
  modular,
  ORGANIZATION,
  pluck,
  refused,
  RUN,
  throughProxy,
} from './client.mjs'

const cl = await connect()
const { promotion, rule } = await couponPromotion(cl, { metadata: { season: 'winter' } })
const code = `DOC-${RUN}`
let coupon

await check('a promotion comes back with everything its contract names', () => {
  assert.match(promotion.id, /^[A-Za-z]{10}$/)
  assert.match(promotion.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.deepEqual(promotion, {
    id: promotion.id,
    type: 'percentage_discount_promotions',
    name: `Promotion ${RUN}`,
    currency_code: null,
    exclusive: false,
    priority: null,
    starts_at: '2026-01-01T00:00:00.000Z',
    expires_at: '2999-01-01T00:00:00.000Z',
    total_usage_limit: null,
    total_usage_count: 0,
    total_usage_reached: false,
    active: true,
    status: 'active',
    weight: promotion.weight,
    coupons_count: 0,
    disabled_at: null,
    percentage: 10,
    // Ours, beyond the contract.
    release_on_cancel: true,
    description: null,
    note: null,
    exclusive_by_size: false,
    customer_usage_limit: null,
    discounts_per_redemption: null,
    restrictions: [],
    discount_context: 'items',
    created_at: promotion.created_at,
    updated_at: promotion.created_at,
    reference: null,
    reference_origin: null,
    metadata: { season: 'winter' },
  })
})

await check('a coupon is created with its rule and the recipient its address names', async () => {
  coupon = await cl.coupons.create(
    {
      code,
      usage_limit: 5,
      customer_single_use: true,
      recipient_email: `${RUN}@example.com`,
      expires_at: '2030-06-30T22:00:00.000Z',
      reference: 'R-1',
      reference_origin: 'E2E',
      metadata: { channel: 'mail', nested: { deep: [1, 2.5, null, 'é'] } },
      promotion_rule: rule,
    },
    { include: ['promotion_rule', 'coupon_recipient'] },
  )
  assert.match(coupon.id, /^[A-Za-z]{10}$/)
  assert.deepEqual(
    { ...coupon, coupon_recipient: coupon.coupon_recipient.email, promotion_rule: coupon.promotion_rule.id },
    {
      id: coupon.id,
      type: 'coupons',
      code,
      customer_single_use: true,
      usage_limit: 5,
      usage_count: 0,
      recipient_email: `${RUN}@example.com`,
      expires_at: '2030-06-30T22:00:00.000Z',
      // Ours, beyond the contract.
      applies_to_count: null,
      used_amount_cents: 0,
      balance_cents: null,
      created_at: coupon.created_at,
      updated_at: coupon.created_at,
      reference: 'R-1',
      reference_origin: 'E2E',
      metadata: { channel: 'mail', nested: { deep: [1, 2.5, null, 'é'] } },
      coupon_recipient: `${RUN}@example.com`,
      promotion_rule: rule.id,
    },
  )
})

await check('its self link is where the client would ask for it', async () => {
  const reader = cl.addRawResponseReader()
  await cl.coupons.retrieve(coupon.id)
  cl.removeRawResponseReader()
  assert.equal(reader.rawResponse.data.links.self, `https://${ORGANIZATION}.${DOMAIN}/api/coupons/${coupon.id}`)
  assert.equal(reader.rawResponse.data.meta.mode, 'test')
})

await check('includes go several relationships deep', async () => {
  const deep = await cl.coupons.retrieve(coupon.id, { include: ['promotion_rule.promotion', 'tags'] })
  assert.equal(deep.promotion_rule.type, 'coupon_codes_promotion_rules')
  assert.equal(deep.promotion_rule.promotion.type, 'percentage_discount_promotions')
  assert.equal(deep.promotion_rule.promotion.name, `Promotion ${RUN}`)
  assert.deepEqual(deep.tags, [])
  assert(!('coupon_recipient' in deep))
})

await check('sparse fields leave out everything else', async () => {
  assert.deepEqual(await cl.coupons.retrieve(coupon.id, { fields: ['code'] }), {
    id: coupon.id,
    type: 'coupons',
    code,
  })
  assert.deepEqual(
    await cl.coupons.retrieve(coupon.id, {
      include: ['promotion_rule'],
      fields: { coupons: ['usage_limit', 'promotion_rule'], coupon_codes_promotion_rules: ['reference'] },
    }),
    {
      id: coupon.id,
      type: 'coupons',
      usage_limit: 5,
      promotion_rule: { id: rule.id, type: 'coupon_codes_promotion_rules', reference: null },
    },
  )
})

await check('an update changes what it names and nothing else', async () => {
  const changed = await cl.coupons.update({ id: coupon.id, usage_limit: null, metadata: { only: true } })
  const { promotion_rule, coupon_recipient, ...before } = coupon
  assert.deepEqual(changed, {
    ...before,
    usage_limit: null,
    metadata: { only: true },
    updated_at: changed.updated_at,
  })
  assert(changed.updated_at > coupon.updated_at)
})

await check('relationships are read from both ends', async () => {
  assert.equal((await cl.coupons.promotion_rule(coupon.id)).id, rule.id)
  assert.equal((await cl.coupons.coupon_recipient(coupon)).email, `${RUN}@example.com`)
  assert.deepEqual(pluck(await cl.coupon_codes_promotion_rules.coupons(rule.id), 'code'), [code])
  assert.deepEqual(pluck(await cl.percentage_discount_promotions.coupons(promotion.id), 'code'), [code])
  const viaPromotion = await cl.percentage_discount_promotions.coupon_codes_promotion_rule(promotion.id)
  assert.equal(viaPromotion.id, rule.id)
})

await check('a to-one relationship is cleared and set again', async () => {
  const { coupon_recipient: recipient } = await cl.coupons.retrieve(coupon.id, { include: ['coupon_recipient'] })
  const cleared = await cl.coupons.update(
    { id: coupon.id, coupon_recipient: cl.coupon_recipients.relationship(null) },
    { include: ['coupon_recipient'] },
  )
  assert.equal(cleared.coupon_recipient, null)
  assert.equal(cleared.recipient_email, null)
  assert.equal(await cl.coupons.coupon_recipient(coupon.id), null)
  const set = await cl.coupons.update({ id: coupon.id, coupon_recipient: recipient })
  assert.equal(set.recipient_email, `${RUN}@example.com`)
})

await check('the resources that the SDK exports one by one work as well', async () => {
  modular.CommerceLayer({ accessToken: cl.currentAccessToken, fetch: throughProxy })
  assert.equal((await modular.coupons.retrieve(coupon.id)).code, code)
})

await check('what is deleted is gone', async () => {
  assert.equal(await cl.coupons.delete(coupon.id), undefined)
  assert.deepEqual(await refused(cl.coupons.retrieve(coupon.id), 'code', 'status'), {
    status: 404,
    errors: [{ code: 'RECORD_NOT_FOUND', status: '404' }],
  })
})

await check('the singletons tell organization and application', async () => {
  const organization = await cl.organization.retrieve({ fields: { organizations: ['slug', 'domain', 'coupons_min_code_length'] } })
  assert.deepEqual(organization, {
    id: organization.id,
    type: 'organizations',
    slug: ORGANIZATION,
    domain: `${ORGANIZATION}.${DOMAIN}`,
    coupons_min_code_length: 8,
  })
  const application = await cl.application.retrieve({ fields: { applications: ['kind'], addresses: ['name'] } })
  assert.deepEqual(application, { id: application.id, type: 'applications', kind: 'integration' })
})
