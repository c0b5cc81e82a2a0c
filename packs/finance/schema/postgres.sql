-- The operational database of a payments company. `tidemark generate finance` creates these tables when they are
-- missing; run this file yourself to look at them first. Timestamps have no zone and are UTC.
-- There are no foreign keys: a card network delivers transactions whether or not the merchant's record has arrived.

CREATE TABLE IF NOT EXISTS raw_merchants (
    merchant_id       uuid PRIMARY KEY,
    merchant_name     varchar(255) NOT NULL,
    merchant_category varchar(50) NOT NULL,
    country           varchar(50) NOT NULL,
    risk_rating       integer NOT NULL CHECK (risk_rating BETWEEN 1 AND 5)
);

CREATE TABLE IF NOT EXISTS raw_accounts (
    account_id  uuid PRIMARY KEY,
    user_name   varchar(255) NOT NULL,
    email       varchar(255) NOT NULL,
    country     varchar(50) NOT NULL,
    signup_date date NOT NULL
);

CREATE TABLE IF NOT EXISTS raw_fx_rates (
    date        date NOT NULL,
    currency    varchar(10) NOT NULL,
    rate_to_eur numeric(12,6) NOT NULL,
    PRIMARY KEY (date, currency)
);

CREATE TABLE IF NOT EXISTS raw_ip_geo (
    ip              varchar(45) PRIMARY KEY,
    country         varchar(50) NOT NULL,
    city            varchar(100) NOT NULL,
    is_proxy_or_vpn boolean NOT NULL
);

CREATE TABLE IF NOT EXISTS raw_transactions (
    transaction_id uuid PRIMARY KEY,
    account_id     uuid NOT NULL,
    timestamp      timestamp NOT NULL,
    amount         numeric(12,2) NOT NULL,
    currency       varchar(10) NOT NULL,
    merchant_id    uuid NOT NULL,
    status         varchar(10) NOT NULL CHECK (status IN ('success', 'failed', 'pending')),
    ip             varchar(45) NOT NULL,
    device_id      varchar(64) NOT NULL
);
