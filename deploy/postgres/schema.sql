CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, country text NOT NULL);
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers,
  amount numeric(12, 2) NOT NULL, placed_at timestamptz NOT NULL DEFAULT now());
INSERT INTO customers SELECT n, 'customer ' || n, (ARRAY['DE', 'FR', 'JP', 'US'])[n % 4 + 1] FROM generate_series(1, 1000) AS n;
INSERT INTO orders (customer_id, amount) SELECT n % 1000 + 1, n % 500 FROM generate_series(1, 100000) AS n;
