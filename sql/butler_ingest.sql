
-- butler: bulk ingest and association --------------------------------------

CREATE FUNCTION catreg.ingest_datasets(batch regclass, dataset_type text, run text, on_conflict text DEFAULT 'error',
        registry regnamespace DEFAULT 'public'::text::regnamespace, id_mode text DEFAULT 'unique', create_run boolean DEFAULT false,
        OUT dataset_id uuid, OUT status text)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.ingest_datasets(regclass, text, text, text, regnamespace, text, boolean) IS
    'ingests the datasets of a batch, with the records of their files, into a run of a Butler registry; a row for each: inserted, existing or replaced';
