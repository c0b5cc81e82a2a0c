// Stand-ins for the APIs that sources pull from, after what Shopify, Klaviyo and Google publish of them: fields, pages, limits, errors.
// `faults`: what the next requests get instead of an answer, one each. Every server counts what it was asked.
import { createVerify, generateKeyPairSync, randomUUID } from 'node:crypto';
import http from 'node:http';
import { GraphqlError, pages_of, parse, project } from './graphql.mjs';

async function serve(t, answer) {
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', async () => {
      const { status = 200, headers = {}, body } = await answer({ method: request.method, url: new URL(request.url, 'http://x'), headers: request.headers, body: Buffer.concat(parts).toString() });
      if (status === 0) return request.socket.destroy();
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
      response.end(typeof body === 'string' ? body : JSON.stringify(body ?? {}));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${server.address().port}`;
}
const faulty = (fault) => ({
  silence: { status: 0 },
  500: { status: 500, body: 'oops' },
  429: { status: 429, headers: { 'Retry-After': '0.2' }, body: { errors: 'Exceeded 2 calls per second for api client.' } },
})[fault];

// `shop`: { customers, orders, checkouts } as GraphQL has them; nested lists made with `list`.
export const list = (elements) => Object.assign(pages_of(elements), { elements });

export async function shopify_api(t, shop, { token, page_max = 25, restore = 2000, bucket = 400 } = {}) {
  const api = { requests: 0, faults: [], queries: [], token, operations: [], garbage: [], expired_files: 0, busy: 0 };
  let available = bucket, seen = Date.now();
  const by_id = (id) => {
    const operation = api.operations.find((one) => one.id === id);
    if (operation && operation.status !== 'COMPLETED') operation.status = operation.status === 'CREATED' ? 'RUNNING' : 'COMPLETED';
    if (operation) return operation;
    for (const order of shop.orders)
      for (const one of [order, ...order.fulfillments, ...order.refunds]) if (one.id === id) return one;
    return shop.checkouts.find((one) => one.id === id) ?? null;
  };
  const root = (elements) => ({ first, after, query }) => {
    if (first > page_max) throw new GraphqlError(`Query cost is ${first * 40}, which exceeds the single query max cost limit (1000).`, 'MAX_COST_EXCEEDED');
    const since = /updated_at:>='([^']+)'/.exec(query ?? '')?.[1];
    const key = (one) => `${one.updatedAt}|${one.id}`;
    const found = elements().filter((one) => !since || Date.parse(one.updatedAt) >= Date.parse(since)).sort((a, b) => (key(a) < key(b) ? -1 : 1));
    const rest = after ? found.filter((one) => key(one) > Buffer.from(after, 'base64').toString()) : found;
    const nodes = rest.slice(0, first);
    return { __typename: 'Connection', nodes, pageInfo: { __typename: 'PageInfo', hasNextPage: rest.length > nodes.length, endCursor: nodes.length > 0 ? Buffer.from(key(nodes.at(-1))).toString('base64') : null } };
  };
  const query_root = { __typename: 'QueryRoot', orders: root(() => shop.orders), customers: root(() => shop.customers), abandonedCheckouts: root(() => shop.checkouts), node: ({ id }) => by_id(id) };
  // Lines of the objects and, apart from them and in any order, of the elements of their lists.
  const bulk_lines = (query) => {
    const [{ name, fields }] = parse(query).fields;
    const inner = fields[0].fields[0].fields;
    const nested = inner.filter((one) => one.fields?.[0]?.name === 'edges');
    const lines = [];
    for (const object of shop[name]) {
      lines.push(project(object, inner.filter((one) => !nested.includes(one)), {}));
      for (const one of nested)
        for (const element of object[one.name].elements) lines.push({ ...project(element, one.fields[0].fields[0].fields, {}), __parentId: object.id });
    }
    return lines.map((line) => [Math.sin(lines.indexOf(line) * 7919), JSON.stringify(line)]).sort(([a], [b]) => a - b).map(([, line]) => line);
  };
  const mutation_root = {
    __typename: 'Mutation',
    bulkOperationRunQuery: ({ query }) => {
      const failed = (message, code) => ({ __typename: 'Payload', bulkOperation: null, userErrors: [{ __typename: 'BulkOperationUserError', field: null, message, code }] });
      if (api.busy-- > 0) return failed('A bulk query operation for this app and shop is already in progress: gid://shopify/BulkOperation/1.', 'OPERATION_IN_PROGRESS');
      const number = api.operations.length + 2, file = `${api.url}/bulk/${number}.jsonl?Expires=1&Signature=hush`;
      const lines = bulk_lines(query);
      api.operations.push({ __typename: 'BulkOperation', id: `gid://shopify/BulkOperation/${number}`, status: 'CREATED', errorCode: null, objectCount: String(lines.length), url: lines.length > 0 ? file : null, lines: [...lines, ...api.garbage] });
      return { __typename: 'Payload', bulkOperation: api.operations.at(-1), userErrors: [] };
    },
  };
  api.url = await serve(t, ({ url, headers, body }) => {
    api.requests += 1;
    if (url.pathname.startsWith('/bulk/')) {
      if (headers['x-shopify-access-token']) return { status: 400, body: 'the token does not belong here' };
      if (api.expired_files-- > 0) return { status: 403, body: '<Error><Code>ExpiredToken</Code></Error>' };
      return { body: `${api.operations[Number(/(\d+)/.exec(url.pathname)[1]) - 2].lines.join('\n')}\n` };
    }
    const fault = api.faults.shift();
    if (faulty(fault)) return faulty(fault);
    if (headers['x-shopify-access-token'] !== api.token) return { status: 401, body: { errors: '[API] Invalid API key or access token (unrecognized login or wrong password)' } };
    if (url.pathname !== '/admin/api/2026-01/graphql.json') return { status: 404, body: { errors: 'Not Found' } };
    const { query, variables } = JSON.parse(body);
    api.queries.push({ query, variables });
    const now = Date.now(), requested = 100;
    available = Math.min(bucket, available + ((now - seen) / 1000) * restore);
    seen = now;
    const cost = () => ({ cost: { requestedQueryCost: requested, actualQueryCost: requested, throttleStatus: { maximumAvailable: bucket, currentlyAvailable: Math.floor(available), restoreRate: restore } } });
    if (fault === 'throttled' || available < requested) return { body: { errors: [{ message: 'Throttled', extensions: { code: 'THROTTLED', documentation: 'https://shopify.dev/api/usage/rate-limits' } }], extensions: cost() } };
    try {
      const { operation, fields } = parse(query);
      const data = project(operation === 'mutation' ? mutation_root : query_root, fields, variables ?? {});
      available -= requested;
      return { body: { data, extensions: cost() } };
    } catch (error) {
      if (!(error instanceof GraphqlError)) throw error;
      return { body: { errors: [{ message: error.message, extensions: { code: error.code } }] } };
    }
  });
  return api;
}

// `store`: resources by path, each { type, id, attributes, relationships }.
export async function klaviyo_api(t, store, { key, page = 5 } = {}) {
  const api = { requests: 0, faults: [], key, asked: [] };
  const changed = { events: 'datetime', campaigns: 'updated_at' };
  api.url = await serve(t, ({ url, headers }) => {
    api.requests += 1;
    const fault = api.faults.shift();
    if (faulty(fault)) return faulty(fault);
    const problem = (status, title, detail) => ({ status, body: { errors: [{ id: randomUUID(), status, code: 'error', title, detail, source: { pointer: '/data/' } }] } });
    if (headers.authorization !== `Klaviyo-API-Key ${api.key}`) return problem(401, 'Incorrect authentication credentials.', 'Incorrect authentication credentials.');
    if (!/^\d{4}-\d\d-\d\d$/.test(headers.revision ?? '')) return problem(400, 'Invalid input.', 'revision header is missing');
    const path = /^\/api\/(\w+)$/.exec(url.pathname)?.[1];
    if (!store[path]) return problem(404, 'Not found.', url.pathname);
    api.asked.push({ path, search: url.search });
    const filter = url.searchParams.get('filter') ?? '', column = changed[path] ?? 'updated';
    const channel = /equals\(messages\.channel,'(\w+)'\)/.exec(filter)?.[1];
    if (path === 'campaigns' && !channel) return problem(400, 'Invalid input.', 'A channel filter is required to list campaigns.');
    const since = new RegExp(`greater-than\\(${column},([^)]+)\\)`).exec(filter)?.[1];
    const found = store[path].filter((one) => (!channel || one.channel === channel) && (!since || Date.parse(one.attributes[column]) > Date.parse(since)));
    const cursor = url.searchParams.get('page[cursor]');
    const begin = cursor ? Number(Buffer.from(cursor, 'base64').toString()) : 0;
    if (Number.isNaN(begin)) return problem(400, 'Invalid input.', 'Invalid cursor');
    // What comes meanwhile moves pages: the last of one is the first of the next.
    const end = begin + page, next = new URL(`${api.url}${url.pathname}${url.search}`);
    next.searchParams.set('page[cursor]', Buffer.from(String(end - 1)).toString('base64'));
    const data = found.slice(begin, end).map(({ channel: _, ...one }) => one);
    const more = end < found.length;
    // Numbers as they are written in an answer, not as JavaScript would write them.
    const text = JSON.stringify({ data, links: { self: url.href, next: more ? next.href : null, prev: null } }).replace(/"digits:([^"]+)"/g, '$1');
    return { headers: { 'RateLimit-Limit': '75, 75;w=1, 700;w=60', 'RateLimit-Remaining': more ? '74' : '0', 'RateLimit-Reset': '0' }, body: text };
  });
  return api;
}

// `reports`: { daily: [[day, ...metrics]], events: [[day, name, ...metrics]] } with texts.
export async function ga4_api(t, reports, { property, page = 4 } = {}) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } });
  const api = { requests: 0, tokens: 0, faults: [], asked: [] };
  let good = '';
  api.url = await serve(t, ({ url, headers, body }) => {
    api.requests += 1;
    if (url.pathname === '/token') {
      const assertion = new URLSearchParams(body).get('assertion') ?? '';
      const [head, claims, signature] = assertion.split('.');
      const said = JSON.parse(Buffer.from(claims, 'base64url'));
      const right = createVerify('RSA-SHA256').update(`${head}.${claims}`).verify(publicKey, Buffer.from(signature, 'base64url')) && said.iss === 'reader@shop.iam.gserviceaccount.com' && said.aud === `${api.url}/token` && said.exp > Date.now() / 1000;
      if (!right) return { status: 400, body: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } };
      api.tokens += 1;
      good = `ya29.${randomUUID()}`;
      return { body: { access_token: good, expires_in: 3599, token_type: 'Bearer' } };
    }
    const refused = (code, status, message) => ({ status: code, body: { error: { code, message, status } } });
    const fault = api.faults.shift();
    if (fault === 'expired') good = '';
    if (fault === 'busy') return refused(429, 'RESOURCE_EXHAUSTED', 'Exhausted concurrent requests quota. Please try again later.');
    if (faulty(fault)) return faulty(fault);
    if (headers.authorization !== `Bearer ${good}`) return refused(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.');
    if (url.pathname !== `/v1beta/properties/${property}:runReport`) return refused(403, 'PERMISSION_DENIED', 'User does not have sufficient permissions for this property.');
    const { dateRanges: [{ startDate, endDate }], dimensions, metrics, offset, limit } = JSON.parse(body);
    api.asked.push({ startDate, endDate, offset });
    const rows = (dimensions.length > 1 ? reports.events : reports.daily).filter(([day]) => day >= startDate && day <= endDate).sort((a, b) => (a.join() < b.join() ? -1 : 1));
    const page_rows = rows.slice(Number(offset), Number(offset) + Math.min(page, Number(limit)));
    return { body: {
      dimensionHeaders: dimensions, metricHeaders: metrics.map(({ name }) => ({ name, type: 'TYPE_INTEGER' })),
      rows: page_rows.map(([day, ...rest]) => ({ dimensionValues: [{ value: day.replaceAll('-', '') }, ...rest.slice(0, dimensions.length - 1).map((value) => ({ value }))], metricValues: rest.slice(dimensions.length - 1).map((value) => ({ value })) })),
      rowCount: rows.length, metadata: { currencyCode: 'EUR', timeZone: 'Europe/Berlin' }, kind: 'analyticsData#runReport',
      propertyQuota: { tokensPerDay: { consumed: 1, remaining: 199999 }, tokensPerHour: { consumed: 1, remaining: 39999 }, concurrentRequests: { consumed: 0, remaining: 10 } },
    } };
  });
  api.account = JSON.stringify({ type: 'service_account', project_id: 'shop', private_key_id: 'k1', private_key: privateKey, client_email: 'reader@shop.iam.gserviceaccount.com', token_uri: `${api.url}/token` });
  return api;
}
