-- Three ObsCore tables of a registry, of runs, a tag and a search path, whose collections
-- come and go: an include of the tests that have them.  They bring a function
-- registry.event(i, one, r), which does something about a collection by the name of one.
SELECT '{"facility_name": "F", "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{visit}/{detector}"}}}'::jsonb AS config \gset
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "RUN", "collections": ["a/.*"]}')::json, 'registry', 'of_runs');
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "TAGGED", "collections": ["a/tag"]}')::json, 'registry', 'of_tag');
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "CHAINED", "collections": ["chain", "b/*", "a/last"]}')::json, 'registry', 'of_path');
CREATE VIEW wrong AS SELECT * FROM catreg.check_obscore('registry.of_runs') UNION ALL SELECT * FROM catreg.check_obscore('registry.of_tag')
    UNION ALL SELECT * FROM catreg.check_obscore('registry.of_path');
CREATE VIEW n_rows AS SELECT (SELECT count(*) FROM registry.of_runs) AS of_runs, (SELECT count(*) FROM registry.of_tag) AS of_tag,
    (SELECT count(*) FROM registry.of_path) AS of_path;
-- which of the tables a statement has looked at
CREATE FUNCTION registry.looked_at(statement text) RETURNS TABLE (looked_at name) LANGUAGE sql AS $$
    SELECT scanned FROM registry.scans(statement || '; SET CONSTRAINTS ALL IMMEDIATE', '^of_')
$$;
-- events of some seed, several a transaction, some undone; after each transaction the tables are as check_obscore() has them
CREATE PROCEDURE registry.events(n int, seed float8) LANGUAGE plpgsql AS $$
DECLARE
    names text[] := ARRAY['a/run', 'b/run', 'c/run', 'a/tag', 'b/tag', 'c/tag', 'a/last'];
    one text;
    seen bigint[] := '{0,0,0}';
    r float8;
BEGIN
    PERFORM setseed(seed);
    FOR i IN 1 .. n LOOP
        one := names[1 + floor(random() * 7)];
        r := random();
        BEGIN
            PERFORM registry.event(i, one, r);
            IF random() < 0.1 THEN
                RAISE division_by_zero;
            END IF;
        EXCEPTION WHEN unique_violation OR foreign_key_violation OR division_by_zero THEN NULL;
        END;
        CONTINUE WHEN random() < 0.4;
        COMMIT;
        seen := (SELECT ARRAY[seen[1] + of_runs, seen[2] + of_tag, seen[3] + of_path] FROM n_rows);
        IF EXISTS (TABLE wrong) THEN
            RAISE EXCEPTION 'wrong after event % (%, %) of seed %: %', i, r, one, seed, (SELECT jsonb_agg(w) FROM wrong w);
        END IF;
        IF random() < 0.3 THEN
            SET CONSTRAINTS ALL IMMEDIATE;
        END IF;
    END LOOP;
    IF n / 20 > ANY (seen) THEN
        RAISE EXCEPTION 'few rows were seen: %', seen;
    END IF;
END
$$;
