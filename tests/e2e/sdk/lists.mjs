/** Many resources: filtered, sorted, paged, counted, walked by key. */

import assert from 'node:assert/strict'
import { check, connect, couponPromotion, pluck, refused, RUN } from './client.mjs'

const cl = await connect()
const { promotion, rule } = await couponPromotion(cl)
const numbers = Array.from({ length: 27 }, (_, index) => String(index + 1).padStart(2, '0'))
const code = (number) => `LIST-${RUN}-${number}`
const coupons = []
for (const number of numbers) {
  coupons.push(
    await cl.coupons.create({
      code: code(number),
      promotion_rule: rule,
      usage_limit: Number(number) % 3 || null,
      expires_at: Number(number) > 20 ? '2031-01-01T00:00:00.000Z' : null,
      reference: number === '07' ? `a&b=c d+é/${RUN}` : null,
      metadata: { lot: Number(number) > 13 ? 'second' : 'first', number: Number(number) },
    }),
  )
}

const ends = (list) => pluck(list, 'code').map((each) => each.slice(-2))
const found = async (filters) =>
  ends(await cl.coupons.list({ filters: { promotion_rule_id_eq: rule.id, ...filters }, sort: ['code'], pageSize: 25 }))

await check('a page tells where it stands', async () => {
  const page = await cl.coupons.list({
    filters: { code_start: `LIST-${RUN}` },
    sort: { code: 'desc' },
    pageNumber: 2,
    pageSize: 5,
  })
  assert.deepEqual(pluck(page, 'code'), ['22', '21', '20', '19', '18'].map(code))
  assert.deepEqual(page.meta, { pageCount: 6, recordCount: 27, currentPage: 2, recordsPerPage: 5 })
  assert.equal(page.hasNextPage(), true)
  assert.equal(page.hasPrevPage(), true)
})

await check('a page has ten unless asked otherwise, and the last what is left', async () => {
  const filters = { promotion_rule_id_eq: rule.id }
  const first = await cl.coupons.list({ filters })
  assert.equal(first.length, 10)
  assert.equal(first.pageCount, 3)
  const last = await cl.coupons.list({ filters, pageNumber: 2, pageSize: 25 })
  assert.equal(last.length, 2)
  assert.equal(last.hasNextPage(), false)
})

await check('resources are counted', async () => {
  assert.equal(await cl.coupons.count({ promotion_rule_id_eq: rule.id }), 27)
  assert.equal(await cl.coupons.count({ code_eq: `NONE-${RUN}` }), 0)
})

await check('text is found exactly, by its parts and in lists', async () => {
  assert.deepEqual(await found({ code_eq: code('03').toLowerCase() }), ['03'])
  assert.deepEqual(await found({ code_i_cont: `${RUN.toLowerCase()}-1` }), numbers.slice(9, 19))
  assert.deepEqual(await found({ code_end: '-27' }), ['27'])
  assert.deepEqual(await found({ code_in: [code('05'), code('02')] }), ['02', '05'])
  assert.deepEqual(await found({ code_not_in: numbers.slice(2).map(code).join(',') }), ['01', '02'])
  assert.deepEqual(await found({ code_end_any: ['-08', '-09'] }), ['08', '09'])
  assert.deepEqual(await found({ reference_or_code_end: '-11' }), ['11'])
  assert.deepEqual(await found({ reference_eq: `a&b=c d+é/${RUN}` }), ['07'])
})

await check('numbers, instants, nothing at all and JSON are found', async () => {
  assert.deepEqual(await found({ usage_limit_gteq: 2, id_not_eq: coupons[1].id }), '05 08 11 14 17 20 23 26'.split(' '))
  assert.deepEqual(await found({ usage_limit_null: true }), '03 06 09 12 15 18 21 24 27'.split(' '))
  assert.deepEqual(await found({ expires_at_gt: '2030-12-31T23:59:59Z', usage_limit_eq: 1 }), ['22', '25'])
  assert.deepEqual(await found({ expires_at_not_null: true, usage_limit_not_null: true }), '22 23 25 26'.split(' '))
  assert.deepEqual(await found({ metadata_jcont: { lot: 'first', number: 4 } }), ['04'])
})

await check('resources are found by what they are related to', async () => {
  assert.equal(await cl.coupons.count({ promotion_rule_promotion_id_in: [promotion.id, rule.id] }), 27)
  const rules = await cl.coupon_codes_promotion_rules.list({ filters: { coupons_code_eq: code('13') } })
  assert.deepEqual(pluck(rules, 'id'), [rule.id])
  const promotions = await cl.promotions.list({
    filters: { coupon_codes_promotion_rule_coupons_code_i_cont: code('13'), promotion_rules_type_eq: 'CouponCodesPromotionRule' },
  })
  assert.deepEqual(pluck(promotions, 'id'), [promotion.id])
})

await check('sorting goes by several attributes, with nothing at one end', async () => {
  const sorted = await cl.coupons.list({
    filters: { promotion_rule_id_eq: rule.id, code_lteq: code('06') },
    sort: ['-usage_limit', 'code'],
  })
  assert.deepEqual(ends(sorted), ['03', '06', '02', '05', '01', '04'])
})

await check('walking by key meets every resource once', async () => {
  const walked = []
  for (let last; ; last = walked.at(-1)) {
    const filters = { promotion_rule_id_eq: rule.id, ...(last ? { id_gt: last } : {}) }
    const page = await cl.coupons.list({ filters, sort: { id: 'asc' }, pageSize: 10, fields: ['id'] })
    walked.push(...pluck(page, 'id'))
    if (page.recordCount <= page.length) break
  }
  assert.deepEqual(walked, pluck(coupons, 'id'))
})

await check('a related list takes the same parameters', async () => {
  const related = await cl.coupon_codes_promotion_rules.coupons(rule.id, {
    filters: { usage_limit_eq: 2 },
    sort: ['-code'],
    fields: { coupons: ['code'] },
    pageSize: 3,
    pageNumber: 2,
  })
  assert.deepEqual(ends(related), ['17', '14', '11'])
  assert.deepEqual(related.meta, { pageCount: 3, recordCount: 9, currentPage: 2, recordsPerPage: 3 })
})

await check('a list carries what it includes, each resource its own', async () => {
  const list = await cl.coupons.list({
    filters: { code_in: [code('01'), code('02')] },
    include: ['promotion_rule.promotion', 'coupon_recipient'],
    fields: { coupons: ['code', 'promotion_rule', 'coupon_recipient'], percentage_discount_promotions: ['percentage'] },
    sort: ['code'],
  })
  assert.deepEqual(Array.from(list, (coupon) => coupon.promotion_rule.promotion.percentage), [10, 10])
  assert.deepEqual(pluck(list, 'coupon_recipient'), [null, null])
})

await check('what cannot be searched, sorted or paged is refused by name', async () => {
  const sources = (call) => refused(call, 'code', 'source')
  assert.deepEqual(await sources(cl.coupons.list({ filters: { colour_eq: 'red' } })), {
    status: 400,
    errors: [{ code: 'FILTER_NOT_ALLOWED', source: { parameter: 'filter[q][colour_eq]' } }],
  })
  assert.deepEqual(await sources(cl.coupons.list({ sort: ['colour'] })), {
    status: 400,
    errors: [{ code: 'INVALID_SORT_CRITERIA', source: { parameter: 'sort' } }],
  })
  assert.deepEqual(await sources(cl.coupons.list({ pageSize: 26 })), {
    status: 400,
    errors: [{ code: 'INVALID_PAGE_VALUE', source: { parameter: 'page[size]' } }],
  })
})
