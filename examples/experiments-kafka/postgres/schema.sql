-- The application's database. Events are an ordinary table; assignments are announced through an outbox.
CREATE TABLE experiments (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE variants (id int PRIMARY KEY, experiment_id int NOT NULL REFERENCES experiments, name text NOT NULL);
CREATE TABLE assignments (
  user_id text NOT NULL, experiment_id int NOT NULL REFERENCES experiments, variant_id int NOT NULL REFERENCES variants,
  assigned_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (user_id, experiment_id));
CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id text NOT NULL, experiment_id int NOT NULL, variant_id int NOT NULL, event_type text NOT NULL,
  occurred_at timestamptz NOT NULL DEFAULT now(), assigned_at timestamptz, properties jsonb NOT NULL DEFAULT '{}');
-- The columns that Debezium's outbox event router expects.
CREATE TABLE outbox (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  aggregatetype text NOT NULL, aggregateid text NOT NULL, type text NOT NULL, payload jsonb NOT NULL);

-- The assignment and what is said about it are one transaction. The row is deleted at once: the log has it, the table
-- stays empty, and the router passes over deletes.
CREATE FUNCTION assign(who text, experiment int, variant int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE event uuid;
BEGIN
  INSERT INTO assignments (user_id, experiment_id, variant_id) VALUES (who, experiment, variant);
  INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
    SELECT 'assignment', who, 'assigned', to_jsonb(a) FROM assignments AS a WHERE user_id = who AND experiment_id = experiment
    RETURNING id INTO event;
  DELETE FROM outbox WHERE id = event;
  RETURN event;
END $$;

-- An event of a user who is assigned.
CREATE FUNCTION track(who text, experiment int, kind text, details jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
  INSERT INTO events (user_id, experiment_id, variant_id, event_type, assigned_at, properties)
    SELECT who, experiment_id, variant_id, kind, assigned_at, details FROM assignments WHERE user_id = who AND experiment_id = experiment
    RETURNING id
$$;

INSERT INTO experiments VALUES (1, 'checkout button'), (2, 'free shipping banner');
INSERT INTO variants VALUES (1, 1, 'control'), (2, 1, 'green'), (3, 2, 'control'), (4, 2, 'banner');
