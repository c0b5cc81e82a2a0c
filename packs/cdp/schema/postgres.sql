-- The database of a shop whose customers log in: what it knows of people beside what they do. `tidemark generate cdp`
-- creates these tables when they are missing. Timestamps have no zone and are UTC.

CREATE TABLE IF NOT EXISTS accounts (
    id text PRIMARY KEY, name text NOT NULL, country text NOT NULL, created_at timestamp NOT NULL
);
CREATE TABLE IF NOT EXISTS customers (
    id text PRIMARY KEY, account_id text NOT NULL REFERENCES accounts, email text NOT NULL, name text NOT NULL,
    country text NOT NULL, plan text NOT NULL CHECK (plan IN ('free', 'pro', 'team')), consent boolean NOT NULL,
    birthday date, trial_ends_at timestamp, created_at timestamp NOT NULL, updated_at timestamp NOT NULL
);
CREATE TABLE IF NOT EXISTS products (
    id int PRIMARY KEY, name text NOT NULL, category text NOT NULL, price numeric(10, 2) NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (
    id bigint PRIMARY KEY, customer_id text NOT NULL REFERENCES customers ON DELETE CASCADE,
    product_id int NOT NULL REFERENCES products, amount numeric(10, 2) NOT NULL,
    status text NOT NULL CHECK (status IN ('paid', 'refunded')), placed_at timestamp NOT NULL, updated_at timestamp NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_customer ON orders (customer_id);
