
-- butler: bulk ingest and association --------------------------------------

CREATE FUNCTION catreg.ingest_datasets(batch regclass, dataset_type text, run text, on_conflict text DEFAULT 'error',
        registry regnamespace DEFAULT 'public'::text::regnamespace, id_mode text DEFAULT 'unique', create_run boolean DEFAULT false,
        OUT dataset_id uuid, OUT status text)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.ingest_datasets(regclass, text, text, text, regnamespace, text, boolean) IS
    'ingests the datasets of a batch, with the records of their files, into a run of a Butler registry; a row for each: inserted, existing or replaced';

CREATE FUNCTION catreg.associate_datasets(batch regclass, collection text, on_conflict text DEFAULT 'error',
        registry regnamespace DEFAULT 'public'::text::regnamespace, OUT dataset_id uuid, OUT status text)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.associate_datasets(regclass, text, text, regnamespace) IS
    'associates the datasets of a batch with a TAGGED collection of a Butler registry; a row for each: associated, existing or replaced';

CREATE FUNCTION catreg.disassociate_datasets(batch regclass, collection text,
        registry regnamespace DEFAULT 'public'::text::regnamespace, OUT dataset_id uuid, OUT status text)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.disassociate_datasets(regclass, text, regnamespace) IS
    'takes the datasets of a batch out of a TAGGED collection of a Butler registry; a row for each: removed or absent';

CREATE FUNCTION catreg.certify_datasets(batch regclass, collection text,
        registry regnamespace DEFAULT 'public'::text::regnamespace, OUT dataset_id uuid, OUT status text)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.certify_datasets(regclass, text, regnamespace) IS
    'certifies the datasets of a batch, each for a timespan, in a CALIBRATION collection of a Butler registry; a row for each: certified';
