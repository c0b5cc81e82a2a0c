-- The database of an application that runs experiments. `tidemark generate experiments` creates these tables when they
-- are missing. Timestamps have no zone and are UTC. Events are written by a tracking service: late, sometimes twice (the
-- same request_id under another id), and without foreign keys.

CREATE TABLE IF NOT EXISTS experiments (
    id int PRIMARY KEY, key varchar(64) NOT NULL UNIQUE, name varchar(255) NOT NULL, description text NOT NULL,
    status varchar(16) NOT NULL, created_at timestamp NOT NULL, updated_at timestamp NOT NULL
);
CREATE TABLE IF NOT EXISTS variants (
    id int PRIMARY KEY, experiment_id int NOT NULL, key varchar(64) NOT NULL, name varchar(255) NOT NULL,
    allocation_pct int NOT NULL, is_control boolean NOT NULL, created_at timestamp NOT NULL
);
CREATE TABLE IF NOT EXISTS users (
    user_id varchar(64) PRIMARY KEY, email varchar(255) NOT NULL, name varchar(255) NOT NULL, created_at timestamp NOT NULL
);
CREATE TABLE IF NOT EXISTS assignments (
    id bigint PRIMARY KEY, experiment_id int NOT NULL, user_id varchar(64) NOT NULL, variant_id int NOT NULL,
    variant_key varchar(64) NOT NULL, assigned_at timestamp NOT NULL, enrolled_at timestamp, source varchar(32) NOT NULL,
    created_at timestamp NOT NULL, updated_at timestamp NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
    id bigint PRIMARY KEY, experiment_id int NOT NULL, user_id varchar(64) NOT NULL, variant_id int NOT NULL,
    variant_key varchar(64) NOT NULL, event_type varchar(32) NOT NULL, timestamp timestamp NOT NULL,
    assignment_at timestamp, properties jsonb NOT NULL, session_id varchar(64) NOT NULL, request_id varchar(64) NOT NULL
);
-- What the application announces, in the transaction of the change itself.
CREATE TABLE IF NOT EXISTS outbox_events (
    id bigint PRIMARY KEY, aggregate_id varchar(64) NOT NULL, aggregate_type varchar(32) NOT NULL,
    event_type varchar(32) NOT NULL, payload jsonb NOT NULL, created_at timestamp NOT NULL, processed_at timestamp
);
-- What only a generator knows: how large the effects are that it has made.
CREATE TABLE IF NOT EXISTS true_effects (
    experiment_key varchar(64) NOT NULL, variant_key varchar(64) NOT NULL, metric varchar(64) NOT NULL,
    effect double precision NOT NULL, PRIMARY KEY (experiment_key, variant_key, metric)
);
