-- The operational database of an advertising platform. `tidemark generate adtech` creates these tables when they
-- are missing; run this file yourself to look at them first. Timestamps have no zone and are UTC.
-- Facts have bigserial keys: 2^31 impressions are a few days of a busy platform.

CREATE TABLE IF NOT EXISTS advertiser (
    id         serial PRIMARY KEY,
    name       varchar(255) NOT NULL,
    updated_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc')
);

CREATE TABLE IF NOT EXISTS campaign (
    id            serial PRIMARY KEY,
    name          varchar(255) NOT NULL,
    bid           numeric(10,2) NOT NULL,
    budget        numeric(10,2) NOT NULL,
    start_date    date NOT NULL,
    end_date      date NOT NULL,
    advertiser_id integer NOT NULL REFERENCES advertiser (id),
    updated_at    timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    created_at    timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc')
);

CREATE TABLE IF NOT EXISTS impressions (
    id          bigserial PRIMARY KEY,
    campaign_id integer NOT NULL REFERENCES campaign (id) ON UPDATE CASCADE,
    created_at  timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc')
);

CREATE TABLE IF NOT EXISTS clicks (
    id          bigserial PRIMARY KEY,
    campaign_id integer NOT NULL REFERENCES campaign (id) ON UPDATE CASCADE,
    created_at  timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc')
);
