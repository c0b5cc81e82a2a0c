// Tables of a random shape, transactions over them and changes of their shape, all from one stream of random numbers: what the cases
// of docs/CAPTURE.md are made of, in every mixture. Transactions are written against the shape of now and may fail (a key that is taken, a
// column that is gone, a deadlock): what Postgres then keeps is right by definition. Changes of shape are asked for one by one.

const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
const backquoted = (text) => `\`${text.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;

// type: its value for a number i, in SQL
const types = {
  integer: (i) => `${i} % 100000`,
  bigint: (i) => `${i}::bigint * 1000000007`,
  'numeric(12,3)': (i) => `(${i} / 7.0)::numeric(12,3)`,
  numeric: (i) => `${i}::numeric / 3`,
  'double precision': (i) => `${i} / 8.0::float8`,
  text: (i) => `E'\\t''\\\\ü"' || ${i}`,
  'varchar(20)': (i) => `left(md5((${i})::text), (${i} % 20)::int)`,
  boolean: (i) => `${i} % 2 = 0`,
  date: (i) => `date '2000-01-01' + (${i} % 9000)::int`,
  timestamp: (i) => `timestamp '1999-12-31 23:59:59.999999' + ${i} * interval '1 minute 0.000001 second'`,
  timestamptz: (i) => `timestamptz '2020-02-29 12:00+02' + ${i} * interval '1 hour'`,
  interval: (i) => `make_interval(days => (${i} % 50)::int, secs => ${i} / 4.0)`,
  uuid: (i) => `md5((${i})::text)::uuid`,
  jsonb: (i) => `jsonb_build_object('n', ${i}, 'x', NULL)`,
  bytea: (i) => `decode(md5((${i})::text), 'hex')`,
  'text[]': (i) => `ARRAY['a,"b"' || ${i}, NULL]`,
  inet: (i) => `inet '10.0.0.0' + ${i} % 60000`,
  int4range: (i) => `int4range((${i} % 100)::int, (${i} % 100)::int + 5)`,
  mood: (i) => `(enum_range(NULL::mood))[1 + ${i} % 3]`,
};
// Kept out of line: an update of another column leaves it out of the stream.
const large = (i) => `repeat(md5((${i})::text), (80 + ${i} % 100)::int)`;

// What can be the key, and what the stream says of it. `id` is in every table the number of the row.
const kinds = {
  plain: { key: ['id'] },
  pair: { key: ['part', 'id'], extra: "part text NOT NULL", assign: { part: (i) => `'p' || ${i} % 7` } },
  uuid: { key: ['u'], extra: 'u uuid NOT NULL', assign: { u: (i) => `md5((${i})::text)::uuid` } },
  deferrable: { key: ['id'], deferrable: true, identity: 'FULL' },
  index: { key: ['id'], extra: 'code bigint NOT NULL', assign: { code: (i) => `${i} * 3` }, identity: 'USING INDEX' },
  parted: { key: ['id', 'at'], extra: 'at int NOT NULL', assign: { at: (i) => `(${i} % 40)::int` } },
  full: { key: ['id'], identity: 'FULL' },
  log: {},
};
const names = ['t', 'Select', 'имя', 'a "b"', 'x-y?', 'with space', 'log', 'partition'];

export class RandomTables {
  constructor(random) {
    this.random = random;
    this.steps = 0;
    this.columns_made = 0;
    // One of each kind: what differs is everything else.
    this.tables = Object.keys(kinds).map((kind, index) => ({
      ...kinds[kind],
      kind,
      name: `${names[(index + this.below(names.length)) % names.length]}_${index}`,
      identity: kinds[kind].identity ?? 'DEFAULT',
      parts: 4,
      attached: [],
      columns: Array.from({ length: 2 + this.below(4) }, () => this.column()),
    }));
  }
  below(count) {
    return Math.floor(this.random() * count);
  }
  one(list) {
    return list[this.below(list.length)];
  }
  column() {
    const type = this.random() < 0.25 ? 'large' : this.one(Object.keys(types));
    return { name: `${this.one(['c', 'C c', 'ц', 'order', 'q"q'])}${++this.columns_made}`, type, needed: this.random() < 0.2 };
  }

  // Statements that make them, with rows.
  create() {
    const text = ["CREATE TYPE mood AS ENUM ('sad', 'so so', 'fine');", 'CREATE TABLE steps (step int PRIMARY KEY);'];
    for (const table of this.tables) {
      const name = quoted(table.name);
      const key = table.key ? `, PRIMARY KEY (${table.key.join(', ')}) ${table.deferrable ? 'DEFERRABLE' : ''}` : '';
      text.push(`CREATE TABLE ${name} (id bigint NOT NULL, n int NOT NULL, k smallint NOT NULL ${table.extra ? `, ${table.extra}` : ''} ${table.columns.map((column) => `, ${this.definition(column)}`).join('')} ${key}) ${table.kind === 'parted' ? 'PARTITION BY RANGE (at)' : ''};`);
      for (const column of table.columns) if (column.type === 'large') text.push(`ALTER TABLE ${name} ALTER ${quoted(column.name)} SET STORAGE EXTERNAL;`);
      if (table.kind === 'parted') for (let part = 0; part < 4; ++part) text.push(`CREATE TABLE part_${part} PARTITION OF ${name} FOR VALUES FROM (${part * 10}) TO (${part * 10 + 10});`);
      if (table.kind === 'index') text.push(`CREATE UNIQUE INDEX of_code ON ${name} (code, id); ALTER TABLE ${name} REPLICA IDENTITY USING INDEX of_code;`);
      if (table.identity === 'FULL') text.push(`ALTER TABLE ${name} REPLICA IDENTITY FULL;`);
      text.push(`${this.insert(table, 1, 300)};`);
    }
    return text.join('\n');
  }
  definition(column) {
    return `${quoted(column.name)} ${column.type === 'large' ? 'text' : column.type}${column.needed ? ' NOT NULL' : ''}`;
  }
  value(column, i) {
    const value = (column.type === 'large' ? large : types[column.type])(i);
    return column.needed ? value : `CASE WHEN ${i} % 5 > 0 THEN ${value} END`;
  }
  // The columns of a row with the number i, and its key.
  assignments(table, i) {
    return [['id', i], ...Object.entries(table.assign ?? {}).map(([name, value]) => [name, value(i)])];
  }
  insert(table, first, last, salt = 0) {
    const columns = [...this.assignments(table, 'i'), ['n', `i + ${salt}`], ['k', 'i % 9'], ...table.columns.map((column) => [quoted(column.name), this.value(column, `(i + ${salt})`)])];
    const free = table.key ? ` WHERE NOT EXISTS (SELECT FROM ${quoted(table.name)} x WHERE x.id = i)` : '';
    return `INSERT INTO ${quoted(table.name)} (${columns.map(([name]) => name).join(', ')}) SELECT ${columns.map(([, value]) => value).join(', ')} FROM generate_series(${first}::bigint, ${last}) i${free}`;
  }
  rekey(table, condition, i) {
    return `UPDATE ${quoted(table.name)} SET ${this.assignments(table, i).map(([name, value]) => `${name} = ${value}`).join(', ')} WHERE ${condition}`;
  }
  update(table, condition, salt) {
    const some = table.columns.filter(() => this.random() < 0.4).map((column) => `${quoted(column.name)} = ${this.value(column, `(id + ${salt})`)}`);
    return `UPDATE ${quoted(table.name)} SET ${['n = n + 1', ...some].join(', ')} WHERE ${condition}`;
  }

  // What is in one transaction.
  statements() {
    const table = this.one(this.tables);
    const name = quoted(table.name);
    const salt = this.below(1_000_000);
    const id = 1 + this.below(3000);
    const few = this.insert(table, id, id + this.below(30), salt);
    // Many rows that share one place of the log.
    if (!table.extra && this.random() < 0.05 && !table.columns.some(({ needed }) => needed)) {
      const lines = Array.from({ length: 40 }, (_, index) => `${30_000 + salt + index}\t${index}\t${index % 9}`);
      return `COPY ${name} (id, n, k) FROM STDIN;\n${lines.join('\n')}\n\\.\nDELETE FROM steps WHERE false`;
    }
    if (!table.key) return this.random() < 0.02 ? `TRUNCATE ${name}; ${few}` : few;
    const modulus = 20 + this.below(300);
    const where = `id % ${modulus} = ${salt % modulus}`;
    const kind = this.random();
    if (kind < 0.2) return few;
    if (kind < 0.4) return this.update(table, where, salt);
    if (kind < 0.47) return `${this.update(table, where, salt)}; ${this.update(table, where, salt + 1)}; ${this.update(table, `id = ${id}`, salt)}`;
    if (kind < 0.54) return `DELETE FROM ${name} WHERE ${where}`;
    // keys: away and back, exchanged, shifted
    if (kind < 0.6) return `${this.rekey(table, where + ' AND id < 5000', 'id + 5000')}; ${this.update(table, 'id > 5000', salt)}`;
    if (kind < 0.64) return this.rekey(table, 'id > 5000', 'id - 5000');
    if (kind < 0.7) {
      const other = id + 1 + this.below(20);
      if (table.deferrable) return `${this.rekey(table, `id IN (${id}, ${other})`, `${id + other} - id`)}; ${this.update(table, `id = ${id}`, salt)}`;
      return `${this.rekey(table, `id = ${id}`, '-1::bigint')}; ${this.rekey(table, `id = ${other}`, `${id}::bigint`)}; ${this.rekey(table, 'id = -1', `${other}::bigint`)}`;
    }
    if (kind < 0.74) return this.rekey(table, `id BETWEEN ${id} AND ${id + 50}`, table.deferrable ? 'id + 1' : 'id + 7000');
    // one key several times
    if (kind < 0.8) return `DELETE FROM ${name} WHERE id = ${id}; ${this.insert(table, id, id, salt)}; ${this.update(table, `id = ${id}`, salt)}`;
    if (kind < 0.84) return `${this.insert(table, id + 10000, id + 10003, salt)}; ${this.update(table, 'id > 10000', salt)}; DELETE FROM ${name} WHERE id > 10000`;
    if (kind < 0.88) return `SAVEPOINT s; ${this.update(table, 'true', salt)}; DELETE FROM ${name} WHERE ${where}; ROLLBACK TO s; SAVEPOINT s; ${few}; RELEASE s; ${this.update(table, where, salt)}`;
    if (kind < 0.91) return `SELECT pg_logical_emit_message(${salt % 2 === 0}, 'other', repeat('m', ${salt % 5000})); ${few}`;
    if (kind < 0.94) return `${few}; ${this.update(table, 'true', salt)}; ROLLBACK; BEGIN; ${this.update(table, where, salt)}`;
    // many rows, so that they are streamed before the end
    if (kind < 0.97) return `${this.insert(table, 1, 600 + (salt % 1500), salt)}; SELECT pg_sleep(0.03); ${this.update(table, 'id % 3 = 0', salt)}; SAVEPOINT s; ${this.insert(table, 20000, 20400, salt)}; ROLLBACK TO s; SELECT pg_sleep(0.03); DELETE FROM ${name} WHERE id > 800`;
    if (kind < 0.98) {
      const other = this.one(this.tables);
      return `${few}; TRUNCATE ${name}, ${quoted(other.name)}; ${this.insert(table, id, id + 100, salt)}`.replace(`TRUNCATE ${name}, ${name}`, `TRUNCATE ${name}`);
    }
    return `${few}; TRUNCATE ${name}; ${this.insert(table, id, id + 200, salt)}`;
  }
  script(count) {
    return Array.from({ length: count }, () => `BEGIN;\n${this.statements()};\nCOMMIT;\nSELECT pg_sleep(${(this.random() * 0.02).toFixed(4)});`).join('\n');
  }

  // A change of shape with rows before and after it in the same transaction; `done` says that it is committed.
  change() {
    const table = this.one(this.tables);
    const name = quoted(table.name);
    const step = ++this.steps;
    const salt = this.below(1_000_000);
    const column = this.column();
    const old = table.columns.length ? this.one(table.columns) : null;
    const others = (one) => table.columns.filter((other) => other !== one);
    const add = `ALTER TABLE ${name} ADD COLUMN ${this.definition({ ...column, needed: false })}`;
    const external = column.type === 'large' ? `, ALTER ${quoted(column.name)} SET STORAGE EXTERNAL` : '';
    const few = this.insert(table, 600_000 + step * 10, 600_003 + step * 10, salt);
    const options = {
      add: () => [`${add}; ALTER TABLE ${name} ALTER ${quoted(column.name)} DROP NOT NULL${external}`, () => table.columns.push({ ...column, needed: false })],
      add_default: () => [`${add} DEFAULT ${this.value({ ...column, needed: true }, salt)}; ${table.key ? `UPDATE ${name} SET n = n + 1 WHERE id % 50 = 0` : few}; ALTER TABLE ${name} ALTER ${quoted(column.name)} DROP DEFAULT${external}`, () => table.columns.push({ ...column, needed: false })],
      add_needed: () => [`${add} NOT NULL DEFAULT ${this.value({ ...column, needed: true }, salt)}`, () => table.columns.push({ ...column, needed: true })],
      add_computed: () => [`ALTER TABLE ${name} ADD COLUMN ${quoted(column.name)} double precision DEFAULT random()`, () => table.columns.push({ ...column, type: 'double precision', needed: false })],
    };
    if (table.columns.length > 2) {
      options.drop = () => [`ALTER TABLE ${name} DROP COLUMN ${quoted(old.name)}`, () => (table.columns = others(old))];
      options.drop_and_add = () => [`ALTER TABLE ${name} DROP COLUMN ${quoted(old.name)}; ALTER TABLE ${name} ADD COLUMN ${this.definition({ ...column, name: old.name, needed: false })}`, () => (table.columns = [...others(old), { ...column, name: old.name, needed: false }])];
      options.rename = () => [`ALTER TABLE ${name} RENAME COLUMN ${quoted(old.name)} TO ${quoted(column.name)}`, () => (old.name = column.name)];
      const wider = { 'varchar(20)': 'text', 'numeric(12,3)': 'numeric', integer: 'bigint' }[old.type];
      if (wider) options.wider = () => [`ALTER TABLE ${name} ALTER ${quoted(old.name)} TYPE ${wider}`, () => (old.type = wider)];
      options.nullability = old.needed
        ? () => [`ALTER TABLE ${name} ALTER ${quoted(old.name)} DROP NOT NULL`, () => (old.needed = false)]
        : () => [`UPDATE ${name} SET ${quoted(old.name)} = ${this.value({ ...old, needed: true }, 'id')} WHERE ${quoted(old.name)} IS NULL; ALTER TABLE ${name} ALTER ${quoted(old.name)} SET NOT NULL`, () => (old.needed = true)];
      if (!table.key) delete options.nullability;  // a log takes no updates
    }
    if (['DEFAULT', 'FULL'].includes(table.identity) && table.key && !table.deferrable) {
      const identity = table.identity === 'FULL' ? 'DEFAULT' : 'FULL';
      options.identity = () => [`ALTER TABLE ${name} REPLICA IDENTITY ${identity}`, () => (table.identity = identity)];
    }
    if (table.kind === 'index' || table.kind === 'plain') {
      const key = table.kind === 'index' ? (table.key.length === 1 ? ['id', 'code'] : ['id']) : table.key.length === 1 ? ['k', 'id'] : ['id'];
      options.key = () => [`DELETE FROM ${name} a USING ${name} b WHERE a.id = b.id AND a.ctid < b.ctid; DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint WHERE conrelid = '${name}'::regclass AND contype = 'p'); END $$; ALTER TABLE ${name} ADD PRIMARY KEY (${key.join(', ')})`, () => (table.key = key)];
    }
    if (table.kind === 'parted') {
      const part = table.parts;
      // Made, filled and attached in one transaction; its rows are not in the stream as this table's.
      options.attach = () => [`CREATE TABLE part_${part} (LIKE ${name} INCLUDING ALL); ${this.insert({ ...table, name: `part_${part}`, assign: { at: () => `${part * 10}` } }, 1_000_000 + part * 100, 1_000_040 + part * 100, salt)}; ALTER TABLE ${name} ATTACH PARTITION part_${part} FOR VALUES FROM (${part * 10}) TO (${part * 10 + 10})`, () => { table.attached.push(part); ++table.parts; }];
      options.create_part = () => [`CREATE TABLE part_${part} PARTITION OF ${name} FOR VALUES FROM (${part * 10}) TO (${part * 10 + 10}); UPDATE ${name} SET at = ${part * 10} WHERE id % 29 = 1 AND id < 900000`, () => { table.attached.push(part); ++table.parts; }];
      if (table.attached.length) {
        const gone = this.one(table.attached);
        options.detach = () => [`ALTER TABLE ${name} DETACH PARTITION part_${gone}; ${salt % 2 ? `DROP TABLE part_${gone}` : `UPDATE part_${gone} SET n = -n`}`, () => (table.attached = table.attached.filter((other) => other !== gone))];
      }
    }
    const what = this.one(Object.keys(options));
    const [sql, done] = options[what]();
    const id = 500_000 + step * 10;
    const rows = this.insert(table, id, id + 3, salt);
    return {
      what: `${what} of ${table.name}`,
      step,
      sql: `BEGIN; SET lock_timeout = '5s'; LOCK TABLE ${name} IN ACCESS EXCLUSIVE MODE; ${rows}; ${sql}; INSERT INTO steps VALUES (${step}); COMMIT`,
      done: () => {
        done();
        return this.insert(table, id + 4, id + 6, salt);  // rows of the new shape
      },
    };
  }

  // One row more for every table, so that what the stream has not spoken of yet is spoken of.
  touch() {
    const id = 700_000 + ++this.steps * 10;
    return `${this.tables.map((table) => this.insert(table, id, id + 1)).join(';\n')}; INSERT INTO steps VALUES (${this.steps})`;
  }

  // For each table: its name, its columns as the warehouse must have them, and the two questions that must have one answer.
  comparisons() {
    return this.tables.map((table) => {
      const columns = [...this.assignments(table, 'i').map(([name]) => [name]), ['n'], ['k'], ...table.columns.map(({ name, type, needed }) => [name, type, needed])];
      const left = columns.map(([name, type, needed]) => (type === 'bytea' ? `encode(${quoted(name)}, 'hex')` : type === 'text[]' && needed ? `array_to_string(${quoted(name)}, ',', 'NULL')` : quoted(name)));
      const right = columns.map(([name, type, needed]) => (type === 'bytea' ? `lower(hex(${backquoted(name)}))` : type === 'text[]' && needed ? `arrayStringConcat(arrayMap(x -> ifNull(x, 'NULL'), ${backquoted(name)}), ',')` : backquoted(name)));
      return {
        name: table.name,
        columns: columns.map(([name]) => name).sort().join(','),
        expected: `SELECT ${left} FROM ${quoted(table.name)}`,
        query: `SELECT ${right} FROM bronze.${backquoted(`${table.name}__current`)} SETTINGS max_result_rows = 1000000`,
      };
    });
  }
}
