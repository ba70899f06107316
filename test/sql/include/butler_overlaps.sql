-- What butler_registry.sql leaves out: the tables of records' overlaps with sky pixels, as the client makes them.
DO $$
DECLARE
    element text; governor text; keys text; own text;
BEGIN
    FOR element, governor, keys, own IN VALUES
        ('visit', 'instrument', 'instrument varchar(16), visit bigint', 'FOREIGN KEY (instrument, visit) REFERENCES registry.visit'),
        ('visit_detector_region', 'instrument', 'instrument varchar(16), detector bigint, visit bigint',
            'FOREIGN KEY (instrument, visit) REFERENCES registry.visit, FOREIGN KEY (instrument, detector) REFERENCES registry.detector'),
        ('tract', 'skymap', 'skymap text, tract bigint', 'FOREIGN KEY (skymap, tract) REFERENCES registry.tract'),
        ('patch', 'skymap', 'skymap text, tract bigint, patch bigint', 'FOREIGN KEY (skymap, tract, patch) REFERENCES registry.patch')
    LOOP
        EXECUTE format('CREATE TABLE registry.%1$s_skypix_overlap_summary (skypix_system varchar(16), skypix_level smallint, %2$s varchar(16) REFERENCES registry.%2$s,
            PRIMARY KEY (skypix_system, skypix_level, %2$s))', element, governor);
        EXECUTE format('CREATE TABLE registry.%1$s_skypix_overlap (skypix_system varchar(16), skypix_level smallint, %3$s, skypix_index bigint,
            PRIMARY KEY (skypix_system, skypix_level, %4$s, skypix_index), FOREIGN KEY (%2$s) REFERENCES registry.%2$s, %5$s,
            FOREIGN KEY (skypix_system, skypix_level, %2$s) REFERENCES registry.%1$s_skypix_overlap_summary ON DELETE CASCADE)',
            element, governor, keys, regexp_replace(keys, ' (varchar\(16\)|bigint|text)', '', 'g'), own);
    END LOOP;
    UPDATE registry.butler_attributes SET value = jsonb_set(value::jsonb, '{skypix}',
        '{"common": "htm7", "htm": {"class": "lsst.sphgeom.HtmPixelization"}, "healpix": {"class": "lsst.sphgeom.HealpixPixelization"}}')::text;
END
$$;
