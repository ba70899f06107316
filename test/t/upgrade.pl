# A cluster with ObsCore tables and frozen collections goes through pg_upgrade, and
# all is kept on the other side.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Cwd qw(abs_path);
use File::Basename;

my $registry = abs_path(dirname(__FILE__) . '/../sql/include/butler_registry.sql');

my $old = PostgreSQL::Test::Cluster->new('old');
my $new = PostgreSQL::Test::Cluster->new('new');
for my $node ($old, $new)
{
	$node->init;
	$node->append_conf('postgresql.conf', 'fsync = off');
}
$old->start;

my $config = q{"facility_name": "F", "dataset_types": {
	"raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}"},
	"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}}};

# a schema that is there before the registry's, and then not: others have its OID
$old->safe_psql('postgres', 'CREATE SCHEMA before; CREATE EXTENSION catreg');
$old->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $old->connstr('postgres'), '-f', $registry ])
  or die 'could not make a registry';
$old->safe_psql('postgres', qq{
	DROP SCHEMA before;
	ALTER SCHEMA registry RENAME TO "A r";
	ALTER SCHEMA "A r" RENAME TO registry;
	CREATE SCHEMA elsewhere;
	SELECT catreg.create_obscore('{"collection_type": "RUN", $config}', 'registry');
	SELECT catreg.create_obscore('{"collection_type": "CHAINED", "collections": ["u/someone", "Cam/*"], $config}', 'registry', 'first');
	ALTER TABLE registry.first SET SCHEMA elsewhere;
	CREATE TABLE public.nodes (id int PRIMARY KEY, parent int, key varchar, structure_family varchar, metadata jsonb, specs jsonb);
	INSERT INTO nodes VALUES (0, NULL, '', 'container', '{}', '[]');
	SELECT catreg.create_obscore('{"source": "tiled", "nodes": {}, "columns": {"obs_id": {"node": "path"}}}', name => 'of_nodes');
	SELECT count(registry.put('raw', 'Cam/raw/all', d, e)) FROM generate_series(0, 3) d, generate_series(1, 6) e;
	SELECT catreg.freeze_collections('{Cam/raw/all}', 'registry')});
my $state = q{SELECT obscore::text, catreg.schema_of_registry(registry)::text FROM catreg.obscore
	UNION ALL SELECT name::text, source FROM catreg.status WHERE triggers
	UNION ALL SELECT catreg.schema_of_registry(registry)::text, collection FROM catreg.frozen_collection ORDER BY 1, 2};
my $before = $old->safe_psql('postgres', $state);
$old->stop;

chdir $PostgreSQL::Test::Utils::tmp_check;
command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old->config_data('--bindir'),
		'-B', $new->config_data('--bindir'), '-s', $new->host, '-p', $old->port, '-P', $new->port ],
	'pg_upgrade goes through');
$new->start;
is($new->safe_psql('postgres', $state), $before, 'what is noted is the same');
$new->safe_psql('postgres', q{SELECT registry.put('calexp', 'Cam/runs/1', 0, 1); UPDATE registry.exposure SET obs_id = 'new' WHERE id = 1;
	INSERT INTO nodes VALUES (1, 0, 'a', 'container', '{}', '[]')});
is($new->safe_psql('postgres', q{SELECT count(*), count(*) FILTER (WHERE obs_id = 'new'), (SELECT count(*) FROM catreg.check_obscore('registry.obscore')) FROM registry.obscore}),
	'25|4|0', 'the table of runs is kept');
is($new->safe_psql('postgres', q{SELECT count(*), (SELECT count(*) FROM catreg.check_obscore('elsewhere.first')) FROM elsewhere.first}), '25|0',
	'the find-first table, too');
is($new->safe_psql('postgres', q{SELECT obs_id FROM of_nodes}), 'a', 'and that of nodes');
my ($result, $out, $error) = $new->psql('postgres', q{SELECT registry.put('raw', 'Cam/raw/all', 0, 7)});
like($error, qr/frozen/, 'collections are frozen yet');
is($new->safe_psql('postgres', q{SELECT catreg.thaw_collections('{*}', 'registry')}), 'Cam/raw/all', 'and can be thawed');
$new->safe_psql('postgres', q{SELECT catreg.drop_obscore('registry.obscore'), catreg.drop_obscore('elsewhere.first'), catreg.drop_obscore('of_nodes')});
is($new->safe_psql('postgres', q{SELECT count(*) FROM pg_trigger WHERE tgname ~ '^catreg'}), '0', 'the tables can be dropped');
done_testing();
