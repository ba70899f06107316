-- What obscore_alter_writers.spec makes of the two tables: a specification holds no braces.
CREATE FUNCTION registry.alter_kept() RETURNS void LANGUAGE sql AS $$
SELECT catreg.alter_obscore('registry.obscore', '{"collection_type": "RUN", "collections": ["Cam/.*", "u/.*"], "facility_name": "G",
    "dataset_types": {"raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id} {records[detector].full_name}"},
                      "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"},
                      "deepCoadd": {"dataproduct_type": "image", "calib_level": 3, "obs_id_fmt": "{tract}"}},
    "extra_columns": {"lsst_run": {"template": "{run}"}}}') $$;
CREATE FUNCTION registry.alter_first() RETURNS void LANGUAGE sql AS $$
SELECT catreg.alter_obscore('registry.first', '{"collection_type": "CHAINED", "collections": ["all", "tag"], "facility_name": "F",
    "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name} {detector}"},
                      "deepCoadd": {"dataproduct_type": "image", "calib_level": 3, "obs_id_fmt": "{tract}"}},
    "extra_columns": {"run": {"template": "{run}"}}}') $$;
-- and obscore_create.spec
CREATE FUNCTION registry.create_late(type text) RETURNS void LANGUAGE sql AS $$
SELECT catreg.create_obscore(format('{"collection_type": "%s", "collections": ["Cam/runs/1"], "facility_name": "F",
    "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}}}', type)::json, 'registry', 'late_' || lower(type)) $$;
CREATE FUNCTION registry.index_first() RETURNS void LANGUAGE sql AS $$
SELECT catreg.alter_obscore('registry.first', (SELECT jsonb_set(config::jsonb, '{indices}', '{"run": "run"}')::json FROM catreg.obscore WHERE obscore = 'registry.first'::regclass)) $$;
