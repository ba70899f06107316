-- For the registry of butler_registry.sql: a second instrument, and puts for either.
INSERT INTO registry.instrument VALUES ('Two', 1000, 1000, 10, 'Two');
INSERT INTO registry.physical_filter VALUES ('Two', 'r', 'r');
INSERT INTO registry.detector SELECT 'Two', d, 'T' || d, 'SCIENCE' FROM generate_series(0, 3) d;
INSERT INTO registry.day_obs VALUES ('Two', 20250101, NULL);
INSERT INTO registry.visit SELECT 'Two', id, day_obs, 'r', 'two ' || id, seq_num, exposure_time, target_name, 1, registry.square(7 * id, -5), timespan FROM registry.visit;
CREATE FUNCTION registry.put_many(instrument text, run text, detectors int[], visits int[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	c bigint := (SELECT collection_id FROM registry.collection c WHERE c.name = run);
BEGIN
	INSERT INTO registry.dataset SELECT registry.id(concat(instrument, run, d, '-', v)), 2, 0, c FROM unnest(detectors) d, unnest(visits) v;
	INSERT INTO registry.dataset_tags_00000002
		SELECT 2, registry.id(concat(instrument, run, d, '-', v)), c, instrument, d, v FROM unnest(detectors) d, unnest(visits) v;
	RETURN cardinality(detectors) * cardinality(visits);
END
$$;
