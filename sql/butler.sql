-- butler ------------------------------------------------------------------

CREATE FUNCTION catreg.match_collections(patterns text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT name text, OUT type text)
    RETURNS SETOF record LANGUAGE c STABLE STRICT ROWS 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.match_collections(text[], regnamespace) IS
    'the collections that names, globs and regular expressions (~...) choose, chains as they are';

CREATE FUNCTION catreg.flatten_collections(names text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT "position" int, OUT name text, OUT type text)
    RETURNS SETOF record LANGUAGE c STABLE STRICT ROWS 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.flatten_collections(text[], regnamespace) IS
    'the search path that collections stand for: chains give way to their members, depth first';

CREATE FUNCTION catreg.match_dataset_types(patterns text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT name text)
    RETURNS SETOF text LANGUAGE c STABLE STRICT ROWS 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.match_dataset_types(text[], regnamespace) IS
    'the dataset types that names, globs and regular expressions (~...) choose';

CREATE FUNCTION catreg.find_datasets(dataset_type text, collections text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        data_id jsonb DEFAULT NULL, OUT dataset_id uuid, OUT run text, OUT "position" int)
    RETURNS SETOF record LANGUAGE c STABLE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.find_datasets(text, text[], regnamespace, jsonb) IS
    'the first dataset of each data id on a search path; of those that agree with a data id, or part of one, if it is given';

CREATE FUNCTION catreg.refresh_summaries(collections text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT inserted bigint, OUT deleted bigint)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.refresh_summaries(text[], regnamespace) IS
    'makes the summaries of collections, and of what chains lead to, say what they hold and nothing else';

