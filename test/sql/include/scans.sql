-- How often a statement scans the registry's tables whose names a pattern matches: an include.
CREATE FUNCTION registry.scans(statement text, tables text) RETURNS TABLE (scanned name, scans bigint) LANGUAGE plpgsql AS $$
DECLARE
    before jsonb;
BEGIN
    before := (SELECT jsonb_object_agg(relname, COALESCE(idx_scan, 0) + seq_scan) FROM pg_stat_xact_user_tables WHERE schemaname = 'registry' AND relname ~ tables);
    EXECUTE statement;
    RETURN QUERY SELECT relname, COALESCE(idx_scan, 0) + seq_scan - (before ->> relname)::bigint FROM pg_stat_xact_user_tables
        WHERE schemaname = 'registry' AND COALESCE(idx_scan, 0) + seq_scan > (before ->> relname)::bigint ORDER BY 1;
END
$$;
