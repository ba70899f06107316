# ObsCore tables in a database that is dumped and restored, in every way that
# pg_dump has: they are right at once, are kept, and can be dropped.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Cwd qw(abs_path);
use File::Basename;
use File::Path qw(rmtree);

my $registry = abs_path(dirname(__FILE__) . '/../sql/include/butler_registry.sql');

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

my $types = q{"dataset_types": {
	"raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}"},
	"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}}};
my $runs = qq{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F", $types};
my $tag = qq{"collection_type": "TAGGED", "collections": ["Cam/good"], "facility_name": "F", $types};

# Makes a database with a registry and three tables: one for runs, one for a tag,
# and one that a client has made.
sub make_database
{
	my ($name) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION catreg');
	$node->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($name), '-f', $registry ])
	  or die 'could not make a registry';
	$node->safe_psql($name, qq{
		SELECT catreg.create_obscore('{$runs}', 'registry');
		SELECT catreg.create_obscore('{$tag}', 'registry', 'A "tag"');
		CREATE TABLE registry.clients (LIKE registry.obscore INCLUDING ALL);
		ALTER TABLE registry.clients DROP COLUMN access_estsize, DROP COLUMN pol_states, DROP COLUMN region;
		INSERT INTO registry.butler_attributes VALUES ('config:obscore.json', '{"table_name": "clients", $runs}');
		SELECT catreg.create_obscore(registry => 'registry');
		SELECT count(registry.put('raw', 'Cam/raw/all', d, e)) FROM generate_series(0, 3) d, generate_series(1, 6) e;
		SELECT count(registry.put('calexp', 'Cam/runs/1', d, v)) FROM generate_series(0, 2) d, generate_series(1, 2) v;
		INSERT INTO registry.dataset_tags_00000002
			SELECT dataset_type_id, dataset_id, 4, instrument, detector, visit FROM registry.dataset_tags_00000002 WHERE detector = 1;
	});
}

# A statement that counts the rows of the three tables, and their problems.
sub counts
{
	my ($schema) = @_;

	return join(' UNION ALL ',
		map { qq{SELECT (SELECT count(*) FROM "$schema".$_), (SELECT count(*) FROM catreg.check_obscore('"$schema".$_'))} }
		  ('obscore', '"A ""tag"""', 'clients'));
}

my $definitions = 'SELECT obscore, registry, config, own_table, client_config, refreshed FROM catreg.obscore ORDER BY obscore::text';
my $triggers = q{SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgname ~ '^catreg' ORDER BY tgrelid::regclass::text, tgname};
my $event_trigger = q{SELECT evtname, evtenabled FROM pg_event_trigger ORDER BY 1};

# Whether a database goes on as the one that it is a copy of would.
sub goes_on
{
	my ($name, $copy, $original, $schema) = @_;

	is($node->safe_psql($copy, $_->[1]), $node->safe_psql($original, $_->[1]), "$name: $_->[0]")
	  for ([ 'definitions', $definitions ], [ 'triggers', $triggers ], [ 'event triggers', $event_trigger ]);
	is($node->safe_psql($copy, 'SELECT bool_and(triggers) FROM catreg.status'), 't', "$name: all triggers are in place");
	is($node->safe_psql($copy, counts($schema)), "30|0\n2|0\n30|0", "$name: the tables are right");
	like($node->safe_psql($copy, qq{SET enable_seqscan = off; EXPLAIN SELECT FROM "$schema".obscore WHERE region OPERATOR(catreg.\@>) catreg.sky_point(10, 5)}),
		qr/Index/, "$name: the index is there");

	$node->safe_psql($copy, qq{
		INSERT INTO "$schema".dataset VALUES (md5('new')::uuid, 2, 0, 2);
		INSERT INTO "$schema".dataset_tags_00000002 VALUES (2, md5('new')::uuid, 2, 'Cam', 3, 2), (2, md5('new')::uuid, 4, 'Cam', 3, 2);
		UPDATE "$schema".visit SET name = 'another' WHERE id = 2});
	is($node->safe_psql($copy, counts($schema)), "31|0\n3|0\n31|0", "$name: a put is kept");
	is($node->safe_psql($copy, qq{SELECT count(*) FROM "$schema".obscore WHERE obs_id = 'another' AND region IS NOT NULL}), '4', "$name: so is a record");
	$node->safe_psql($copy, qq{DELETE FROM "$schema".dataset WHERE id = md5('new')::uuid});
	is($node->safe_psql($copy, counts($schema)), "30|0\n2|0\n30|0", "$name: and a removal");

	$node->safe_psql($copy, qq{DROP TABLE "$schema"."A ""tag"""});
	is($node->safe_psql($copy, 'SELECT count(*) FROM catreg.obscore'), '2', "$name: a table that is dropped is followed");
	$node->safe_psql($copy, qq{SELECT catreg.drop_obscore('"$schema".clients'), catreg.drop_obscore('"$schema".obscore')});
	is($node->safe_psql($copy, qq{
		SELECT (SELECT count(*) FROM pg_trigger WHERE tgname ~ '^catreg_obscore'), to_regclass('"$schema".obscore') IS NULL,
			(SELECT count(*) FROM "$schema".clients), (SELECT count(*) FROM pg_attribute WHERE attrelid = '"$schema".clients'::regclass AND attname = 'region'),
			(SELECT value::json->>'table_name' FROM "$schema".butler_attributes WHERE name = 'config:obscore.json')}),
		'0|t|30|0|clients', "$name: the others are given back");
	$node->safe_psql($copy, 'DROP EXTENSION catreg CASCADE');
}

# The ways: what pg_dump and what restores gets, beside the database.
my $base = $node->basedir;
my %ways = (
	'plain text' => [ ['-f', "$base/plain"], ['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$base/plain"] ],
	'custom format' => [ ['-Fc', '-f', "$base/custom"], ['pg_restore', '--exit-on-error', "$base/custom"] ],
	'parallel' => [ ['-Fd', '-j2', '-f', "$base/folder"], ['pg_restore', '--exit-on-error', '-j4', "$base/folder"] ],
	'rows as INSERT' => [ ['--rows-per-insert=5', '-f', "$base/inserts"], ['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-1', '-f', "$base/inserts"] ]);

make_database('original');
is($node->safe_psql('original', counts('registry')), "30|0\n2|0\n30|0", 'the tables are right');

# the same with a schema that comes before the extension's, and is not what its
# functions were made in
$node->safe_psql('postgres', 'CREATE DATABASE renamed TEMPLATE original');
$node->safe_psql('renamed', 'ALTER SCHEMA registry RENAME TO "A r"');
my $n = 0;
for my $case ([ 'original', 'registry' ], [ 'renamed', 'A r' ])
{
	my ($original, $schema) = @$case;

	for my $way (sort keys %ways)
	{
		my ($dump, $restore) = @{ $ways{$way} };
		my $copy = 'copy' . ++$n;

		rmtree("$base/folder");
		$node->run_log([ 'pg_dump', '-d', $node->connstr($original), @$dump ]) or die 'pg_dump failed';
		$node->safe_psql('postgres', "CREATE DATABASE $copy TEMPLATE template0");
		ok($node->run_log([ @$restore, '-d', $node->connstr($copy) ]), "$original, $way: restored");
		goes_on("$original, $way", $copy, $original, $schema);
		$node->safe_psql('postgres', "DROP DATABASE $copy");
	}
}

# One schema and no more: the tables are there as they were, and nobody keeps them.
$node->run_log([ 'pg_dump', '-d', $node->connstr('original'), '-n', 'registry', '-f', "$base/schema" ]) or die 'pg_dump failed';
$node->safe_psql('postgres', 'CREATE DATABASE alone TEMPLATE template0');
$node->safe_psql('alone', 'CREATE EXTENSION catreg');
ok($node->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('alone'), '-f', "$base/schema" ]),
	'one schema: restored where the extension is');
my $put = q{
	INSERT INTO registry.dataset VALUES (md5('new')::uuid, 2, 0, 2);
	INSERT INTO registry.dataset_tags_00000002 VALUES (2, md5('new')::uuid, 2, 'Cam', 3, 2)};
is($node->psql('alone', $put), 0, 'one schema: a put goes through');
is($node->safe_psql('alone', 'SELECT (SELECT count(*) FROM registry.obscore), (SELECT count(*) FROM catreg.obscore)'),
	'30|0', 'one schema: no table is kept, since no definition says so');
$node->safe_psql('alone', qq{DROP TABLE registry.obscore; SELECT catreg.create_obscore('{$runs}', 'registry')});
is($node->safe_psql('alone', q{SELECT (SELECT count(*) FROM registry.obscore), (SELECT count(*) FROM catreg.check_obscore('registry.obscore'))}),
	'31|0', 'one schema: a table can be made again');

# Over a database that has the extension, or all of it.
$node->run_log([ 'pg_dump', '-d', $node->connstr('original'), '-Fc', '-f', "$base/custom" ]) or die 'pg_dump failed';
$node->safe_psql('postgres', 'CREATE DATABASE twice TEMPLATE template0');
$node->safe_psql('twice', 'CREATE EXTENSION catreg');
ok($node->run_log([ 'pg_restore', '--exit-on-error', '--clean', '--if-exists', '-d', $node->connstr('twice'), "$base/custom" ]),
	'the extension was there already: restored with --clean');
ok($node->run_log([ 'pg_restore', '--exit-on-error', '--clean', '--if-exists', '-d', $node->connstr('twice'), "$base/custom" ]),
	'and once more, over what it has made');
goes_on('restored twice', 'twice', 'original', 'registry');

$node->stop;
done_testing();
