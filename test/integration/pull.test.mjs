// Sources that ask Shopify, Klaviyo and GA4 by themselves, over the commerce pack: what there is (a bulk operation, pages), what changes
// later, limits, errors, lists that are longer than a page, files that are gone, a kill in the middle. The tables are compared by value with
// what the servers hold, computed here from their objects and not by the models.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { ga4_api, klaviyo_api, list, shopify_api } from '../harness/commerce_apis.mjs';
import { eventually, root } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const seed = Number(process.env.TIDEMARK_SEED ?? 1);
const secrets = { SHOPIFY_ADMIN_TOKEN: 'shpat_0123456789abcdef', KLAVIYO_PRIVATE_KEY: 'pk_0123456789abcdef' };
const shop = 'hazards.myshopify.com';

const gid = (type, id) => `gid://shopify/${type}/${id}`;
const number = (id) => id.slice(id.lastIndexOf('/') + 1);
const money = (amount) => ({ __typename: 'MoneyBag', shopMoney: { __typename: 'MoneyV2', amount, currencyCode: 'EUR' } });
const cents = (value) => `${value < 0 ? '-' : ''}${Math.trunc(Math.abs(value) / 100)}.${String(Math.abs(value) % 100).padStart(2, '0')}`;

// A shop in the form of the Admin API.
function make_shop(random, now) {
  const pick = (count) => Math.floor(random() * count);
  let id = 9007199254740993n;  // larger than JavaScript's numbers
  const next = (type) => gid(type, id++);
  const moment = (days) => new Date(now - days * 86400_000).toISOString().replace(/\.\d+Z/, 'Z');
  const tax = (amount) => ({ __typename: 'TaxLine', title: 'VAT', rate: 0.19, priceSet: money(amount) });
  const customers = Array.from({ length: 60 }, (_, index) => ({
    __typename: 'Customer', id: next('Customer'), firstName: `Ada ${index}`, lastName: 'Ngũgĩ "x"', state: 'ENABLED', createdAt: moment(50), updatedAt: moment(40 - (index % 30)), numberOfOrders: String(index), tags: ['vip', 'new'],
    amountSpent: { __typename: 'MoneyV2', amount: cents(index * 1234), currencyCode: 'EUR' }, defaultEmailAddress: { __typename: 'CustomerEmailAddress', emailAddress: `Person${index}@Example.com`, marketingState: index % 2 ? 'SUBSCRIBED' : 'NOT_SUBSCRIBED' },
    defaultPhoneNumber: null, defaultAddress: null, addresses: [],
  }));
  const make_order = (index) => {
    const code = pick(3) === 0;
    const lines = Array.from({ length: index === 7 ? 120 : 1 + pick(3) }, (_, place) => {
      const quantity = 1 + pick(3), price = 100 + pick(9000);
      return {
        __typename: 'LineItem', id: next('LineItem'), sku: `S${place}`, title: `Thing ${place}`, variantTitle: null, vendor: 'V', quantity, isGiftCard: false, product: { __typename: 'Product', id: gid('Product', 5) }, variant: null,
        originalUnitPriceSet: money(cents(price)), originalTotalSet: money(cents(price * quantity)), totalDiscountSet: money('0.0'),
        discountAllocations: code ? [{ __typename: 'DiscountAllocation', allocatedAmountSet: money('0.25'), discountApplication: { __typename: 'DiscountCodeApplication', index: 0 } }] : [], taxLines: [tax('0.19')],
        cents: price * quantity,
      };
    });
    const total = lines.reduce((sum, { cents: more }) => sum + more, 0);
    const refunds = index % 4 === 0 ? [{
      __typename: 'Refund', id: next('Refund'), createdAt: moment(1), updatedAt: moment(1), processedAt: moment(1), note: 'broken',
      refundLineItems: list(lines.map((line) => ({ __typename: 'RefundLineItem', id: next('RefundLineItem'), quantity: 1, restockType: 'RETURN', lineItem: line, subtotalSet: money('1.5'), totalTaxSet: money('0.1') }))),
      transactions: list([{ __typename: 'OrderTransaction', id: next('OrderTransaction'), kind: 'REFUND', status: 'SUCCESS', gateway: 'bogus', amountSet: money('1.6') }]), orderAdjustments: list([]),
    }] : [];
    return {
      __typename: 'Order', id: next('Order'), name: `#${1000 + index}`, email: `Person${index % 60}@Example.com`, createdAt: moment(30), updatedAt: moment(20 - (index % 15)), processedAt: moment(30), cancelledAt: null, cancelReason: null,
      currencyCode: 'EUR', presentmentCurrencyCode: 'EUR', displayFinancialStatus: refunds.length > 0 ? 'PARTIALLY_REFUNDED' : 'PAID', displayFulfillmentStatus: 'PARTIALLY_FULFILLED', test: false, sourceName: 'web', tags: ['a', 'b'], paymentGatewayNames: ['bogus'],
      totalDiscountsSet: money('0.0'), subtotalPriceSet: money(cents(total)), totalTaxSet: money('0.19'), totalPriceSet: money(cents(total)), totalShippingPriceSet: money('4.9'), customer: customers[index % 60], customAttributes: [{ __typename: 'Attribute', key: 'gift', value: 'yes' }],
      taxLines: [tax('0.19')], lineItems: list(lines), discountApplications: list(code ? [{ __typename: 'DiscountCodeApplication', index: 0, targetType: 'LINE_ITEM', value: { __typename: 'PricingPercentageValue' }, code: 'SPRING' }] : []),
      fulfillments: [{ __typename: 'Fulfillment', id: next('Fulfillment'), status: 'SUCCESS', displayStatus: 'DELIVERED', createdAt: moment(10), updatedAt: moment(9), service: { __typename: 'FulfillmentService', handle: 'manual' }, location: null, trackingInfo: [{ __typename: 'FulfillmentTrackingInfo', company: 'DHL', number: '1Z' }],
        fulfillmentLineItems: list([{ __typename: 'FulfillmentLineItem', quantity: 1, lineItem: lines[0] }]) }],
      refunds, cents: total, code,
    };
  };
  const orders = Array.from({ length: 90 }, (_, index) => make_order(index));
  const checkouts = Array.from({ length: 7 }, (_, index) => ({
    __typename: 'AbandonedCheckout', id: next('AbandonedCheckout'), createdAt: moment(5), updatedAt: moment(4), completedAt: null, customer: customers[index], subtotalPriceSet: money('10.0'), totalDiscountSet: money('0.0'), totalTaxSet: money('1.0'), totalPriceSet: money('11.0'),
    lineItems: list([{ __typename: 'AbandonedCheckoutLineItem', sku: 'S', title: 'T', quantity: 2, product: null, variant: null, originalUnitPriceSet: money('5.0') }]),
  }));
  return { customers, orders, checkouts, make_order };
}

function make_klaviyo(random, now) {
  const moment = (days) => new Date(now - days * 86400_000).toISOString();
  const metrics = ['Placed Order', 'Opened Email'].map((name, index) => ({ type: 'metric', id: `M${index}`, attributes: { name, created: moment(90), updated: moment(90), integration: { name: 'API', category: 'API' } }, relationships: {} }));
  const profiles = Array.from({ length: 23 }, (_, index) => ({ type: 'profile', id: `P${index}`, attributes: { email: `Person${index}@Example.com`, created: moment(60), updated: moment(30 - index), location: { country: 'DE' }, subscriptions: { email: { marketing: { consent: 'SUBSCRIBED' } } }, predictive_analytics: { historic_clv: 'digits:1234.5678' } }, relationships: {} }));
  const make_event = (index, at) => ({ type: 'event', id: `E${index}`, attributes: { timestamp: Math.trunc(Date.parse(at) / 1000), datetime: at, uuid: `u${index}`, event_properties: { $value: `digits:${index}.10`, $value_currency: 'EUR', $event_id: `o${index}` } }, relationships: { profile: { data: { type: 'profile', id: `P${index % 23}` } }, metric: { data: { type: 'metric', id: `M${index % 2}` } } } });
  const events = Array.from({ length: 83 }, (_, index) => make_event(index, moment(20 - index / 5)));
  const campaigns = ['email', 'sms', 'email'].map((channel, index) => ({ type: 'campaign', id: `C${index}`, channel, attributes: { name: `Letter ${index}`, status: 'Sent', archived: false, send_time: moment(9), updated_at: moment(8) }, relationships: { 'campaign-messages': { data: [{ type: 'campaign-message', id: `X${index}` }] } } }));
  const flows = [{ type: 'flow', id: 'F1', attributes: { name: 'Welcome', status: 'live', trigger_type: 'Added to List', archived: false, created: moment(70), updated: moment(60) }, relationships: {} }];
  const lists = [{ type: 'list', id: 'L1', attributes: { name: 'News', opt_in_process: 'double_opt_in', created: moment(70), updated: moment(60) }, relationships: {} }];
  return { metrics, profiles, events, campaigns, flows, lists, make_event };
}

test(`pull (seed ${seed})`, { timeout: 600_000 }, async (t) => {
  const random = random_numbers(seed), now = Date.now();
  const day = (ago) => new Date(now - ago * 86400_000).toISOString().slice(0, 10);
  const store = make_shop(random, now), letters = make_klaviyo(random, now);
  const reports = {
    daily: [1, 2, 3, 5, 9].map((ago) => [day(ago), '7', '3', '9', '40', '100', '2', '19.99']),
    events: [1, 2, 3].flatMap((ago) => ['page_view', 'purchase', '(other)'].map((name) => [day(ago), name, '50', '5'])),
  };
  const shopify = await shopify_api(t, store, { token: secrets.SHOPIFY_ADMIN_TOKEN });
  const klaviyo = await klaviyo_api(t, letters, { key: secrets.KLAVIYO_PRIVATE_KEY });
  const ga4 = await ga4_api(t, reports, { property: '4711' });
  shopify.faults.push('throttled', '429', 'silence');
  shopify.busy = 1;
  shopify.expired_files = 1;
  shopify.garbage.push('{"id": "gid://shopify/Customer/1", "state":', JSON.stringify({ __typename: 'LineItem', id: gid('LineItem', 1), __parentId: gid('Order', 1) }));
  klaviyo.faults.push('500', '429');
  letters.profiles.splice(4, 0, { type: 'profile', id: '', attributes: { updated: new Date(now - 86400_000).toISOString() }, relationships: {} });
  ga4.faults.push('busy', undefined, 'expired');

  const { project, postgres, database } = await make_world(t, 'pull', { pack: 'commerce', database: 'landing' });
  await postgres.sql(database, fs.readFileSync(`${project.directory}/schema/postgres.sql`, 'utf8'));
  Object.assign(project.environment, secrets, { SHOPIFY_ADMIN_URL: shopify.url, KLAVIYO_API_URL: klaviyo.url, GA4_API_URL: ga4.url, GA4_ACCOUNT_KEY: ga4.account, GA4_PROPERTY: '4711' });
  for (const name of ['shopify', 'klaviyo', 'ga4']) project.write(`sources/${name}.yaml`, project.read(`sources/${name}.yaml`).replace(/every: \w+/, 'every: 1s'));
  project.write('sources/shopify.yaml', project.read('sources/shopify.yaml').replace('  every:', `  shop: ${shop}\n  every:`));
  // The models that read what is pulled or loaded, and no others: what is made of them is other tests' affair.
  const needed = /^(staging|data_klaviyo)\/|^data_shopify\/(customers|orders|order_line_items|order_refund\w*|abandoned_checkouts|price_rules|discount_codes|transactions|transaction_fees|shop|countries|locations|inventory_\w+|order_agreements|customer_journey_\w+)\.sql|^data_ga4\/events|report_differences/;
  for (const file of fs.readdirSync(`${project.directory}/models`, { recursive: true }).filter((name) => name.endsWith('.sql') && !needed.test(name))) fs.rmSync(`${project.directory}/models/${file}`);
  for (const folder of ['segments', 'dashboards', 'endpoints', 'destinations', 'roles']) fs.rmSync(`${project.directory}/${folder}`, { recursive: true, force: true });

  const one = async (query) => (await project.clickhouse(query)).trim();
  const pull_status = async (name) => (await project.status()).sources.find(({ source }) => source === name).pull;
  const rows = async (query) => (await project.clickhouse(query, { format: 'TabSeparatedRaw' })).trimEnd().split('\n').sort();
  const same = (what, query, expected) => eventually(what, async (seen) => {
    if (!project.up_child.running) throw Object.assign(new Error(`tidemark up ended\n${project.log_tail()}`), { final: true });
    const found = await rows(query), wanted = expected().sort();
    const first = wanted.findIndex((row, index) => row !== found[index]);
    seen(`${found.length} rows, ${wanted.length} expected; the first that differs: ${found[first]} instead of ${wanted[first]}; ${JSON.stringify(await pull_status('shopify'))} ${JSON.stringify(await pull_status('klaviyo'))} ${JSON.stringify(await pull_status('ga4'))}`);
    return found.length === wanted.length && first === -1;
  }, { deadline_ms: 45_000 });
  const tabbed = (...values) => values.map((value) => (value === null ? '\\N' : String(value))).join('\t');
  const decimal = (text) => text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');

  const everything = async (when) => {
    await same(`${when}: customers`, "SELECT id, email, orders_count, total_spent, accepts_marketing FROM data_shopify.customers",
      () => store.customers.map((customer) => tabbed(number(customer.id), customer.defaultEmailAddress.emailAddress.toLowerCase(), customer.numberOfOrders, decimal(customer.amountSpent.amount), customer.defaultEmailAddress.marketingState === 'SUBSCRIBED')));
    await same(`${when}: orders`, 'SELECT id, name, email, customer_id, financial_status, total_price, total_line_items_price FROM data_shopify.orders',
      () => store.orders.map((order) => tabbed(number(order.id), order.name, order.email.toLowerCase(), number(order.customer.id), order.displayFinancialStatus.toLowerCase(), decimal(cents(order.cents)), decimal(cents(order.cents)))));
    await same(`${when}: lines`, 'SELECT id, order_id, quantity, price FROM data_shopify.order_line_items',
      () => store.orders.flatMap((order) => order.lineItems.elements.map((line) => tabbed(number(line.id), number(order.id), line.quantity, decimal(line.originalUnitPriceSet.shopMoney.amount)))));
    await same(`${when}: codes`, "SELECT id, code.1, code.2, code.3 FROM staging.shopify_orders ARRAY JOIN discount_codes AS code WHERE (id, version) IN (SELECT id, max(version) FROM staging.shopify_orders GROUP BY id)",
      () => store.orders.filter(({ code }) => code).map((order) => tabbed(number(order.id), 'SPRING', decimal(cents(order.lineItems.elements.length * 25)), 'percentage')));
    await same(`${when}: refunds`, 'SELECT id, order_id, length(refund_line_items), transactions.2[1] FROM staging.shopify_refunds',
      () => store.orders.flatMap((order) => order.refunds.map((refund) => tabbed(number(refund.id), number(order.id), refund.refundLineItems.elements.length, 'refund'))));
    await same(`${when}: checkouts`, 'SELECT id, total_price, isNotNull(completed_at) FROM data_shopify.abandoned_checkouts', () => store.checkouts.map((checkout) => tabbed(number(checkout.id), '11', checkout.completedAt ? 1 : 0)));
    await same(`${when}: events`, 'SELECT event_id, metric_id, profile_id, value, order_id FROM data_klaviyo.events',
      () => letters.events.map((event) => tabbed(event.id, event.relationships.metric.data.id, event.relationships.profile.data.id, decimal(event.attributes.event_properties.$value.slice(7)), event.attributes.event_properties.$event_id)));
    await same(`${when}: profiles`, 'SELECT profile_id, email, country, historic_clv, accepts_marketing FROM data_klaviyo.profiles', () => letters.profiles.filter(({ id }) => id).map((profile) => tabbed(profile.id, profile.attributes.email.toLowerCase(), 'DE', '1234.5678', true)));
    await same(`${when}: metrics, campaigns, flows, lists`, "SELECT metric_id, name FROM data_klaviyo.metrics UNION ALL SELECT campaign_id, concat(name, message_ids[1]) FROM data_klaviyo.campaigns UNION ALL SELECT flow_id, name FROM data_klaviyo.flows UNION ALL SELECT list_id, name FROM data_klaviyo.lists",
      () => [...letters.metrics, ...letters.campaigns, ...letters.flows, ...letters.lists].map(({ id, attributes: { name }, relationships }) => tabbed(id, `${name}${relationships['campaign-messages']?.data[0].id ?? ''}`)));
    await same(`${when}: reports`, "SELECT report, day, name, JSONExtractString(metrics, 'eventCount') FROM bronze.ga4_reports__current",
      () => [...reports.daily.map((row) => tabbed('daily', row[0], '', row[5])), ...reports.events.map((row) => tabbed('events', row[0], row[1], row[2]))]);
  };

  await t.test('what there is, over a kill', async () => {
    project.launch();
    await eventually('some of it is there', async (seen) => {
      if (!project.up_child.running) throw Object.assign(new Error(project.log_tail()), { final: true });
      const status = await pull_status('shopify').catch(() => undefined);
      seen(JSON.stringify(status));
      return status?.streams.find(({ stream }) => stream === 'customers').rows > 0;
    }, { deadline_ms: 240_000 });
    await project.up_child.end({ signal: 'SIGKILL' });
    await project.up({ deadline_ms: 240_000 });
    await everything('at first');
    // Neither a page nor a file that came twice is twice there.
    assert.equal(await one("SELECT count() = uniqExact(message_id) AND count() = uniqExact(event, properties) FROM bronze.shopify_webhooks WHERE type = 'pull'"), '1');
    assert.equal(await one("SELECT count() FROM bronze.klaviyo_webhooks WHERE event = 'pull/events'"), String(letters.events.length));
    assert.deepEqual(shopify.faults.filter(Boolean), []);
    assert.ok(shopify.operations.length >= 3, 'a file that was gone makes an operation begin anew');
    assert.ok(shopify.queries.some(({ variables }) => variables?.first === 25 || variables?.first === 12), 'a page that costs too much is halved');
    const refused = [await project.clickhouse("SELECT DISTINCT source, reason FROM tidemark.quarantine WHERE source IN ('shopify', 'klaviyo')", { account: 'admin', format: 'TabSeparatedRaw' })];
    assert.match(refused.join('\n'), /klaviyo\tit is no profile with an id and attributes/);
    assert.match(refused.join('\n'), /shopify\tthe line is no JSON/);
    assert.match(refused.join('\n'), /shopify\tthe line's parent is not in the file/);
  });

  await t.test('what changes later, and the last days of reports', async () => {
    const later = () => new Date().toISOString();
    const order = store.orders[3];
    Object.assign(order, { displayFinancialStatus: 'REFUNDED', email: 'New@Example.com', updatedAt: later() });
    store.orders.push(Object.assign(store.make_order(7), { name: '#2000', updatedAt: later() }));
    store.checkouts[0].completedAt = store.checkouts[0].updatedAt = later();
    Object.assign(store.customers[5], { amountSpent: { __typename: 'MoneyV2', amount: '99.9', currencyCode: 'EUR' }, updatedAt: later() });
    letters.events.push(letters.make_event(83, later()));
    Object.assign(letters.profiles[0].attributes, { email: 'Other@Example.com', updated: later() });
    reports.events[0][2] = '61';
    reports.daily[0][5] = '61';
    await everything('later');
    assert.equal(await one("SELECT fulfillments[1].10[1].3 FROM staging.shopify_orders WHERE name = '#2000' LIMIT 1"), '1');
    assert.equal(await one(`SELECT toString(reported) || ' ' || toString(difference) FROM analytics_ga4.report_differences WHERE day = '${reports.events[0][0]}' AND measure = 'events by name' AND name = 'page_view'`), '61 -61');
    assert.ok(shopify.queries.some(({ query }) => query.includes('... on Order { lineItems')), 'lists longer than a page are asked for to their end');
    const { queries } = shopify;
    assert.match(queries.findLast(({ query }) => query.includes('orders(')).variables.query, /updated_at:>='20/, 'only what changed is asked for');
    assert.ok(ga4.asked.at(-1).startDate >= day(5));
  });

  await t.test('limits and refusals are told, and a token never', async () => {
    shopify.token = 'shpat_another_one_now';
    await eventually('the refusal is told', async (seen) => {
      const status = await pull_status('shopify');
      seen(JSON.stringify(status));
      return status.state === 'failed' && /answers 401 .*access token/.test(status.error);
    });
    assert.equal((await project.status()).sources.find(({ source }) => source === 'shopify').state, 'streaming');
    const shown = (await project.run('status')).stdout;
    assert.match(shown, /asks shopify: (failed|pulling|waiting)/);
    assert.match(shown, /asks klaviyo: \w+, \d+ requests/);
    assert.match(shown, /events\t20\d\d-/);
    const metrics = await (await project.fetch('/metrics')).text();
    const metric = (name, labels) => Number(new RegExp(`^${name}\\{${labels}\\} (\\S+)$`, 'm').exec(metrics)?.[1]);
    assert.equal(metric('tidemark_pull_failed', 'source="shopify"'), 1);
    assert.equal(metric('tidemark_pull_failed', 'source="klaviyo"'), 0);
    assert.ok(metric('tidemark_pull_rows_total', 'source="klaviyo",stream="events"') >= letters.events.length, metrics);
    assert.ok(metric('tidemark_pull_pages_total', 'source="klaviyo",stream="events"') > 1);
    assert.ok(metric('tidemark_pull_refused_rows_total', 'source="klaviyo",stream="profiles"') > 0);
    assert.ok(metric('tidemark_pull_watermark_age_seconds', 'source="shopify",stream="orders"') < 600);
    assert.ok(metric('tidemark_pull_requests_total', 'source="ga4"') > 0 && metric('tidemark_pull_waiting_seconds', 'source="ga4"') >= 0);
    shopify.token = secrets.SHOPIFY_ADMIN_TOKEN;
    store.customers[6].numberOfOrders = '77';
    store.customers[6].updatedAt = new Date().toISOString();
    await everything('after a refusal');
    const told = [JSON.stringify(await project.status()), await (await project.fetch('/api/settings')).text(), project.read('up.log'), shown].join('\n');
    for (const secret of [...Object.values(secrets), 'PRIVATE KEY', 'ya29.']) assert.ok(!told.includes(secret), `${secret.slice(0, 6)}... is shown`);
  });

  // TIDEMARK_COMMERCE_SAMPLES: a directory with more files that are named <system>_<stream>.<kind>.
  await t.test('files as the three systems give them load as they are', async () => {
    const names = { order: 'orders/updated', orders: 'orders/updated', airbyte_orders: 'orders/updated', customer: 'customers/update', refund: 'refunds/create', checkouts: 'checkouts/update', transaction: 'order_transactions/create', transactions: 'order_transactions/create', price_rule: 'price_rules/update', discount_code: 'discount_codes/update', fulfillment: 'fulfillments/update' };
    const samples = path.join(root, 'test/data/commerce'), refused = [];
    let records = 0;
    for (const directory of [samples, process.env.TIDEMARK_COMMERCE_SAMPLES].filter(Boolean))
      for (const file of fs.readdirSync(directory).sort()) {
        const [, system, stream] = /^(shopify|klaviyo|ga4)_(\w+)\./.exec(file);
        const topic = system === 'shopify' ? (names[stream] ?? `${stream.replace(/^(location|inventory_item|inventory_level)$/, '$1s')}/update`) : stream;
        const { code, data, stderr } = await project.json('load', path.join(directory, file), '--into', 'files.documents', '--document', 'document', '--id', 'document_id', '--set', `system=${system}`, '--set', `stream=${topic}`, '--set', 'shop=samples.myshopify.com');
        assert.equal(code, 0, `${file}: ${stderr}`);
        if (directory === samples) records += data.files[0].rows;
        if (data.files[0].quarantined > 0) refused.push(`${file} ${data.files[0].quarantined}`);
      }
    assert.deepEqual(refused, ['klaviyo_events.ndjson 1', 'klaviyo_person.csv 1']);
    assert.ok(records >= 22, String(records));
    const reasons = (await project.clickhouse("SELECT reason, bytes FROM tidemark.quarantine FINAL WHERE source = 'files' ORDER BY reason", { account: 'tidemark' })).trim().split('\n');
    assert.match(reasons[0], /^klaviyo_events\.ndjson, .*"cut off/);
    assert.match(reasons[1], /^klaviyo_person\.csv, record 2: 2 fields instead of 7\t01FSAMPLE2/);
    const found = (query, ...wanted) => eventually(query, async (seen) => {
      const answer = (await project.clickhouse(query, { format: 'TabSeparatedRaw' })).trimEnd();
      seen(`${answer} instead of ${wanted.join('\n')}`);
      return answer === wanted.join('\n');
    }, { deadline_ms: 60_000 });
    const id = '9007199999999997';
    await found(`SELECT id, name, email, customer_id, financial_status, total_price, total_shipping FROM data_shopify.orders WHERE shop = 'samples.myshopify.com' AND id IN (${id}, 9223372036854775807) ORDER BY id`,
      tabbed(id, '#1001', 'mara.voss@example.com', '9007199999999001', 'partially_refunded', '98.94', '1.94'), tabbed('9223372036854775807', '#1002', '', null, 'paid', '98.94', '1.94'));
    await found(`SELECT id, quantity, price, gross, refunded_quantity FROM data_shopify.order_line_items WHERE order_id IN (${id}, 9223372036854775807) ORDER BY id`, tabbed(5001, 2, 33, 66, 1), tabbed(5002, 1, 33, 33, 0), tabbed(5003, 1, '12345678901234.5678', '12345678901234.5678', 0));
    // In Airbyte's envelope and flat: of one order the newest extraction counts, wherever it stands in the file.
    await found('SELECT id, name, financial_status, total_price FROM data_shopify.orders WHERE id IN (9007199999999990, 9007199999999991) ORDER BY id',
      tabbed('9007199999999990', '#1090', 'paid', 20), tabbed('9007199999999991', '#1091', 'paid', 5));
    await found("SELECT email, last_name, accepts_marketing, addresses[1].city FROM data_shopify.customers WHERE id = 9007199999999001", tabbed('mara.voss@example.com', 'Voß', 'true', 'Kiel'));
    await found('SELECT email, total_price FROM data_shopify.abandoned_checkouts WHERE id = 450', tabbed('mara.voss@example.com', 66));
    await found('SELECT order_id, amount, credit_card_number FROM data_shopify.transactions WHERE id = 389', tabbed(id, '98.94', '•••• •••• •••• 4242'));
    await found('SELECT transaction_id, currency, amount, flat_fee, rate FROM data_shopify.transaction_fees WHERE transaction_id = 389', tabbed(389, 'EUR', '3.17', '0.3', '0.029'));
    await found("SELECT title, value, usage_limit FROM data_shopify.price_rules WHERE shop = 'samples.myshopify.com' AND id IN (1213131, 1213132) ORDER BY id", tabbed('BOGO', -100, null), tabbed('TENOFF', -10, 20));
    await found('SELECT code, price_rule_id FROM data_shopify.discount_codes WHERE id = 34 AND price_rule_id > 0', tabbed('TENOFF', 1213132));
    await found('SELECT name, currency, iana_timezone FROM data_shopify.shop WHERE id = 690', tabbed('Nordlicht', 'EUR', 'Europe/Berlin'));
    await found('SELECT code, tax FROM data_shopify.countries WHERE id = 817', tabbed('DE', '0.19'));
    await found('SELECT name, city FROM data_shopify.locations WHERE id = 487', tabbed('Warehouse', 'Kiel'));
    await found('SELECT item.sku, item.cost, stock.available FROM data_shopify.inventory_items AS item INNER JOIN data_shopify.inventory_levels AS stock ON stock.inventory_item_id = item.id WHERE item.id = 808', tabbed('MUG-5001', '12.5', 9));
    await found('SELECT name, quantity FROM data_shopify.inventory_quantities WHERE inventory_item_id = 808 ORDER BY name', tabbed('available', 9), tabbed('committed', 4));
    await found(`SELECT reason, line_item_id, quantity, total_amount, tax_amount FROM data_shopify.order_agreements WHERE order_id = ${id}`, tabbed('order', 5001, 2, 65, '10.38'));
    await found(`SELECT visit, visit_id, source, utm_source, utm_campaign FROM data_shopify.customer_journey_detail WHERE order_id = ${id}`, tabbed('first', 91, 'email', 'news', 'may'));
    await found("SELECT email, country, historic_clv, average_days_between_orders FROM data_klaviyo.profiles WHERE profile_id = '01KSAMPLE1'", tabbed('mara.voss@example.com', 'Germany', '141.94', '30.5'));
    await found("SELECT profile_id, metric_id, value, order_id FROM data_klaviyo.events WHERE event_id = '6XSample'", tabbed('01KSAMPLE1', 'SAMPLEM', '98765432109876.5432', id));
    await found("SELECT event_name, ga_session_id, session_engaged, source, transaction_id, purchase_revenue FROM data_ga4.events WHERE user_pseudo_id = 'sample.1'", tabbed('purchase', 1714666000, 'true', 'news', id, '98.94'));
    await project.down();
  });
});
