// What Shopify, Klaviyo and senders of GA4's Measurement Protocol call, over the commerce pack: signatures, deliveries that come again,
// out of order and while the program is killed, redactions. What they say is also written into a second database, as an extraction tool
// would have landed it, and Postgres computes from that one what every model must show.
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import test from 'node:test';
import { assert_pack_equal, expected_models } from '../harness/pack.mjs';
import { binary, eventually, run } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const seed = Number(process.env.TIDEMARK_SEED ?? 1);
const secrets = { SHOPIFY_WEBHOOK_SECRET: 'hush-shopify', KLAVIYO_WEBHOOK_SECRET: 'hush-klaviyo', GA4_API_SECRET: 'hush-of-ga4' };

test(`webhooks (seed ${seed})`, { timeout: 600_000 }, async (t) => {
  const random = random_numbers(seed);
  const world = await make_world(t, 'webhooks', { pack: 'commerce', database: 'landing' });
  const { postgres, project, database } = world;
  Object.assign(project.environment, secrets);
  project.write('sources/shopify.yaml', 'source: shopify\nwebhook:\n  from: shopify\n  secrets: ["${env:SHOPIFY_WEBHOOK_SECRET}", { name: before, key: last-years-secret }]\n');
  // The models that read what is called, and one over them: the rest of the pack reads these, and is commerce_pack.test.mjs's affair.
  const needed = /^(staging|data_shopify)[/.]|^data_klaviyo[/.](events|metrics)|^data_ga4[/.]events|^analytics_shopify[/.]order_values/;
  for (const file of fs.readdirSync(`${project.directory}/models`, { recursive: true }).filter((name) => name.endsWith('.sql') && !needed.test(name))) fs.rmSync(`${project.directory}/models/${file}`);
  for (const folder of ['segments', 'dashboards', 'endpoints', 'destinations', 'roles']) fs.rmSync(`${project.directory}/${folder}`, { recursive: true, force: true });
  const generated = await run(binary, ['generate', 'commerce', '--url', world.url, '--seed', String(seed), '--rows', '1500', '--days', '20']);
  assert.equal(generated.code, 0, generated.stderr);
  await postgres.sql('postgres', `CREATE DATABASE truth TEMPLATE ${database}`);
  const truth = (text) => postgres.sql('truth', text);
  // Ids are larger than JavaScript's numbers: they are texts here that write() makes numbers of again.
  const rows = async (query) => JSON.parse((await truth(`SELECT coalesce(json_agg(one), '[]') FROM (${query}) AS one`)).replace(/([:,[] ?)(\d{16,})(?=[,}\] ]|$)/gm, '$1"whole:$2"'));
  const write = (document) => JSON.stringify(document).replace(/"whole:([\d.]+)"/g, '$1');
  const digits = (id) => String(id).replace('whole:', '');
  const one = async (query) => (await project.clickhouse(query)).trim();
  const source_status = async (name) => (await project.status()).sources.find(({ source }) => source === name);
  await project.up({ deadline_ms: 300_000 });

  const post = async (path, body, headers) => {
    const answer = await project.fetch(path, { method: 'POST', body, headers });
    return { status: answer.status, text: await answer.text() };
  };
  const signed = (body, secret = secrets.SHOPIFY_WEBHOOK_SECRET) => createHmac('sha256', secret).update(body).digest('base64');
  let moment = Date.now();
  // A delivery as Shopify makes it. `shop` and the moment are what it is about; ids can be given to send one again.
  const delivery = (topic, document, { shop, at = new Date((moment += 7)).toISOString(), id = randomUUID(), event = randomUUID() } = {}) => {
    const body = write(document);
    return { topic, document, shop, at, body, headers: { 'Content-Type': 'application/json', 'X-Shopify-Topic': topic, 'X-Shopify-Hmac-Sha256': signed(body), 'X-Shopify-Shop-Domain': shop, 'X-Shopify-API-Version': '2026-10', 'X-Shopify-Webhook-Id': id, 'X-Shopify-Event-Id': event, 'X-Shopify-Triggered-At': at } };
  };
  const send = async ({ body, headers }) => post('/webhooks/shopify', body, headers);
  const taken = async (what) => {
    const { status, text } = await send(what);
    assert.equal(status, 200, text);
  };
  // The same, as a tool that extracts would have landed it.
  const text = (value) => `'${write(value).replaceAll("'", "''")}'::jsonb`;
  const landed = (table, { document, shop, at }, more = {}) => `INSERT INTO ${table} SELECT (jsonb_populate_record(NULL::${table}, ${text({ ...document, shop_url: shop, _airbyte_raw_id: randomUUID(), _airbyte_extracted_at: at, _airbyte_meta: {}, _airbyte_generation_id: 1, ...more })})).*;\n`;
  const caught_up = () => eventually('everything that was called is in', async (seen) => {
    const sources = (await project.status()).sources.filter(({ intake }) => intake);
    seen(JSON.stringify(sources));
    return sources.length === 3 && sources.every(({ state, lag_ms, ladder }) => state === 'streaming' && lag_ms === 0 && ladder.fenced === ladder.server);
  });
  const models = expected_models('commerce');
  // What comes from calls has other raw ids: staging is compared by what is made of it.
  models.models = models.models.filter(({ model }) => !model.startsWith('staging.') && needed.test(model));
  const equal = async (phase) => {
    await caught_up();
    await project.caught_up(postgres);
    return assert_pack_equal({ postgres, project: Object.assign(Object.create(project), { caught_up: async () => {} }), database: 'truth' }, phase, [], models);
  };
  const newest = (table, more = '') => rows(`SELECT DISTINCT ON (id) * FROM ${table} WHERE id IS NOT NULL ${more} ORDER BY id, _airbyte_extracted_at DESC`);
  const bare = ({ _airbyte_raw_id, _airbyte_extracted_at, _airbyte_meta, _airbyte_generation_id, shop_url, deleted_message, deleted_description, ...document }) => document;
  const later = () => new Date((moment += 1000)).toISOString();

  await t.test('who does not sign is not heard', async () => {
    const good = delivery('orders/create', { id: 1 }, { shop: 'x.myshopify.com' });
    for (const [headers, body] of [[{ ...good.headers, 'X-Shopify-Hmac-Sha256': signed(good.body, 'hush-shopifz') }, good.body], [good.headers, `${good.body} `], [{ 'X-Shopify-Topic': 'orders/create' }, good.body]])
      assert.equal((await post('/webhooks/shopify', body, headers)).status, 401);
    assert.equal((await post('/webhooks/klaviyo', good.body, good.headers)).status, 401);
    assert.equal((await post('/mp/collect?measurement_id=G-1&api_secret=wrong', '{}', {})).status, 401);
    assert.equal((await post('/webhooks/nobody', good.body, good.headers)).status, 404);
    assert.deepEqual((await source_status('shopify')).intake.rejected, { bad_signature: 2, no_signature: 1 });
    assert.match(await (await project.fetch('/metrics')).text(), /tidemark_intake_rejected_total\{source="shopify",reason="bad_signature"\} 2\n/);
    assert.equal(await one('SELECT count() FROM bronze.shopify_webhooks'), '0');
  });

  await t.test('orders, refunds, customers and checkouts, out of order and again', async () => {
    const orders = (await newest('raw_shopify.orders', 'AND deleted_at IS NULL')).filter(({ line_items, updated_at }) => line_items && updated_at);
    assert.ok(orders.length > 8);
    const [kept, deleted, ...changed] = orders.slice(0, 22);
    const deliveries = [];
    let sql = '';
    const add = (table, what, more) => {
      deliveries.push(what);
      sql += landed(table, what, more);
    };
    for (const order of changed) {
      const shop = order.shop_url, document = bare(order);
      const first = { ...document, updated_at: later(), total_price: 'whole:12345678901234.5678', tags: 'it’s, "new"', note_attributes: [{ name: 'gift', value: 'yes' }],
        fulfillments: [{ id: order.id, status: 'success', service: 'manual', tracking_number: '1Z', created_at: order.created_at, line_items: [{ id: 5, sku: 'A', quantity: 2 }] }] };
      const second = { ...first, updated_at: later(), financial_status: 'refunded', email: `New.${order.id}@Example.com` };
      add('raw_shopify.orders', delivery('orders/updated', first, { shop }));
      add('raw_shopify.orders', delivery('orders/paid', second, { shop }));
    }
    const id = '9223372036854775806';
    const large = { ...bare(kept), updated_at: later() };
    for (const neighbour of [id, '9223372036854775807'])
      add('raw_shopify.orders', delivery('orders/create', { ...large, id: `whole:${neighbour}` }, { shop: kept.shop_url }));
    add('raw_shopify.orders', delivery('orders/delete', { id: deleted.id }, { shop: deleted.shop_url }), { deleted_at: new Date(moment).toISOString() });
    for (const refund of (await newest('raw_shopify.order_refunds')).slice(0, 5))
      add('raw_shopify.order_refunds', delivery('refunds/create', { ...bare(refund), id: `whole:${BigInt(digits(refund.id)) + 1_000_000n}` }, { shop: refund.shop_url }));
    for (const customer of (await newest('raw_shopify.customers', 'AND deleted_at IS NULL')).slice(0, 10))
      add('raw_shopify.customers', delivery('customers/update', { ...bare(customer), updated_at: later(), total_spent: '999.99', first_name: 'Renée' }, { shop: customer.shop_url }));
    for (const checkout of (await newest('raw_shopify.abandoned_checkouts')).slice(0, 8))
      add('raw_shopify.abandoned_checkouts', delivery('checkouts/update', { ...bare(checkout), updated_at: later(), completed_at: later() }, { shop: checkout.shop_url }));

    const mixed = deliveries.map((what) => [random(), what]).sort(([a], [b]) => a - b).map(([, what]) => what);
    for (const [index, what] of mixed.entries()) {
      await taken(what);
      if (index % 3 === 0) await taken(what);                                                                                                 // sent again
      if (index % 4 === 0) await taken({ ...what, headers: { ...what.headers, 'X-Shopify-Webhook-Id': randomUUID() } });                      // by another subscription
      if (index % 5 === 0) await taken({ ...what, headers: { ...what.headers, 'X-Shopify-Hmac-Sha256': signed(what.body, 'last-years-secret') } });
    }
    await truth(sql);
    assert.ok((await equal('calls')) > 1000);
    assert.equal(await one('SELECT count() FROM bronze.shopify_webhooks'), String(deliveries.length));
    const { intake } = await source_status('shopify');
    const again = (n) => Math.ceil(mixed.length / n);
    assert.equal(intake.duplicates, again(3) + again(4) + again(5));
    assert.equal(intake.keys.find(({ name }) => name === 'before').accepted, again(5));
    assert.equal(await one(`SELECT groupArray(toString(id)) FROM (SELECT id FROM data_shopify.orders WHERE id >= ${id} ORDER BY id)`), `['${id}','9223372036854775807']`);
  });

  await t.test('Klaviyo and the Measurement Protocol', async () => {
    const [event] = await newest('raw_klaviyo.events');
    const item = (n) => ({ external_id: `01HOOK${n}`, topic: 'event:klaviyo.opened_email', payload: { data: { type: 'event', id: `01HOOK${n}`, attributes: { ...event.attributes, datetime: '2026-11-20T10:00:00+00:00', event_properties: { ...event.attributes.event_properties, $value: `whole:1234567890123${n}.5678`, $event_id: `whole:922337203685477580${n}` } }, relationships: event.relationships } } });
    const body = write({ data: [item(1), item(2), { topic: 'x' }], meta: { klaviyo_account_id: 'ACC' } });
    const at = new Date().toISOString();
    const headers = { 'Klaviyo-Webhook-Id': 'w', 'Klaviyo-Timestamp': at, 'Klaviyo-Signature': createHmac('sha256', secrets.KLAVIYO_WEBHOOK_SECRET).update(body + at).digest('hex') };
    for (let times = 0; times < 2; ++times) {
      const answer = await post('/webhooks/klaviyo', body, headers);
      assert.deepEqual([answer.status, JSON.parse(answer.text).taken, JSON.parse(answer.text).quarantined.length], [200, 2, 1], answer.text);
    }
    let sql = '';
    for (const n of [1, 2]) sql += landed('raw_klaviyo.events', { document: { ...item(n).payload.data, datetime: '2026-11-20T10:00:00+00:00' }, at });

    const hit = { client_id: 'client.1', user_id: 'u1', timestamp_micros: '1795000000000001', events: [{ name: 'page_view', params: { ga_session_id: 77, session_engaged: '1', engagement_time_msec: 250, page_location: 'https://shop/ä"b' } }, { name: 'purchase', params: { ga_session_id: 77, page_location: 'https://shop/ä"b', transaction_id: 'T1', value: 12.5, currency: 'EUR' } }, { name: '1bad' }] };
    const collect = (path, what) => post(`${path}?measurement_id=G-1&api_secret=${secrets.GA4_API_SECRET}`, JSON.stringify(what), {});
    const validated = JSON.parse((await collect('/debug/mp/collect', hit)).text).validationMessages;
    assert.deepEqual(validated.map(({ fieldPath, validationCode }) => [fieldPath, validationCode]), [['events[2]', 'VALUE_INVALID']]);
    for (let times = 0; times < 2; ++times) assert.deepEqual(await collect('/mp/collect', hit), { status: 204, text: '' });
    const params = { ga_session_id: { int_value: 77 }, session_engaged: { string_value: '1' }, engagement_time_msec: { int_value: 250 }, page_location: { string_value: 'https://shop/ä"b' }, transaction_id: { string_value: 'T1' }, value: { double_value: 12.5 }, currency: { string_value: 'EUR' } };
    for (const { name, params: given } of hit.events.slice(0, 2))
      sql += landed('raw_ga4.events', { at, document: { event_date: '20261118', event_timestamp: 1795000000000001, event_name: name, user_id: 'u1', user_pseudo_id: 'client.1', stream_id: 'G-1', event_params: Object.keys(given).map((key) => ({ key, value: params[key] })), device: { category: '' }, geo: { country: '' }, collected_traffic_source: {},
        ecommerce: name === 'purchase' ? { transaction_id: 'T1', purchase_revenue: 12.5 } : {} } });
    await truth(sql.replaceAll('"20261118"', `"${(await truth("SELECT to_char(to_timestamp(1795000000), 'YYYYMMDD')"))}"`));
    await equal('Klaviyo and GA4');
    assert.equal(await one('SELECT count() FROM bronze.klaviyo_webhooks'), '2');
    assert.equal(await one('SELECT count() FROM bronze.ga4_collected'), '2');
    assert.equal((await project.clickhouse("SELECT count() FROM tidemark.quarantine FINAL WHERE source IN ('klaviyo', 'ga4')", { account: 'tidemark' })).trim(), '4');
  });

  await t.test('kill -9 in the middle of a burst', async () => {
    const [order] = await newest('raw_shopify.orders', 'AND deleted_at IS NULL AND NOT test AND line_items IS NOT NULL');
    const burst = Array.from({ length: 600 }, (_, n) => delivery('orders/create', { ...bare(order), id: 7_000_000_000_000 + n, name: `#${n}`, updated_at: later(), customer: null }, { shop: order.shop_url }));
    const waiting = [...burst];
    let answered = 0;
    const sender = async () => {
      for (let what = waiting.shift(); what; what = waiting.shift()) {
        const answer = await send(what).catch(() => null);
        if (answer?.status === 200) ++answered;
        else {
          waiting.push(what);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const senders = Array.from({ length: 16 }, sender);
    await eventually('some are answered', () => answered > 150);
    process.kill(project.up_child.pid, 'SIGKILL');
    await project.up_child.ended;
    await project.up({ deadline_ms: 300_000 });
    await Promise.all(senders);
    await truth(burst.map((what) => landed('raw_shopify.orders', what)).join(''));
    await equal('after the kill');
    assert.equal(await one("SELECT count() FROM bronze.shopify_webhooks WHERE JSONExtractInt(properties, 'id') BETWEEN 7000000000000 AND 7000000000599"), '600');
  });

  await t.test('redactions', async () => {
    // Somebody who is known by calls and files only: what a tool landed is the source's to delete.
    const [shopper] = await rows("SELECT shop_url AS shop, line_items FROM raw_shopify.orders WHERE deleted_at IS NULL AND NOT test AND jsonb_array_length(line_items) > 1 ORDER BY id LIMIT 1");
    const shop = shopper.shop, id = 8_000_000_000_001;
    const traces = ['Quinlan', 'Zebulon', 'quinlan@forget.example', '+4930555777', 'Vergissweg 9', 'bring it to the yellow door', 'to Quinlan'];
    const address = { first_name: 'Quinlan', last_name: 'Zebulon', address1: 'Vergissweg 9', phone: '+4930555777', city: 'Berlin' };
    const customer = { id, email: 'Quinlan@forget.example', first_name: 'Quinlan', last_name: 'Zebulon', phone: '+4930555777', created_at: later(), updated_at: later(), currency: 'EUR', total_spent: '40.00', orders_count: 2, accepts_marketing: false, email_marketing_consent: { state: 'not_subscribed' }, addresses: [{ id: 5, ...address, country: 'Germany', default: true }], default_address: address };
    const order = (number, created_at = later()) => ({ id: id + number, name: `#Q${number}`, email: customer.email, phone: customer.phone, contact_email: customer.email, customer, created_at, processed_at: created_at, updated_at: later(), currency: 'EUR', financial_status: 'paid', test: false, total_price: 'whole:12345678901234.5678',
      subtotal_price: '40.00', total_tax: '0', total_discounts: '0', total_line_items_price: '40.00', note: 'bring it to the yellow door', note_attributes: [{ name: 'gift', value: 'to Quinlan' }], billing_address: address, shipping_address: address,
      line_items: [{ id: 10 * id + number, quantity: 2, price: '20.00', title: 'cup', sku: 'C', gift_card: false, discount_allocations: [], tax_lines: [], properties: [{ name: 'engraving', value: 'to Quinlan' }] }],
      fulfillments: [{ id: id + number, status: 'success', service: 'manual', created_at: later(), destination: address, line_items: [{ id: 10 * id + number, sku: 'C', quantity: 2 }] }] });
    const first = order(1), calls = [
      ['raw_shopify.customers', delivery('customers/update', customer, { shop })],
      ['raw_shopify.orders', delivery('orders/create', first, { shop })],
      ['raw_shopify.orders', delivery('orders/paid', { ...first, updated_at: later(), tags: 'paid' }, { shop })],
      ['raw_shopify.orders', delivery('orders/create', order(2), { shop })],
      ['raw_shopify.abandoned_checkouts', delivery('checkouts/create', { id: id + 3, token: 't', cart_token: 'c', email: customer.email, customer, created_at: later(), updated_at: later(), currency: 'EUR', total_price: '20.00', line_items: [], shipping_address: address }, { shop })],
    ];
    for (const [, what] of calls) await taken(what);
    await taken(delivery('draft_orders/create', { id: 1, email: customer.email, customer }, { shop }));
    const filed = delivery('orders/create', order(4), { shop });
    await project.clickhouse(`INSERT INTO files.documents (document_id, system, stream, shop, document, extracted_at) VALUES ('q4', 'shopify', 'orders/create', '${shop}', '${filed.body.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}', parseDateTime64BestEffort('${filed.at}', 6, 'UTC'))`, { account: 'admin' });
    await truth([...calls, ['raw_shopify.orders', filed]].map(([table, what]) => landed(table, what)).join(''));
    await equal('before they are forgotten');
    // Every table that has one of the texts in a column of texts, however deep.
    const found_in = async () => {
      const columns = (await project.clickhouse("SELECT database, table, groupArray(name) FROM system.columns WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') AND (database, table) IN (SELECT database, name FROM system.tables WHERE engine LIKE '%MergeTree') AND match(type, 'String') AND NOT startsWith(type, 'AggregateFunction') GROUP BY ALL", { account: 'admin' })).trim().split('\n').map((line) => line.split('\t'));
      const asked = columns.map(([database_, table, names]) => `SELECT '${database_}.${table}' AS one FROM \`${database_}\`.\`${table}\` WHERE ${JSON.parse(names.replaceAll("'", '"')).map((name) => `multiSearchAnyCaseInsensitiveUTF8(ifNull(toString(\`${name}\`), ''), [${traces.map((text) => `'${text}'`)}])`).join(' OR ')}`);
      return (await project.clickhouse(`SELECT DISTINCT one FROM (${asked.join(' UNION ALL ')}) ORDER BY one`, { account: 'admin' })).trim().split('\n').filter(Boolean);
    };
    const before = await found_in();
    for (const table of ['bronze.shopify_webhooks', 'bronze.files_documents', 'files.documents']) assert.ok(before.includes(table), String(before));
    assert.ok(before.some((name) => name.startsWith('staging.shopify_orders')) && before.some((name) => name.startsWith('data_shopify.customers')), String(before));

    const who = { shop_id: 1, shop_domain: shop, customer: { id, email: customer.email, phone: customer.phone } };
    moment = Date.now() + 3_600_000;
    await taken(delivery('customers/data_request', { ...who, orders_requested: [1, 2], data_request: { id: 9 } }, { shop }));
    await taken(delivery('customers/redact', { ...who, orders_to_redact: [id + 1, id + 2] }, { shop }));
    await truth(`DELETE FROM raw_shopify.customers WHERE id = ${id}; UPDATE raw_shopify.orders SET email = NULL, note_attributes = '[]' WHERE (customer->>'id')::bigint = ${id}; UPDATE raw_shopify.abandoned_checkouts SET email = NULL WHERE (customer->>'id')::bigint = ${id}`);
    const receipts = async () => (await project.run('profile', 'receipts')).stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
    const done = (count) => eventually(`${count} redactions are done`, async (seen) => {
      const all = await receipts();
      seen(JSON.stringify(all) + project.log_tail());
      return all.length >= count && all.every(({ stage }) => stage === 'done') ? all : null;
    }, { deadline_ms: 180_000, every_ms: 500 });
    const written = await done(2);
    assert.deepEqual(written.map(({ redaction, rows: counted }) => [redaction, counted]).sort(), [['files', { 'bronze.files_documents': 1 }], ['shopify_webhooks', { 'bronze.shopify_webhooks': calls.length + 3 }]]);
    // What the first one saw, the second has rewritten.
    assert.deepEqual(written.at(-1).left, {});
    assert.deepEqual(await found_in(), []);
    await equal('a customer is redacted');
    assert.equal(await one('SELECT customer_id, order_ids, request_id FROM staging.shopify_data_requests'), `${id}\t[1,2]\t9`);
    assert.equal(await one(`SELECT count(), sum(total_price) = 3 * 12345678901234.5678 FROM data_shopify.orders WHERE customer_id = ${id}`), '3\t1');
    // Sent again afterwards, about an order from before.
    const late = delivery('orders/updated', { ...first, updated_at: later(), tags: 'late' }, { shop });
    await taken(late);
    await truth(landed('raw_shopify.orders', { ...late, document: { ...late.document, email: null, note_attributes: [] } }));

    const shops = await rows('SELECT DISTINCT shop_url AS shop FROM raw_shopify.orders ORDER BY 1');
    assert.equal(shops.length, 2);
    const gone = shops.find((other) => other.shop !== shop).shop;
    await taken(delivery('shop/redact', { shop_id: 2, shop_domain: gone }, { shop: gone }));
    await truth(['orders', 'order_refunds', 'customers', 'abandoned_checkouts', 'transactions', 'price_rules', 'discount_codes', 'countries', 'shop', 'customer_journey_summary', 'order_agreements'].map((table) => `DELETE FROM raw_shopify.${table} WHERE shop_url = '${gone}'`).join(';'));
    await equal('a shop is redacted');
    assert.equal(await one(`SELECT count() FROM data_shopify.orders WHERE shop = '${gone}'`), '0');
    await done(3);
    await eventually('nothing is left of the shop and of what came late', async (seen) => {
      const left = await one(`SELECT count() FROM bronze.shopify_webhooks__current WHERE group_id = '${gone}' AND properties != '{}' AND event NOT LIKE '%/redact'`), texts = await found_in();
      seen(`${left} ${texts}`);
      return left === '0' && texts.length === 0;
    }, { deadline_ms: 180_000, every_ms: 500 });
    await equal('and every number is as before');
    await project.assert_verified();
  });
});
