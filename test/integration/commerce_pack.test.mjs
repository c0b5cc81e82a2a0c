// The commerce pack end to end: what GA4, Klaviyo and Shopify say of two shops, as an extraction tool lands it in Postgres - sent again,
// out of order, deleted by tombstones, redacted in place, corrected for days. After each step every model equals what Postgres computes
// from the landing tables, by value; at the end every table and model equals its recompute.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { assert_accessible, assert_tiles, launch_browser, open_page, screenshot } from '../harness/browser.mjs';
import { assert_pack_equal, expected_models } from '../harness/pack.mjs';
import { binary, eventually, root, run } from '../harness/process.mjs';
import { webhook_receiver } from '../harness/webhook_receiver.mjs';
import { make_world } from '../harness/world.mjs';

const seed = process.env.TIDEMARK_SEED ?? '1';
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

// Who is in a segment, by Postgres: customers are those of test/sql/commerce_expected.sql, orders and checkouts all that ever landed.
const own = "(one.customer->>'id')::bigint = c.id";
const segments = {
  repeat_buyer: `SELECT id FROM c WHERE (SELECT count(DISTINCT one.id) FROM raw_shopify.orders AS one WHERE ${own} AND NOT test) >= 2`,
  vip_at_risk: `SELECT id FROM c WHERE total_spent >= 300 AND NOT EXISTS (SELECT FROM raw_shopify.orders AS one WHERE ${own} AND created_at > now() - interval '30 days' AND created_at <= now())`,
  abandoned_checkout: `SELECT id FROM c WHERE email <> '' AND EXISTS (SELECT FROM raw_shopify.abandoned_checkouts AS one WHERE ${own} AND created_at > now() - interval '3 days' AND created_at <= now() - interval '2 hours'
    AND NOT EXISTS (SELECT FROM raw_shopify.orders AS later WHERE later.customer->>'id' = one.customer->>'id' AND later.created_at > one.created_at AND later.created_at < one.created_at + interval '2 hours'))`,
};

test('every model says what it is and whose, and is audited', () => {
  const models = path.join(root, 'packs/commerce/models');
  const lacking = fs.readdirSync(models, { recursive: true }).filter((file) => file.endsWith('.sql')).filter((file) => {
    const header = fs.readFileSync(path.join(models, file), 'utf8').split(/^(?!--)/m)[0];
    return !/^-- kind: \w+$/m.test(header) || !/^-- description: \S.{15,}$/m.test(header) || !/^-- owner: (data|shop|email|acquisition)$/m.test(header) || !/^-- audit: \w+\(/m.test(header);
  });
  assert.deepEqual(lacking, []);
});

test(`commerce pack (seed ${seed})`, { timeout: 600_000 }, async (t) => {
  const world = await make_world(t, 'commerce-pack', { pack: 'commerce', database: 'landing' });
  const { postgres, project, database } = world;
  const sql = (text) => postgres.sql(database, text);
  const one = async (query) => (await project.clickhouse(query)).trim();
  const generate = async (...options) => {
    const result = await run(binary, ['generate', 'commerce', '--url', world.url, '--seed', seed, '--json', ...options]);
    assert.equal(result.code, 0, result.stderr);
    return JSON.parse(result.stdout);
  };
  const receiver = await webhook_receiver(t, secret);
  Object.assign(project.environment, { COMMERCE_WEBHOOK_URL: receiver.url, COMMERCE_WEBHOOK_SECRET: secret });
  const models = expected_models('commerce');
  const members = async (when) => {
    for (const [name, query] of Object.entries(segments))
      await eventually(`${when}: ${name}`, async (seen) => {
        const [rows] = await postgres.rows_of(database, models.shared, [query]);
        const wanted = rows.flat().sort();
        const found = (await one(`SELECT entity FROM cdp.segment_membership WHERE segment = '${name}' AND is_member = 1`)).split('\n').filter(Boolean).sort();
        seen(`${found.length} instead of ${wanted.length}: ${found.slice(0, 3)} and ${wanted.slice(0, 3)}`);
        return wanted.length > 0 && String(found) === String(wanted);
      }, { deadline_ms: 30_000, every_ms: 500 });
  };
  const equal = (phase) => assert_pack_equal(world, phase, [], models);

  await t.test('history', async () => {
    const { rows, orders, refunds, updates, deletes } = await generate('--rows', '5500', '--days', '40', '--deletes', '0.004');
    assert.ok(rows > 4500 && orders > 40 && refunds > 0 && updates > 50 && deletes > 5, `${rows} ${orders} ${refunds} ${updates} ${deletes}`);
    const checked = await project.run('check');
    assert.equal(checked.code, 0, checked.stdout + checked.stderr);
    await project.up({ deadline_ms: 300_000 });
    assert.ok((await equal('history')) > 8_000);
  });

  await t.test('the stream: more of it, sent again and redacted', async () => {
    await generate('--rows', '1500', '--days', '3', '--updates', '0.1', '--deletes', '0.02', '--transaction-rows', '200');
    // The generator's people buy too often to be lost: three who spent much have not ordered for a month.
    await sql(`INSERT INTO raw_shopify.customers SELECT (jsonb_populate_record(NULL::raw_shopify.customers, to_jsonb(newest) || jsonb_build_object('_airbyte_raw_id', md5(newest.id::text), '_airbyte_extracted_at', now(), 'updated_at', now(), 'total_spent', 300 + newest.id % 7))).*
      FROM (SELECT DISTINCT ON (id) * FROM raw_shopify.customers ORDER BY id, updated_at DESC NULLS LAST) AS newest
      WHERE deleted_at IS NULL AND NOT EXISTS (SELECT FROM raw_shopify.orders AS one WHERE (one.customer->>'id')::bigint = newest.id AND one.created_at > now() - interval '31 days') ORDER BY id LIMIT 3`);
    await equal('stream');
    await members('stream');
  });

  await t.test('what is special', async () => {
    // One that counts: what is done to an order that was deleted changes nothing.
    const newest = 'SELECT id FROM raw_shopify.orders GROUP BY id HAVING bool_and(deleted_at IS NULL AND NOT test) ORDER BY id DESC LIMIT 1';
    const again = (changes, where = `id = (${newest})`, table = 'raw_shopify.orders') => `
      INSERT INTO ${table} SELECT (jsonb_populate_record(NULL::${table}, to_jsonb(o) || jsonb_build_object('_airbyte_raw_id', md5(random()::text), '_airbyte_extracted_at', now()) || ${changes})).*
      FROM (SELECT * FROM ${table} WHERE ${where} ORDER BY _airbyte_extracted_at DESC LIMIT 1) AS o`;
    const steps = {
      'an old version that is extracted again changes nothing': again(`'{"updated_at": "2000-01-01T00:00:00Z", "total_price": 0}'`),
      'a newer version counts': again(`'{"updated_at": "2100-01-01T00:00:00Z", "total_price": 12345678901234.5678}'`),
      'an id above 2^53, and its neighbour': `${again(`'{"id": 9223372036854775806, "name": "one"}'`)}; ${again(`'{"id": 9223372036854775807, "name": "other"}'`)}`,
      // As numbers, not as texts: whoever reads them as floats is off.
      'an event and a profile of Klaviyo with 18 digits': `
        INSERT INTO raw_klaviyo.events SELECT (jsonb_populate_record(NULL::raw_klaviyo.events, to_jsonb(e) || '{"_airbyte_raw_id": "digits", "id": "digits"}' || jsonb_build_object('attributes', jsonb_set(e.attributes, '{event_properties}', e.attributes->'event_properties' || '{"$value": 12345678901234.5678, "$event_id": 9223372036854775806}')))).*
          FROM raw_klaviyo.events AS e JOIN raw_klaviyo.metrics AS m ON m.id = e.relationships->'metric'->'data'->>'id' WHERE m.attributes->>'name' = 'Placed Order' ORDER BY e.id LIMIT 1;
        INSERT INTO raw_klaviyo.profiles SELECT (jsonb_populate_record(NULL::raw_klaviyo.profiles, to_jsonb(p) || '{"_airbyte_raw_id": "digits", "id": "digits"}' || jsonb_build_object('attributes', jsonb_set(attributes, '{predictive_analytics}', '{"historic_clv": 98765432109876.5432, "predicted_clv": 0.1, "churn_probability": 0.123456789}')))).* FROM raw_klaviyo.profiles AS p ORDER BY _airbyte_raw_id LIMIT 1`,
      'a line goes, another price, a discount': again(`jsonb_build_object('updated_at', '2101-01-01T00:00:00Z', 'line_items', '[{"id": 1, "quantity": 3, "price": "0.29", "gift_card": false, "discount_allocations": [{"amount": "0.07"}], "tax_lines": [{"price": 0.05}]}, {"id": 9223372036854775807, "title": "a \\"12345678901234.5678\\", 1.5", "quantity": 70, "price": 12345678901234.5678, "gift_card": false, "discount_allocations": [{"amount": 12345678901234.5671}], "tax_lines": []}]'::jsonb)`),
      'a refund that is corrected': again(`jsonb_build_object('refund_line_items', '[{"id": 1, "line_item_id": 1, "quantity": 1, "subtotal": 0.29, "total_tax": "0.01"}]'::jsonb)`, 'true', 'raw_shopify.order_refunds'),
      'a refund that the tool takes away': `DELETE FROM raw_shopify.order_refunds WHERE id = (SELECT min(id) FROM raw_shopify.order_refunds)`,
      'an order without its lines': again(`'{"updated_at": "2102-01-01T00:00:00Z", "line_items": []}'`),
      'a tombstone': again(`'{"deleted_at": "2103-01-01T00:00:00Z"}'`),
      'a day of GA4 is extracted again': `INSERT INTO raw_ga4.website_overview SELECT md5(_airbyte_raw_id), now(), '{}', 2, property_id, date, "totalUsers" + 1, "newUsers", sessions * 2, 1.5, 'NaN', 7, 0.333333, 'NaN' FROM raw_ga4.website_overview WHERE date = (SELECT max(date) FROM raw_ga4.website_overview)`,
      'a day of the export is replaced': `DELETE FROM raw_ga4.events WHERE event_date = (SELECT min(event_date) FROM raw_ga4.events) AND event_timestamp % 3 = 0`,
      'a metric gets another name': `UPDATE raw_klaviyo.metrics SET attributes = jsonb_set(attributes, '{name}', '"Bought"') WHERE attributes->>'name' = 'Placed Order'`,
      'and its old one back': `UPDATE raw_klaviyo.metrics SET attributes = jsonb_set(attributes, '{name}', '"Placed Order"') WHERE attributes->>'name' = 'Bought'`,
      'a campaign with a second message': `UPDATE raw_klaviyo.campaigns SET relationships = jsonb_set(relationships, '{campaign-messages,data,1}', '{"id": "01KMESSAGE0005", "type": "campaign-message"}') WHERE id = '01KCAMPAIGN0001'`,
    };
    const compared = ['a line goes, another price, a discount', 'a metric gets another name', 'a campaign with a second message'];
    for (const [what, statement] of Object.entries(steps)) {
      await sql(statement);
      if (compared.includes(what)) await equal(what);
      if (what.startsWith('an id above'))
        await eventually('both orders are there', async () => (await one('SELECT groupArray(toString(id)) FROM (SELECT id FROM data_shopify.orders WHERE id >= 9223372036854775806 ORDER BY id)')) === "['9223372036854775806','9223372036854775807']");
    }
  });

  await t.test('the redacted are nowhere but in the orders they made', async () => {
    const [person, email, orders] = (await one(`SELECT o.customer_id, any(o.email), count() FROM data_shopify.orders AS o INNER JOIN data_shopify.customers AS c ON c.id = o.customer_id
      WHERE o.id < 9223372036854775806 GROUP BY o.customer_id HAVING count(o.email) > 0 AND count() > 1 ORDER BY o.customer_id LIMIT 1`)).split('\t');
    await sql(`DELETE FROM raw_shopify.customers WHERE id = ${person}; UPDATE raw_shopify.orders SET email = NULL WHERE (customer->>'id')::bigint = ${person}`);
    await eventually('the address is gone', async () => (await one(`SELECT (SELECT count() FROM data_shopify.orders WHERE email = '${email}') + (SELECT count() FROM data_shopify.customers WHERE id = ${person})`)) === '0');
    assert.equal(await one(`SELECT count() FROM data_shopify.orders WHERE customer_id = ${person}`), orders);
  });

  await t.test('the dashboards as a person sees them', async (t) => {
    const browser = await launch_browser(t);
    const page = await open_page(browser, `http://127.0.0.1:${project.http_port}/dashboards/acquisition`);
    await assert_tiles(page, 5);
    const visits = async () => Number(await page.locator('[data-step=visited]').first().getAttribute('data-value'));
    assert.ok((await visits()) > 0);
    const channels = page.getByTestId(/^tile-\d+$/).filter({ has: page.getByRole('heading', { name: 'Channels', exact: true }) });
    const channel = await channels.locator('[data-column=channel]').first().getAttribute('data-value');
    await channels.getByRole('button', { name: channel, exact: true }).click();
    await eventually('one channel', async () => (await channels.locator('tbody tr').count()) === 1);
    const sessions = Number(await channels.locator('[data-column=sessions]').getAttribute('data-value'));
    assert.equal(String(sessions), await one(`SELECT sum(day.sessions) FROM analytics_ga4.channel_groups AS day WHERE channel = '${channel}'`));
    await assert_accessible(page, 'acquisition');
    // An order that lands shows in its week, without a reload.
    await page.goto(`http://127.0.0.1:${project.http_port}/dashboards/shop`);
    await assert_tiles(page, 6);
    const week = page.getByTestId(/^tile-\d+$/).filter({ has: page.getByRole('heading', { name: 'Net sales of 7 days', exact: true }) });
    const orders = async () => (await week.locator('[data-column=orders]').evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.value)))).reduce((sum, value) => sum + value, 0);
    const before = await orders();
    const newest = await one('SELECT id FROM data_shopify.orders WHERE id < 9223372036854775806 ORDER BY created_at DESC, id LIMIT 1');
    await sql(`INSERT INTO raw_shopify.orders SELECT (jsonb_populate_record(NULL::raw_shopify.orders, to_jsonb(o) || jsonb_build_object('_airbyte_raw_id', md5(random()::text), '_airbyte_extracted_at', now(), 'updated_at', now(), 'id', 77))).*
      FROM (SELECT * FROM raw_shopify.orders WHERE id = ${newest} ORDER BY _airbyte_extracted_at DESC LIMIT 1) AS o`);
    await eventually('one more order', async (seen) => {
      seen(`${await orders()} after ${before}`);
      return (await orders()) === before + 1;
    }, { deadline_ms: 15_000 });
    await screenshot(page, 'commerce-acquisition-1440');
    for (const [dashboard, tiles] of [['shop', 6], ['email', 5], ['retention', 4], ['inventory', 3]]) {
      await page.goto(`http://127.0.0.1:${project.http_port}/dashboards/${dashboard}`);
      await assert_tiles(page, tiles);
      await assert_accessible(page, dashboard);
      await screenshot(page, `commerce-${dashboard}-1440`);
    }
    assert.deepEqual(page.problems, []);
  });

  await t.test('pages, endpoints, audits, verify', async () => {
    for (const [dashboard, tiles] of [['shop', 6], ['email', 5], ['acquisition', 5], ['retention', 4], ['inventory', 3]]) {
      const page = new AbortController();
      const live = await project.fetch(`/api/dashboards/${dashboard}/live`, { signal: page.signal });
      let text = '';
      for await (const piece of live.body) if ((text += Buffer.from(piece)).includes('event: refresh')) break;
      assert.doesNotMatch(text, /"tile":\d+,"error"[^\n]*/, text.slice(0, 2000));
      assert.equal(new Set(text.match(/"tile":\d+/g)).size, tiles, dashboard);
    }
    const [order, customer] = (await one('SELECT order_id, customer_id FROM analytics_shopify.order_values WHERE customer_id IS NOT NULL AND units > 0 ORDER BY order_id LIMIT 1')).split('\t');
    for (const path of [`order?order_id=${order}`, `customer?customer_id=${customer}`]) {
      const answer = await project.fetch(`/api/endpoints/${path}`);
      const body = await answer.text();
      assert.equal(answer.status, 200, `${path}: ${body}`);
      assert.ok(body.includes(order) || body.includes(customer), body);
    }
    // As the catalogue has them: columns are the server's.
    const { models: listed } = await (await project.fetch('/api/models')).json();
    const shown = listed.filter(({ file }) => file.startsWith('models/'));
    assert.equal(shown.length, models.models.length);
    assert.deepEqual(shown.filter(({ description, owner, columns, audits }) => !description || !owner || columns.length < 2 || audits.length === 0).map(({ model }) => model), []);
    const { data } = await project.json('audit');
    const failing = data.audits.filter((audit) => audit.failing !== 0);
    assert.deepEqual(failing.filter(({ audit }) => !audit.startsWith('relationships')).map(({ model, audit }) => `${model} ${audit}`), []);
    await project.assert_verified();
  });
});
