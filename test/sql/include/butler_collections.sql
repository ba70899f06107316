-- What butler_registry.sql leaves out that is about collections: chains, summaries
-- with the foreign keys from tags to them, and calibrations of a dataset type.
SET search_path = registry, public;
CREATE TABLE IF NOT EXISTS collection_chain (parent bigint REFERENCES collection ON DELETE CASCADE, position smallint, child bigint NOT NULL REFERENCES collection,
    PRIMARY KEY (parent, position));
CREATE TABLE IF NOT EXISTS collection_summary_dataset_type (collection_id bigint REFERENCES collection ON DELETE CASCADE, dataset_type_id bigint REFERENCES dataset_type ON DELETE CASCADE,
    PRIMARY KEY (collection_id, dataset_type_id));
CREATE TABLE IF NOT EXISTS collection_summary_instrument (collection_id bigint REFERENCES collection ON DELETE CASCADE, instrument varchar(16) REFERENCES instrument,
    PRIMARY KEY (collection_id, instrument));
CREATE TABLE IF NOT EXISTS collection_summary_skymap (collection_id bigint REFERENCES collection ON DELETE CASCADE, skymap text REFERENCES skymap,
    PRIMARY KEY (collection_id, skymap));
ALTER TABLE dataset_tags_00000001 ADD FOREIGN KEY (collection_id, dataset_type_id) REFERENCES collection_summary_dataset_type,
    ADD FOREIGN KEY (collection_id, instrument) REFERENCES collection_summary_instrument;
ALTER TABLE dataset_tags_00000002 ADD FOREIGN KEY (collection_id, dataset_type_id) REFERENCES collection_summary_dataset_type,
    ADD FOREIGN KEY (collection_id, instrument) REFERENCES collection_summary_instrument;

-- bias: of a detector, certified for a time
CREATE TABLE dataset_tags_00000004 (dataset_type_id bigint NOT NULL REFERENCES dataset_type, dataset_id uuid REFERENCES dataset ON DELETE CASCADE,
    collection_id bigint REFERENCES collection ON DELETE CASCADE, instrument varchar(16) NOT NULL, detector bigint NOT NULL,
    PRIMARY KEY (dataset_id, collection_id), UNIQUE (dataset_type_id, collection_id, instrument, detector),
    FOREIGN KEY (collection_id, dataset_type_id) REFERENCES collection_summary_dataset_type, FOREIGN KEY (collection_id, instrument) REFERENCES collection_summary_instrument);
CREATE TABLE dataset_calibs_00000004 (id bigserial PRIMARY KEY, dataset_type_id bigint NOT NULL REFERENCES dataset_type, dataset_id uuid NOT NULL REFERENCES dataset ON DELETE CASCADE,
    collection_id bigint NOT NULL REFERENCES collection ON DELETE CASCADE, instrument varchar(16) NOT NULL, detector bigint NOT NULL, timespan int8range,
    FOREIGN KEY (collection_id, dataset_type_id) REFERENCES collection_summary_dataset_type, FOREIGN KEY (collection_id, instrument) REFERENCES collection_summary_instrument);
INSERT INTO dimension_graph_key VALUES (4), (5);
INSERT INTO dimension_graph_definition VALUES (4, 'instrument'), (4, 'detector');
INSERT INTO dataset_type (name, storage_class, dimensions_key, tag_association_table, calibration_association_table)
    VALUES ('bias', 'Exposure', 4, 'dataset_tags_00000004', 'dataset_calibs_00000004');
-- settings: of nothing
CREATE TABLE dataset_tags_00000000 (dataset_type_id bigint NOT NULL REFERENCES dataset_type, dataset_id uuid REFERENCES dataset ON DELETE CASCADE,
    collection_id bigint REFERENCES collection ON DELETE CASCADE, PRIMARY KEY (dataset_id, collection_id), UNIQUE (dataset_type_id, collection_id),
    FOREIGN KEY (collection_id, dataset_type_id) REFERENCES collection_summary_dataset_type);
INSERT INTO dataset_type (name, storage_class, dimensions_key, tag_association_table) VALUES ('settings', 'Dict', 5, 'dataset_tags_00000000');

-- as the client does: the dataset, the summaries, the tags
CREATE FUNCTION collection(text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT collection_id FROM registry.collection WHERE name = $1 $$;
CREATE FUNCTION summarize(type bigint, collection bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry.collection_summary_dataset_type VALUES (collection, type) ON CONFLICT DO NOTHING;
    INSERT INTO registry.collection_summary_instrument VALUES (collection, 'Cam') ON CONFLICT DO NOTHING;
END
$$;
CREATE OR REPLACE FUNCTION put(type text, run text, detector bigint, other bigint) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    t registry.dataset_type := (SELECT d FROM registry.dataset_type d WHERE d.name = type);
    c bigint := registry.collection(run);
    i uuid := registry.id(format('%s %s %s %s', type, run, detector, other));
BEGIN
    INSERT INTO registry.dataset VALUES (i, t.id, 0, c);
    PERFORM registry.summarize(t.id, c);
    EXECUTE format('INSERT INTO registry.%I VALUES ($1, $2, $3%s)', t.tag_association_table,
                   CASE type WHEN 'settings' THEN '' WHEN 'bias' THEN ', ''Cam'', $4' ELSE ', ''Cam'', $4, $5' END) USING t.id, i, c, detector, other;
    RETURN i;
END
$$;
-- one statement for all of a run's datasets of a type, as associate() and certify() are one for each
CREATE FUNCTION associate(tag text, type text, run text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t registry.dataset_type := (SELECT d FROM registry.dataset_type d WHERE d.name = type);
BEGIN
    PERFORM registry.summarize(t.id, registry.collection(tag));
    EXECUTE format('INSERT INTO registry.%1$I SELECT (jsonb_populate_record(t, jsonb_build_object(''collection_id'', $1))).* FROM registry.%1$I t WHERE dataset_type_id = $2 AND collection_id = $3',
                   t.tag_association_table) USING registry.collection(tag), t.id, registry.collection(run);
END
$$;
CREATE FUNCTION certify(calib text, run text, timespan int8range) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t bigint := (SELECT d.id FROM registry.dataset_type d WHERE d.name = 'bias');
BEGIN
    PERFORM registry.summarize(t, registry.collection(calib));
    INSERT INTO registry.dataset_calibs_00000004 (dataset_type_id, dataset_id, collection_id, instrument, detector, timespan)
        SELECT dataset_type_id, dataset_id, registry.collection(calib), instrument, detector, $3 FROM registry.dataset_tags_00000004 WHERE collection_id = registry.collection(run);
END
$$;
CREATE FUNCTION chain(name text, members text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry.collection (name, type) VALUES (chain.name, 3) ON CONFLICT DO NOTHING;
    PERFORM FROM registry.collection c WHERE c.name = chain.name FOR UPDATE;
    DELETE FROM registry.collection_chain WHERE parent = registry.collection(chain.name);
    INSERT INTO registry.collection_chain SELECT registry.collection(chain.name), o - 1, registry.collection(m) FROM unnest(members) WITH ORDINALITY u (m, o);
END
$$;
