// Segments and people as a person sees them, on the cdp pack: sizes are those of the warehouse, a segment is built by clicking,
// fills, changes with a commit and tells its destination; somebody is explained and looked up.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { assert_accessible, assert_fits, assert_tiles, launch_browser, open_page, screenshot } from '../harness/browser.mjs';
import { binary, eventually, run } from '../harness/process.mjs';
import { webhook_receiver } from '../harness/webhook_receiver.mjs';
import { make_world } from '../harness/world.mjs';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const write_key = 'a-write-key-of-the-test';

test('segments and people', { timeout: 300_000 }, async (t) => {
  const world = await make_world(t, 'people_page', { pack: 'cdp', database: 'cdp' });
  const { postgres, project, database } = world;
  const receiver = await webhook_receiver(t, secret);
  project.environment = { CDP_DATABASE_URL: world.url, CDP_WRITE_KEY: write_key, CDP_WEBHOOK_URL: receiver.url, CDP_WEBHOOK_SECRET: secret };
  const generate = async (...options) => {
    const result = await run(binary, ['generate', 'cdp', '--url', world.url, '--events', `http://127.0.0.1:${project.http_port}`, '--write-key', write_key, '--seed', '1', ...options]);
    assert.equal(result.code, 0, result.stderr);
  };
  await generate('reset', '--yes');
  await project.up();
  await generate('--rows', '1500');
  await project.caught_up(postgres);
  await eventually('all events are in', async (seen) => {
    const { sources } = await project.status();
    seen(JSON.stringify(sources));
    return sources.every(({ state }) => state === 'streaming') && sources.find(({ source }) => source === 'app').intake.spool_age_ms === 0;
  }, { deadline_ms: 60_000 });
  const browser = await launch_browser(t);
  const address = `http://127.0.0.1:${project.http_port}`;
  const api = async (where) => (await project.fetch(where)).json();
  const page = await open_page(browser, `${address}/segments`);
  const number = async (locator) => Number(await locator.getAttribute('data-value'));
  const token = JSON.parse(fs.readFileSync(path.join(project.directory, '.tidemark/up.json'), 'utf8')).token;
  // Refused questions are the browser's own messages.
  const expected = (problem) => /status of 40[13]/.test(problem);

  await t.test('the list has the sizes of the warehouse', async () => {
    const { segments } = await api('/api/segments');
    assert.equal(segments.length, 10);
    for (const { segment } of segments)
      await eventually(`members of ${segment}`, async (seen) => {
        const wanted = Number(await project.clickhouse(`SELECT count() FROM cdp.segment_membership WHERE segment = '${segment}' AND is_member = 1`));
        const shown = await number(page.getByTestId(`segment-${segment}`).locator('[data-field=members]'));
        seen(`${shown} instead of ${wanted}`);
        return shown === wanted;
      }, { deadline_ms: 15_000 });
    await assert_accessible(page, 'segments');
    await screenshot(page, 'segments-light-1440');
  });

  await t.test('the dashboard: tiles, a segment chosen by a click, orders behind a customer', async () => {
    const other = await open_page(browser, `${address}/?time=all`);
    await assert_tiles(other, 10, ['Latest notifications', 'In and out']);
    const step = async (name) => Number(await other.locator(`[data-step="${name}"]`).getAttribute('data-value'));
    const people = async (where) => Number(await project.clickhouse(`SELECT count() FROM cdp.people WHERE ${where}`));
    assert.equal(await step('everybody'), await people('true'));
    assert.equal(await step('buyer'), await people("stage = 'buyer'"));
    const moves = async () => Number(await other.getByTestId(/^tile-\d+$/).filter({ has: other.getByRole('heading', { name: 'Entries and exits', exact: true }) }).getByTestId('value').getAttribute('data-value'));
    const segments = other.getByTestId(/^tile-\d+$/).filter({ has: other.getByRole('heading', { name: 'Segments', exact: true }) });
    const segment = (await segments.locator('button.label').first().textContent()).trim();
    await segments.getByRole('button', { name: segment, exact: true }).click();
    const wanted = Number(await project.clickhouse(`SELECT count() + count(exited_at) FROM cdp.segment_membership WHERE segment = '${segment}'`));
    await eventually('moves of one segment', async (seen) => {
      seen(`${await moves()} instead of ${wanted}`);
      return (await moves()) === wanted;
    }, { deadline_ms: 10_000 });
    await other.getByRole('button', { name: /^Orders of a customer/ }).first().click();
    await other.getByTestId('rows').locator('[data-column=placed_at]').first().waitFor();
    await other.keyboard.press('Escape');
    await assert_accessible(other, 'the dashboard of people');
    await screenshot(other, 'cdp-light-1440');
    assert.deepEqual(other.problems, []);
    await other.context().close();
  });

  await t.test('a segment is built by clicking, its size follows what is typed', async () => {
    await page.getByRole('link', { name: 'New segment' }).click();
    await page.getByLabel('Name').fill('proteus');
    await page.getByLabel('Of', { exact: true }).fill('bronze.customers');
    await page.getByLabel('Property').fill('plan');
    await page.getByLabel('Value').fill('pro');
    await page.getByTestId('token-form').waitFor();
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Use it' }).click();
    const size = page.getByTestId('preview-members');
    const of_plan = async (...plans) => Number(await postgres.sql(database, `SELECT count(*) FROM customers WHERE plan IN (${plans.map((plan) => `'${plan}'`)})`));
    const shows = (wanted, what) => eventually(what, async () => (await size.count()) === 1 && (await number(size)) === wanted, { deadline_ms: 15_000 });
    await shows(await of_plan('pro'), 'customers of plan pro');
    await page.getByLabel('Operator').selectOption('in');
    await page.getByLabel('Value').fill('pro, team');
    await shows(await of_plan('pro', 'team'), 'customers of two plans');
    assert.notEqual(await of_plan('pro'), await of_plan('pro', 'team'));
    await page.getByLabel('Tell, when').fill('crm');
    await assert_accessible(page, 'builder');
    await screenshot(page, 'segment-builder-light-1440');
    page.problems = page.problems.filter((problem) => !expected(problem));
    await page.getByRole('button', { name: 'Save' }).click();
    await page.waitForURL(`${address}/segments/proteus`);
    const members = page.getByTestId('members');
    const wanted = await of_plan('pro', 'team');
    await eventually('its members', async () => (await number(members)) === wanted, { deadline_ms: 15_000 });
    // A commit moves somebody in; the page says so and the destination is told.
    const moved = (await postgres.sql(database, "UPDATE customers SET plan = 'team' WHERE id = (SELECT min(id) FROM customers WHERE plan NOT IN ('pro', 'team')) RETURNING id")).trim().split('\n')[0];
    await eventually('one more member', async () => (await number(members)) === wanted + 1, { deadline_ms: 5_000 });
    await eventually('the destination is told', () => receiver.told('proteus', 'id').includes(moved), { deadline_ms: 15_000 });
    await page.getByLabel('Why is somebody in it').fill(moved);
    await page.getByRole('button', { name: 'Explain' }).click();
    const answer = page.getByTestId('explanation');
    await answer.waitFor();
    assert.equal(await answer.getAttribute('data-member'), 'true');
    assert.match(await page.locator('.explain').textContent(), /plan is one of pro, team\s*yes\s*team/);
    assert.equal(new URL(page.url()).searchParams.get('entity'), moved);
    await assert_accessible(page, 'segment');
    await screenshot(page, 'segment-light-1440');
    // Changed by clicking: the form has what was saved, and what is saved comes into force.
    await page.getByRole('link', { name: 'Edit', exact: true }).click();
    await page.waitForURL(`${address}/segments/proteus/edit`);
    await eventually('the form is filled', async () => (await page.getByLabel('Property').inputValue()) === 'plan', { deadline_ms: 10_000 });
    assert.equal(await page.getByLabel('Operator').inputValue(), 'in');
    assert.equal(await page.getByLabel('Value').inputValue(), 'pro, team');
    const notified = await page.getByLabel('Tell, when somebody').inputValue();
    assert.notEqual(notified, '');
    await page.getByLabel('Value').fill('pro');
    await page.getByText('Against what is saved').waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.waitForURL(`${address}/segments/proteus`);
    await eventually('only one plan', async () => (await number(members)) === (await of_plan('pro')), { deadline_ms: 15_000 });
    assert.deepEqual(JSON.parse((await api('/api/segments/proteus')).saved), { entity: 'bronze.customers', where: { all: [{ property: 'plan', in: ['pro'] }] }, notify: notified.split(', ') }, 'edited');
  });

  await t.test('people: found by an id, with what they did', async () => {
    const someone = JSON.parse(await project.clickhouse("SELECT * FROM cdp.profiles WHERE email != '' AND events > 3 ORDER BY profile_id LIMIT 1", { format: 'JSONEachRow' }));
    await page.getByRole('navigation').getByRole('link', { name: 'People' }).click();
    await page.getByTestId('people').getByRole('link').first().waitFor();
    await assert_accessible(page, 'people');
    await screenshot(page, 'people-light-1440');
    await page.getByLabel('Find by id').fill(someone.email);
    await page.waitForURL(/like=/);
    const found = page.getByTestId('people').getByRole('link');
    await eventually('one person', async () => (await found.count()) === 1, { deadline_ms: 10_000 });
    await found.click();
    await page.getByTestId('timeline').first().waitFor();
    assert.ok((await page.getByTestId('person').textContent()).includes(someone.email));
    assert.equal(await page.getByTestId('timeline').locator('li.event').count(), Number(someone.events));
    await assert_accessible(page, 'person');
    await screenshot(page, 'person-light-1440');
    await page.goto(`${address}/people/cdp.profiles/user_id%3Anobody`);
    await page.getByText('nobody is known by this id').waitFor();
    page.problems = page.problems.filter((problem) => !/status of 404/.test(problem));
  });

  await t.test('the SQL console and quarantine', async () => {
    await page.goto(`${address}/sql`);
    await page.getByTestId('query').fill('SELECT plan, count() AS customers FROM bronze.customers__current GROUP BY plan ORDER BY plan');
    await page.getByTestId('query').press('Control+Enter');
    const size = page.getByTestId('result-size');
    await size.waitFor();
    assert.equal(await number(size), Number(await postgres.sql(database, 'SELECT count(DISTINCT plan) FROM customers')));
    assert.match(page.url(), /q=SELECT/);
    const shown = await page.locator('[data-column=customers]').evaluateAll((cells) => cells.map((cell) => cell.dataset.value));
    assert.deepEqual(shown, (await postgres.sql(database, 'SELECT count(*) FROM customers GROUP BY plan ORDER BY plan')).trim().split('\n'));
    await page.getByText('bronze.customers', { exact: true }).waitFor();
    await assert_accessible(page, 'sql');
    await screenshot(page, 'sql-light-1440');
    assert.equal((await project.fetch('/api/sql', { method: 'POST', body: '{"sql": "SELECT 1"}' })).status, 401);
    const answer = await project.fetch('/api/sql', { method: 'POST', body: '{"sql": "INSERT INTO bronze.customers SELECT * FROM bronze.customers"}', headers: { Authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 400, 'it reads only');
    await page.getByRole('navigation').getByRole('link', { name: 'Quarantine' }).click();
    await page.getByText('None: every row that came').waitFor();
    await assert_accessible(page, 'quarantine');
  });

  await t.test('on a phone, in the dark', async () => {
    const other = await open_page(browser, `${address}/segments/big_spender`, { theme: 'dark', width: 390, height: 844 });
    for (const where of ['/segments', '/segments/big_spender', '/people', '/sql', '/quarantine', '/overview', '/models']) {
      await other.goto(`${address}${where}`);
      await other.getByRole('heading', { level: 1 }).waitFor();
      await assert_fits(other, where);
      await assert_accessible(other, `${where}, dark`);
    }
    await other.goto(`${address}/segments/big_spender`);
    await other.getByTestId('members').waitFor();
    await screenshot(other, 'segment-dark-390');
    assert.deepEqual(other.problems.filter((problem) => !expected(problem)), []);
    await other.context().close();
  });

  assert.deepEqual(page.problems, []);
  await project.down();
});
