# A registration that a crash ends leaves nothing behind, on a catalog that
# Tiled made; what a standby replays is what the primary wrote; a dumped catalog
# goes on where it is restored.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Cwd qw(abs_path);
use File::Basename;

my $fixture = abs_path(dirname(__FILE__) . '/../fixtures/tiled_0.2.20.sql');

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "wal_consistency_checking = 'heap,btree,gin,generic'\nwal_keep_size = '8GB'");
$primary->start;
$primary->safe_psql('postgres', q{CREATE DATABASE catalog TEMPLATE template0 ENCODING 'UTF8'});
$primary->run_log([ 'psql', '-X', '-q', '-d', $primary->connstr('catalog'), '-f', $fixture ])
  or die 'could not read the fixture';
$primary->safe_psql('catalog', 'CREATE EXTENSION catreg; CREATE EXTENSION amcheck; SELECT catreg.attach_tiled()');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# a batch of 100 containers of 1 to 200 arrays each, of the given name
sub batch
{
	my ($name, $children) = @_;

	return qq{
		CREATE TEMP TABLE batch (LIKE catreg.tiled_batch INCLUDING DEFAULTS);
		INSERT INTO batch (parent, key, structure_family, metadata, data_sources)
		SELECT '', '$name' || c, 'container', jsonb_build_object('c', c, 'name', '$name'), NULL FROM generate_series(1, 100) c
		UNION ALL
		SELECT '$name' || c, 'array' || a, 'array', jsonb_build_object('a', a, 'text', repeat('x' || a, 5)),
			format('[{"structure_family": "array", "structure": {"shape": [%s]}, "mimetype": "image/tiff", "management": "external",
				"assets": [{"data_uri": "file:///$name/%s/%s", "is_directory": false, "parameter": "data_uri", "num": null}]}]', a % 17, c, a)::json
		FROM generate_series(1, 100) c, generate_series(1, $children) a;
	};
}

my $counts = q{
	SELECT (SELECT count(*) FROM nodes), (SELECT count(*) FROM nodes_closure), (SELECT count(*) FROM data_sources),
		(SELECT count(*) FROM assets), (SELECT count(*) FROM data_source_asset_association), (SELECT count(*) FROM structures)
};
my $indexes = q{
	SELECT count(*) > 10 FROM (SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
		WHERE c.relam = 403 AND c.relnamespace = 'public'::regnamespace) x
};
my $by_gin = q{
	SET enable_seqscan = off;
	SELECT count(*) FROM nodes WHERE metadata @> '{"a": 7}';
	SELECT count(*) FROM nodes WHERE jsonb_to_tsvector('simple', metadata, '["string"]') @@ 'x7x7x7x7x7'
};

$primary->safe_psql('catalog', batch('kept', 20) . q{SELECT count(*) FROM catreg.register_nodes('batch')});
my $before = $primary->safe_psql('catalog', $counts);
is($before, '2101|6201|2000|2000|2000|17', 'a batch is registered');
is($primary->safe_psql('catalog', $by_gin), "100\n100", 'the GIN indexes answer');

# killed while it writes
my $session = $primary->background_psql('catalog', on_error_stop => 0);
$session->query(batch('lost', 200));
$session->{stdin} .= "SELECT count(*) FROM catreg.register_nodes('batch');\n";
$session->{run}->pump_nb;
ok($primary->poll_query_until('catalog', q{
	SELECT count(*) = 1 FROM pg_stat_progress_copy
	WHERE relid = 'public.nodes'::regclass AND tuples_processed > 5000}), 'its progress shows');
$primary->stop('immediate');
eval { $session->{run}->finish; };
$primary->start;
is($primary->safe_psql('catalog', $counts), $before, 'nothing of it is there after the crash');
is($primary->safe_psql('catalog', q{SELECT count(*) FROM catreg.check_closure('nodes')}), '0', 'the closure is right');
is($primary->safe_psql('catalog', $indexes), 't', 'the indexes agree with the tables');

$primary->safe_psql('catalog', batch('lost', 200) . q{SELECT count(*) FROM catreg.register_nodes('batch')});
is($primary->safe_psql('catalog', 'SELECT count(*) FROM nodes'), '22201', 'it can be registered again');
is($primary->safe_psql('catalog', $indexes), 't', 'the indexes agree again');
is($primary->safe_psql('catalog', q{SELECT nodes, assets FROM catreg.delete_nodes('{kept1,lost1}')}), "21|20\n201|200", 'and deleted');

# cancelled at once
my ($out, $err);
$primary->psql('catalog', batch('late', 200) . q{SET statement_timeout = '300ms'; SELECT count(*) FROM catreg.register_nodes('batch')},
	stderr => \$err);
like($err, qr/canceling statement due to statement timeout/, 'statement_timeout stops it');
is($primary->safe_psql('catalog', q{SELECT count(*) FROM nodes WHERE key ~ '^late'}), '0', 'and nothing stays');

# the standby has checked each page that it replayed against the primary's
$primary->wait_for_catchup($standby);
is($standby->safe_psql('catalog', $counts), $primary->safe_psql('catalog', $counts), 'the standby has the same');
is($standby->safe_psql('catalog', q{SELECT count(*) FROM catreg.check_closure('nodes')}), '0', 'its closure is right');
is($standby->safe_psql('catalog', $indexes), 't', 'its indexes too');

# dumped and restored
my $dump = $primary->basedir . '/catalog.sql';
$primary->run_log([ 'pg_dump', '-d', $primary->connstr('catalog'), '-f', $dump ]) or die 'pg_dump failed';
$primary->safe_psql('postgres', q{CREATE DATABASE restored TEMPLATE template0 ENCODING 'UTF8'});
ok($primary->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('restored'), '-f', $dump ]), 'a dump is restored');
is($primary->safe_psql('restored', $counts), $primary->safe_psql('catalog', $counts), 'it has the same');
my $triggers = q{SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'nodes'::regclass AND NOT tgisinternal ORDER BY 1};
is($primary->safe_psql('restored', $triggers), $primary->safe_psql('catalog', $triggers), 'the same triggers');
$primary->safe_psql('restored', batch('new', 5) . q{SELECT count(*) FROM catreg.register_nodes('batch')});
is($primary->safe_psql('restored', q{SELECT count(*) FROM catreg.check_closure('nodes')}), '0', 'and goes on');
is($primary->safe_psql('restored', q{SELECT catreg.detach_tiled(); SELECT count(*) FROM catreg.closure}), "\n0", 'or is detached');

$standby->stop;
$primary->stop;
done_testing();
