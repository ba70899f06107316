-- The chains and the ObsCore table of obscore_find_first_writers.spec: a specification holds no braces.
SET LOCAL search_path = registry;
INSERT INTO collection (collection_id, name, type) SELECT 100 + n, 'run/' || n, 1 FROM generate_series(1, 4) n;
INSERT INTO run SELECT collection_id FROM collection WHERE name LIKE 'run/%';
INSERT INTO collection (collection_id, name, type) VALUES (105, 'tag', 2), (110, 'all', 3), (111, 'inner', 3);
INSERT INTO collection_chain VALUES (110, 1, 101), (110, 2, 111), (110, 3, 102), (111, 1, 103);
SELECT put('calexp', 'run/2', 0, 1), put('calexp', 'run/1', 1, 1), put('calexp', 'run/2', 1, 1), put('calexp', 'run/4', 2, 1);
SELECT catreg.create_obscore('{"collection_type": "CHAINED", "collections": ["all", "tag"], "facility_name": "F",
    "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}},
    "extra_columns": {"run": {"template": "{run}"}}}', 'registry', 'first');
