-- obscore: what a TAP service says of a table's columns ---------------------

CREATE FUNCTION catreg.obscore_standard_columns(
        OUT name text, OUT mandatory boolean, OUT unit text, OUT ucd text, OUT utype text, OUT description text)
    RETURNS SETOF record LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS
$$
    -- ObsCore 1.1, tables 6 and 7, with its errata; utypes less their prefix
    VALUES ('dataproduct_type', true, NULL, 'meta.code.class', 'ObsDataset.dataProductType', 'Kind of data: image, cube, spectrum, ...'),
           ('calib_level', true, NULL, 'meta.code;obs.calib', 'ObsDataset.calibLevel', 'Level of calibration, from 0 (raw) to 4 (analysed)'),
           ('obs_collection', true, NULL, 'meta.id', 'DataID.collection', 'Data collection that this belongs to'),
           ('obs_id', true, NULL, 'meta.id', 'DataID.observationID', 'Identifier of the observation, which several datasets may share'),
           ('obs_publisher_did', true, NULL, 'meta.ref.ivoid', 'Curation.publisherDID', 'Identifier of the dataset, by its publisher'),
           ('access_url', true, NULL, 'meta.ref.url', 'Access.reference', 'Where to get the data'),
           ('access_format', true, NULL, 'meta.code.mime', 'Access.format', 'MIME type of what access_url returns'),
           ('access_estsize', true, 'kbyte', 'phys.size;meta.file', 'Access.size', 'About how much access_url returns'),
           ('target_name', true, NULL, 'meta.id;src', 'Target.name', 'Object or field observed'),
           ('s_ra', true, 'deg', 'pos.eq.ra', 'Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1', 'Right ascension of the centre, ICRS'),
           ('s_dec', true, 'deg', 'pos.eq.dec', 'Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2', 'Declination of the centre, ICRS'),
           ('s_fov', true, 'deg', 'phys.angSize;instr.fov', 'Char.SpatialAxis.Coverage.Bounds.Extent.diameter', 'Diameter of a circle that holds the footprint'),
           ('s_region', true, NULL, 'pos.outline;obs.field', 'Char.SpatialAxis.Coverage.Support.Area', 'Footprint on the sky, ICRS'),
           ('s_resolution', true, 'arcsec', 'pos.angResolution', 'Char.SpatialAxis.Resolution.Refval.value', 'Smallest angle resolved'),
           ('s_xel1', true, NULL, 'meta.number', 'Char.SpatialAxis.numBins1', 'Pixels along the first spatial axis'),
           ('s_xel2', true, NULL, 'meta.number', 'Char.SpatialAxis.numBins2', 'Pixels along the second spatial axis'),
           ('t_min', true, 'd', 'time.start;obs.exposure', 'Char.TimeAxis.Coverage.Bounds.Limits.StartTime', 'Start of the observation, MJD'),
           ('t_max', true, 'd', 'time.end;obs.exposure', 'Char.TimeAxis.Coverage.Bounds.Limits.StopTime', 'End of the observation, MJD'),
           ('t_exptime', true, 's', 'time.duration;obs.exposure', 'Char.TimeAxis.Coverage.Support.Extent', 'Time exposed'),
           ('t_resolution', true, 's', 'time.resolution', 'Char.TimeAxis.Resolution.Refval.value', 'Shortest time resolved'),
           ('t_xel', true, NULL, 'meta.number', 'Char.TimeAxis.numBins', 'Samples along the time axis'),
           ('em_min', true, 'm', 'em.wl;stat.min', 'Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit', 'Shortest wavelength, in vacuum'),
           ('em_max', true, 'm', 'em.wl;stat.max', 'Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit', 'Longest wavelength, in vacuum'),
           ('em_res_power', true, NULL, 'spect.resolution', 'Char.SpectralAxis.Resolution.ResolPower.refVal', 'Wavelength divided by the smallest difference resolved'),
           ('em_xel', true, NULL, 'meta.number', 'Char.SpectralAxis.numBins', 'Samples along the spectral axis'),
           ('o_ucd', true, NULL, 'meta.ucd', 'Char.ObservableAxis.ucd', 'UCD of what was measured'),
           ('pol_states', true, NULL, 'meta.code;phys.polarization', 'Char.PolarizationAxis.stateList', 'Polarization states, each between slashes'),
           ('pol_xel', true, NULL, 'meta.number', 'Char.PolarizationAxis.numBins', 'Number of polarization states'),
           ('facility_name', true, NULL, 'meta.id;instr.tel', 'Provenance.ObsConfig.Facility.name', 'Telescope or observatory'),
           ('instrument_name', true, NULL, 'meta.id;instr', 'Provenance.ObsConfig.Instrument.name', 'Instrument'),
           ('dataproduct_subtype', false, NULL, 'meta.code.class', 'ObsDataset.dataProductSubtype', 'Kind of data, in the words of its archive'),
           ('target_class', false, NULL, 'src.class', 'Target.class', 'Class of the object observed'),
           ('obs_creation_date', false, NULL, 'time;meta.dataset', 'DataID.date', 'When the dataset was made'),
           ('obs_creator_name', false, NULL, 'meta.id', 'DataID.creator', 'Who made the dataset'),
           ('obs_creator_did', false, NULL, 'meta.id', 'DataID.creatorDID', 'Identifier of the dataset, by who made it'),
           ('obs_title', false, NULL, 'meta.title;obs', 'DataID.title', 'What this is, in a line'),
           ('publisher_id', false, NULL, 'meta.ref.ivoid', 'Curation.publisherID', 'Identifier of the publisher'),
           ('bib_reference', false, NULL, 'meta.bib', 'Curation.reference', 'Where the data are described'),
           ('data_rights', false, NULL, 'meta.code', 'Curation.rights', 'Who may have the data: public, secure, proprietary'),
           ('obs_release_date', false, NULL, 'time.release', 'Curation.releaseDate', 'When the data become public'),
           ('s_ucd', false, NULL, 'meta.ucd', 'Char.SpatialAxis.ucd', 'UCD of the spatial axes'),
           ('s_unit', false, NULL, 'meta.unit', 'Char.SpatialAxis.unit', 'Unit of the spatial axes'),
           ('s_resolution_min', false, 'arcsec', 'pos.angResolution;stat.min', 'Char.SpatialAxis.Resolution.Bounds.Limits.LoLimit', 'Lower bound of s_resolution'),
           ('s_resolution_max', false, 'arcsec', 'pos.angResolution;stat.max', 'Char.SpatialAxis.Resolution.Bounds.Limits.HiLimit', 'Upper bound of s_resolution'),
           ('s_pixel_scale', false, 'arcsec', 'phys.angSize;instr.pixel', 'Char.SpatialAxis.Sampling.RefVal.SamplingPeriod', 'Angle from pixel to pixel'),
           ('s_calib_status', false, NULL, 'meta.code.qual', 'Char.SpatialAxis.calibrationStatus', 'State of the astrometric calibration'),
           ('s_stat_error', false, 'arcsec', 'stat.error;pos.eq', 'Char.SpatialAxis.Accuracy.StatError.Refval.value', 'Statistical error of positions'),
           ('t_calib_status', false, NULL, 'meta.code.qual', 'Char.TimeAxis.calibrationStatus', 'State of the calibration of times'),
           ('t_stat_error', false, 's', 'stat.error;time', 'Char.TimeAxis.Accuracy.StatError.Refval.value', 'Statistical error of times'),
           ('em_ucd', false, NULL, 'meta.ucd', 'Char.SpectralAxis.ucd', 'UCD of the spectral axis'),
           ('em_unit', false, NULL, 'meta.unit', 'Char.SpectralAxis.unit', 'Unit of the spectral axis'),
           ('em_calib_status', false, NULL, 'meta.code.qual', 'Char.SpectralAxis.calibrationStatus', 'State of the spectral calibration'),
           ('em_res_power_min', false, NULL, 'spect.resolution;stat.min', 'Char.SpectralAxis.Resolution.ResolPower.LoLimit', 'Lower bound of em_res_power'),
           ('em_res_power_max', false, NULL, 'spect.resolution;stat.max', 'Char.SpectralAxis.Resolution.ResolPower.HiLimit', 'Upper bound of em_res_power'),
           ('em_resolution', false, 'm', 'spect.resolution;stat.mean', 'Char.SpectralAxis.Resolution.Refval.value', 'Smallest difference of wavelengths resolved'),
           ('em_stat_error', false, 'm', 'stat.error;em', 'Char.SpectralAxis.Accuracy.StatError.Refval.value', 'Statistical error of wavelengths'),
           ('o_unit', false, NULL, 'meta.unit', 'Char.ObservableAxis.unit', 'Unit of what was measured'),
           ('o_calib_status', false, NULL, 'meta.code.qual', 'Char.ObservableAxis.calibrationStatus', 'State of the calibration of what was measured'),
           -- in the unit that o_unit names, row by row
           ('o_stat_error', false, NULL, 'stat.error', 'Char.ObservableAxis.Accuracy.StatError.Refval.value', 'Statistical error of what was measured, in o_unit'),
           ('proposal_id', false, NULL, 'meta.id;obs.proposal', 'Provenance.Proposal.identifier', 'Proposal that the observation was made for')
$$;
COMMENT ON FUNCTION catreg.obscore_standard_columns() IS
    'internal: the columns that ObsCore 1.1 defines, those first that it makes mandatory';

CREATE FUNCTION catreg.obscore_column_docs(config json, OUT name text, OUT doc text)
    RETURNS SETOF record LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS
$$
    SELECT DISTINCT ON (c.key) c.key, c.value->>'doc'
    FROM (SELECT 0 AS place, config->'extra_columns' AS columns
          UNION ALL
          SELECT t.place, t.value->'extra_columns'
          FROM ROWS FROM (json_each(CASE json_typeof(config->'dataset_types') WHEN 'object' THEN config->'dataset_types' END))
              WITH ORDINALITY t (key, value, place)) e,
         json_each(CASE json_typeof(e.columns) WHEN 'object' THEN e.columns END) c
    WHERE c.value->>'doc' IS NOT NULL
    ORDER BY c.key, e.place
$$;
COMMENT ON FUNCTION catreg.obscore_column_docs(json) IS
    'internal: what a configuration says of its extra columns, the first of several';

CREATE FUNCTION catreg.tap_schema(obscore regclass,
        OUT table_name text, OUT column_name text, OUT utype text, OUT ucd text, OUT unit text, OUT description text,
        OUT datatype text, OUT arraysize text, OUT xtype text, OUT size integer,
        OUT principal integer, OUT indexed integer, OUT std integer, OUT column_index integer)
    RETURNS SETOF record LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    config json := (SELECT o.config FROM catreg.obscore o WHERE o.obscore = tap_schema.obscore);
BEGIN
    IF config IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('table "%s" is not an ObsCore table that catreg keeps',
                             COALESCE((SELECT c.relname::text FROM pg_class c WHERE c.oid = obscore), obscore::oid::text)),
            HINT = 'catreg.create_obscore() makes one.';
    END IF;
    RETURN QUERY
    WITH attribute AS (
        SELECT a.attname::text AS name, a.attnum, t.typname::text AS type,
               CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS length
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = obscore AND a.attnum > 0 AND NOT a.attisdropped
    ), votable (type, datatype, arraysize, xtype) AS (
        -- any other type is read as text
        VALUES ('bool', 'boolean', NULL, NULL), ('int2', 'short', NULL, NULL), ('int4', 'int', NULL, NULL),
               ('int8', 'long', NULL, NULL), ('float4', 'float', NULL, NULL), ('float8', 'double', NULL, NULL),
               ('numeric', 'double', NULL, NULL), ('uuid', 'char', '36', 'uuid'),
               ('timestamp', 'char', '*', 'timestamp'), ('timestamptz', 'char', '*', 'timestamp'),
               ('region', 'char', '*', 'adql:REGION'), ('spoly', 'char', '*', 'adql:REGION'),
               ('scircle', 'char', '*', 'adql:REGION'), ('spoint', 'char', '*', 'adql:POINT')
    ), other (name, ucd, description) AS (
        -- what every table has beside the standard's
        VALUES ('em_filter_name', 'meta.id;instr.bandpass', 'Band of the filter'),
               ('registry_dataset_id', 'meta.id', 'Identifier of the dataset in registry or catalog'),
               ('region', 'pos.outline;obs.field', 'Footprint on the sky, ICRS, also of what is no polygon')
    ), shape (type, ucd, description) AS (
        VALUES ('spoly', 'pos.outline;obs.field', 'Footprint on the sky, ICRS'), ('spoint', 'pos.eq', 'Centre of the footprint, ICRS')
    )
    SELECT format('%I.%I', n.nspname, c.relname), quote_ident(a.name), 'obscore:' || s.utype, COALESCE(s.ucd, o.ucd, p.ucd), s.unit,
           COALESCE(d.doc, s.description, o.description, p.description),
           COALESCE(v.datatype, 'char'),
           CASE WHEN v.datatype IS NOT NULL THEN v.arraysize ELSE COALESCE(a.length::text, '') || CASE a.type WHEN 'bpchar' THEN '' ELSE '*' END END,
           CASE WHEN a.name = 's_region' THEN 'adql:REGION' ELSE v.xtype END,
           CASE a.type WHEN 'uuid' THEN 36 ELSE a.length END,
           COALESCE(s.mandatory, false)::integer,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = obscore AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum)::integer,
           (s.name IS NOT NULL)::integer,
           row_number() OVER (ORDER BY a.attnum)::integer
    FROM attribute a
         JOIN pg_class c ON c.oid = obscore JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN votable v USING (type)
         LEFT JOIN catreg.obscore_standard_columns() s USING (name)
         LEFT JOIN other o USING (name)
         LEFT JOIN shape p USING (type)
         LEFT JOIN catreg.obscore_column_docs(config) d USING (name)
    ORDER BY a.attnum;
END
$$;
COMMENT ON FUNCTION catreg.tap_schema(regclass) IS
    'the rows that describe an ObsCore table in a TAP service''s TAP_SCHEMA.columns (TAP 1.1)';
