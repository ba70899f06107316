-- The ObsCore table of obscore_writers.spec: a specification holds no braces.
SELECT catreg.create_obscore('{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F",
    "dataset_types": {"raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id} {records[detector].full_name}"},
                      "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name} {records[detector].full_name}"}},
    "extra_columns": {"lsst_band": {"template": "{band}"}, "lsst_run": {"template": "{run}"}}}', 'registry');
