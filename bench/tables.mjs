// What is moved: rows of seven columns, about 80 bytes in the heap, of the types operational tables are made of. The
// same definition serves every contestant.
export const columns = 'id, customer_id, kind, amount, quantity, is_active, created_at';

export const create_postgres = (table) => `CREATE TABLE ${table} (
  id bigint PRIMARY KEY, customer_id integer NOT NULL, kind text NOT NULL, amount numeric(12,2) NOT NULL,
  quantity integer NOT NULL, is_active boolean NOT NULL, created_at timestamptz NOT NULL)`;

// Rows first..last, the same for the same ids: a multiplicative hash spreads the values.
export const row_source = (first, last) => `
  SELECT i, (i * 2654435761 % 1000003)::int, 'kind-' || (i * 40503 % 17), (i * 48271 % 1000000)::numeric(12,2) / 100,
         (i % 9 + 1)::int, i % 3 <> 0, timestamptz '2026-01-01 00:00:00+00' + (i % 31536000) * interval '1 second'
  FROM generate_series(${first}::bigint, ${last}::bigint) AS i`;

// The table a hand-written load would use: replacing by version, ordered by the key, as bronze tables are.
export const create_warehouse = (table) => `CREATE TABLE ${table} (
  id Int64, customer_id Int32, kind String, amount Decimal(12, 2), quantity Int32, is_active Bool,
  created_at DateTime64(6, 'UTC'), _version UInt128, _deleted UInt8)
  ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id`;

// One line that is equal exactly when the rows are, for all purposes of a benchmark: count and sums of all numbers.
export const checksum_postgres = (table, where = 'true') =>
  `SELECT count(*) || ' ' || coalesce(sum(id), 0) || ' ' || coalesce(sum(customer_id), 0) || ' ' ||
   coalesce(sum(amount) * 100, 0)::bigint || ' ' || coalesce(sum(quantity), 0) FROM ${table} WHERE ${where}`;
export const checksum_warehouse = (table, where = '1') =>
  `SELECT concat(toString(count()), ' ', toString(sum(id)), ' ', toString(sum(customer_id)), ' ',
   toString(toInt64(sum(amount) * 100)), ' ', toString(sum(quantity))) FROM ${table} WHERE ${where} FORMAT TSV`;
