# ObsCore tables that Citus keeps: a registry on the coordinator, and shards on it and on
# two workers.  An ordinary table of the same configuration, kept in the ordinary way,
# says what the rows are.  Citus is not in Debian; where the server does not have it there
# is nothing to test.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Cwd qw(abs_path);
use File::Basename;

my $include = abs_path(dirname(__FILE__) . '/../sql/include');

my %node;
for my $name (qw(coordinator east west))
{
	$node{$name} = PostgreSQL::Test::Cluster->new($name);
	$node{$name}->init;
	$node{$name}->append_conf('postgresql.conf', "fsync = off\nclient_min_messages = warning\nlisten_addresses = '127.0.0.1'");
	$node{$name}->start;
	if ($name eq 'coordinator' && $node{$name}->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'}) eq '0')
	{
		plan skip_all => 'extension citus is not installed on this server';
	}
	$node{$name}->append_conf('postgresql.conf', "shared_preload_libraries = 'citus'");
	$node{$name}->restart;
	# in either order
	$node{$name}->safe_psql('postgres', "CREATE EXTENSION $_") for $name eq 'west' ? qw(catreg citus) : qw(citus catreg);
}
my $coordinator = $node{coordinator};

sub query { return $coordinator->safe_psql('postgres', shift); }

query("SELECT citus_set_coordinator_host('127.0.0.1', " . $coordinator->port . ')');
query("SELECT citus_add_node('127.0.0.1', " . $node{$_}->port . ')') for qw(east west);
query(q{ALTER SYSTEM SET citus.shard_count = 4});
query(q{SELECT pg_reload_conf()});
$coordinator->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $coordinator->connstr('postgres'),
	map { ('-f', "$include/$_.sql") } qw(butler_registry butler_second_instrument) ])
  or die 'could not make a registry';

my $config = q{{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F", "obs_collection": "All",
	"dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name} {records[detector].full_name}"}},
	"extra_columns": {"run": {"template": "{run}"}}, "indices": {"times": ["t_min", "t_max"]}}};

# An empty table of a configuration, given to Citus by a call.
sub make_table
{
	my ($table, $give, $partition) = @_;

	query(query("SELECT catreg.obscore_table('$config', 'registry', '$table')") . ($partition // ''));
	query(sprintf "SELECT $give", "registry.$table");
}

query("SELECT catreg.create_obscore('$config', 'registry', 'whole')");
query(q{SELECT registry.put_many('Cam', 'Cam/runs/1', '{0,1}', '{1,2}') + registry.put_many('Two', 'Cam/runs/1', '{0,1,2}', '{1}')});
make_table('by_id', q{create_distributed_table('%s', 'registry_dataset_id')});
make_table('by_instrument', q{create_distributed_table('%s', 'instrument_name', colocate_with => 'none')});
make_table('by_collection', q{create_distributed_table('%s', 'obs_collection', colocate_with => 'none')});
make_table('everywhere', q{create_reference_table('%s')});
make_table('by_time', q{create_distributed_table('%s', 'registry_dataset_id')}, ' PARTITION BY RANGE (t_min)');
query('CREATE TABLE registry.early PARTITION OF registry.by_time FOR VALUES FROM (0) TO (60676.121)');
query('CREATE TABLE registry.late PARTITION OF registry.by_time DEFAULT');
my @tables = qw(by_id by_instrument by_collection everywhere by_time given_later);
query("SELECT catreg.create_obscore('$config', 'registry', '$_')") for @tables;
query(q{SELECT create_distributed_table('registry.given_later', 'registry_dataset_id')});

my $rows = q{SELECT count(*), md5(string_agg(r.t, '|' ORDER BY r.registry_dataset_id)) FROM (SELECT registry_dataset_id, o::text AS t FROM registry.%s o OFFSET 0) r};

# After a statement, which warns of nothing, all tables have the same rows, which are those of the query.
sub is_kept
{
	my ($what, $statement) = @_;
	my ($result, $out, $err) = $coordinator->psql('postgres', $statement // 'SELECT 1');

	is("$result$err", '0', "$what: done without a warning");
	my ($expected, @seen) = split /\n/, query(join ';', sprintf($rows, 'whole'), map { sprintf($rows, $_), "SELECT count(*) FROM catreg.check_obscore('registry.$_')" } @tables);
	for my $table (@tables)
	{
		is(shift @seen, $expected, "$what: $table");
		is(shift @seen, '0', "$what: check_obscore of $table");
	}
}

is_kept('what was there is in it');
is(query(q{SELECT count(*) FROM pg_dist_partition WHERE logicalrelid::text LIKE 'registry.%'}), '8', 'Citus keeps them');
is(query(q{SELECT string_agg(DISTINCT result, ' ') FROM run_command_on_workers($$SELECT count(*) > 0 FROM pg_class WHERE relname LIKE 'by\_id\_1%'$$)}), 't', 'there are shards on the workers');
is(query(q{SELECT pg_relation_size(c.oid) FROM pg_class c WHERE relname = 'by_id'}), '0', 'and nothing in the table itself');
is(query(q{SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisunique
	AND i.indrelid IN ('registry.by_id'::regclass, 'registry.by_instrument'::regclass, 'registry.everywhere'::regclass)}),
	'by_id_pkey by_instrument_registry_dataset_id_instrument_name_idx everywhere_pkey', 'of a dataset there is one row');

is_kept('puts', q{SELECT registry.put_many('Cam', 'Cam/raw/all', '{0,1,2,3}', '{1,2,3}'), registry.put_many('Two', 'Cam/raw/all', '{3}', '{1,2,3,4}')});
is_kept('one put', q{SELECT registry.put('calexp', 'Cam/runs/1', 3, 4)});
is_kept('one after the other', q{BEGIN; SELECT registry.put('calexp', 'Cam/raw/all', 0, 4); SELECT registry.put('calexp', 'Cam/raw/all', 1, 4); SELECT registry.put('calexp', 'Cam/raw/all', 2, 4); COMMIT});
is_kept('a put elsewhere', q{SELECT registry.put_many('Two', 'u/someone', '{3}', '{1,2,3,4}')});
is_kept('associated', q{INSERT INTO registry.dataset_tags_00000002 SELECT dataset_type_id, dataset_id, (SELECT collection_id FROM registry.collection WHERE name = 'Cam/good'), instrument, detector, visit
	FROM registry.dataset_tags_00000002 WHERE instrument = 'Cam' AND detector = 2});
is_kept('disassociated', q{DELETE FROM registry.dataset_tags_00000002 t USING registry.collection c WHERE c.collection_id = t.collection_id AND c.name = 'Cam/good' AND visit < 3});
is_kept('a record', q{UPDATE registry.visit SET target_name = 'new' WHERE id IN (1, 2)});
is_kept('a detector', q{UPDATE registry.detector SET full_name = full_name || 'x' WHERE id < 2});
is_kept('a region', q{UPDATE registry.visit_detector_region SET region = registry.square(80, 5) WHERE visit = 1});
is_kept('times, and so partitions', q{UPDATE registry.visit SET timespan = int8range(lower(timespan) + 86400000000000, upper(timespan) + 86400000000000) WHERE id = 1});
is_kept('no time', q{UPDATE registry.visit SET timespan = NULL WHERE id = 2});
is_kept('datasets removed', q{DELETE FROM registry.dataset WHERE id IN (SELECT dataset_id FROM registry.dataset_tags_00000002 WHERE detector = 1)});
is_kept('a run renamed', q{UPDATE registry.collection SET name = 'x' WHERE name = 'Cam/raw/all'});
is_kept('and again', q{UPDATE registry.collection SET name = 'Cam/raw' WHERE name = 'x'});
is_kept('several in a transaction', q{BEGIN; SELECT registry.put_many('Cam', 'Cam/runs/1', '{2,3}', '{3}'); UPDATE registry.visit SET target_name = 'again' WHERE id = 3;
	DELETE FROM registry.dataset_tags_00000002 WHERE detector = 2; COMMIT});
is_kept('what is rolled back', q{BEGIN; SELECT registry.put_many('Cam', 'Cam/runs/1', '{1,2}', '{4}'); SAVEPOINT s; UPDATE registry.visit SET target_name = 'never'; ROLLBACK TO s;
	DELETE FROM registry.dataset; ROLLBACK});
is_kept('what is rolled back in part', q{BEGIN; SELECT registry.put_many('Cam', 'Cam/runs/1', '{1}', '{4}'); SAVEPOINT s; UPDATE registry.visit SET target_name = 'never'; ROLLBACK TO s; COMMIT});
is_kept('at REPEATABLE READ', q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT registry.put_many('Cam', 'Cam/runs/1', '{2}', '{4}'); UPDATE registry.visit SET target_name = 'rr' WHERE id = 4; COMMIT});
is_kept('prepared', q{PREPARE p AS UPDATE registry.visit SET target_name = $1 WHERE id = $2; EXECUTE p('a', 1); EXECUTE p('b', 2); EXECUTE p('c', 3)});

# rows that somebody has written
query(q{UPDATE registry.by_id SET obs_id = 'wrong' WHERE obs_id LIKE 'visit 3%'});
query(q{DELETE FROM registry.by_instrument WHERE obs_id LIKE 'two 1%'});
query(q{INSERT INTO registry.everywhere (registry_dataset_id, instrument_name) VALUES (gen_random_uuid(), 'Cam'), (gen_random_uuid(), NULL)});
for my $table (qw(by_id by_instrument everywhere))
{
	isnt(query("SELECT count(*) FROM catreg.check_obscore('registry.$table')"), '0', "wrong rows of $table are listed");
	unlike(query("SELECT * FROM catreg.refresh_obscore('registry.$table')"), qr/^0\|0\|0$/, 'and mended');
}
is_kept('refreshed');

# more rows than a statement takes
is_kept('many', q{INSERT INTO registry.visit SELECT 'Cam', i, 20250101, 'r_03', 'v' || i, i, 30, 't', 1, NULL, int8range(1735700000000000000, 1735700000000000000 + i) FROM generate_series(1001, 7000) i;
	SELECT registry.put_many('Cam', 'Cam/raw', '{0,1}', (SELECT array_agg(i) FROM generate_series(1001, 7000) i))});
is_kept('many changed', q{UPDATE registry.detector SET full_name = 'many' WHERE id = 0});
is_kept('many removed', q{DELETE FROM registry.dataset d USING registry.dataset_tags_00000002 t WHERE t.dataset_id = d.id AND t.visit > 1000});

# two at a time
my $timer = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
my ($in, $out, $in2, $out2) = ('', '', '', '');
my $session = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $coordinator->connstr('postgres') ], '<', \$in, '>', \$out, '2>&1', $timer);
my $session2 = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $coordinator->connstr('postgres') ], '<', \$in2, '>', \$out2, '2>&1', $timer);
$in = "BEGIN;\nUPDATE registry.visit SET target_name = 'one' WHERE id = 3;\nSELECT registry.put_many('Two', 'Cam/runs/1', '{0,1}', '{4}');\n\\echo done\n";
$session->pump until $out =~ /done/;
$in2 = "SELECT registry.put_many('Two', 'Cam/runs/1', '{0,1}', '{2}');\nUPDATE registry.detector SET full_name = 'both' WHERE id IN (2, 3);\n\\echo done\n";
$session2->pump_nb;
# at the reference table, all of whose rows have one lock for who deletes
$coordinator->poll_query_until('postgres', q{SELECT count(*) > 0 FROM citus_lock_waits});
$in = "COMMIT;\n\\q\n";
$session->finish;
$session2->pump until $out2 =~ /done/;
$in2 = "\\q\n";
$session2->finish;
unlike("$out$out2", qr/WARNING|ERROR/, 'two who change records of one dataset, and put');
is_kept('two at a time');

# a worker is away
is_kept('before', q{SELECT 1});
$node{east}->stop;
my ($result, $stdout, $err) = $coordinator->psql('postgres', q{SELECT registry.put_many('Cam', 'Cam/runs/1', '{0}', '{3}'), registry.put_many('Two', 'Cam/runs/1', '{3}', '{3}')});
is($result, 0, 'a put while a worker is away');
like($err, qr/WARNING:  could not keep ObsCore table "everywhere"/, 'warns');
like(query(q{SELECT count(*) FROM catreg.check_obscore('registry.whole')}), qr/^0$/, 'the ordinary table is kept');
$node{east}->start;
query("SELECT catreg.refresh_obscore('registry.$_')") for @tables;
is_kept('when it is back');

is_kept('TRUNCATE', 'TRUNCATE registry.dataset_tags_00000002');
is(query(q{SELECT count(*) FROM registry.by_id}), '0', 'no row is left');
query('DELETE FROM registry.dataset');

# nodes of a Tiled catalog
my $nodes = q{{"source": "tiled", "nodes": {"specs": ["BlueskyRun"]}, "columns": {"instrument_name": {"metadata": "start.beamline_id"}, "obs_id": {"node": "path"}}}};
query(q{CREATE SCHEMA tiled; CREATE TYPE tiled.family AS ENUM ('container');
	CREATE TABLE tiled.nodes (id serial PRIMARY KEY, parent int REFERENCES tiled.nodes ON DELETE CASCADE, key varchar(1023), structure_family tiled.family, metadata jsonb, specs jsonb, UNIQUE (key, parent));
	CREATE INDEX ON tiled.nodes (parent); INSERT INTO tiled.nodes VALUES (0, NULL, '', 'container', '{}', '[]')});
query(query("SELECT catreg.obscore_table('$nodes', 'tiled', 'runs')"));
query(q{SELECT create_distributed_table('tiled.runs', 'registry_dataset_id')});
query("SELECT catreg.create_obscore('$nodes', 'tiled', 'runs'); SELECT catreg.create_obscore('$nodes', 'tiled', 'whole')");
my $same = q{SELECT (SELECT string_agg(t, '|' ORDER BY k) FROM (SELECT registry_dataset_id AS k, o::text AS t FROM tiled.runs o OFFSET 0) r)
	= (SELECT string_agg(o::text, '|' ORDER BY registry_dataset_id) FROM tiled.whole o), (SELECT count(*) FROM tiled.whole), (SELECT count(*) FROM catreg.check_obscore('tiled.runs'))};
query(q{INSERT INTO tiled.nodes (parent, key, structure_family, metadata, specs)
	SELECT 0, 'run ' || i, 'container', format('{"start": {"beamline_id": "%s-ID"}}', i)::jsonb, '[{"name": "BlueskyRun"}]' FROM generate_series(11, 14) i});
is(query($same), 't|4|0', 'runs of several beamlines');
query(q{UPDATE tiled.nodes SET metadata = '{"start": {"beamline_id": "13-ID"}}' WHERE key = 'run 12'; UPDATE tiled.nodes SET key = 'run x' WHERE key = 'run 13'; DELETE FROM tiled.nodes WHERE key = 'run 11'});
is(query($same), 't|3|0', 'changed');

# what cannot be
sub refused
{
	my ($what, $statement, $message) = @_;
	my ($code, $output, $errors) = $coordinator->psql('postgres', $statement, on_error_stop => 1);

	like($errors, $message, $what);
}
refused('a table of Citus is not altered', "SELECT catreg.alter_obscore('registry.by_id', '$config')", qr/ObsCore table registry.by_id cannot be altered because of Citus, which keeps its rows/);
(my $chained = $config) =~ s/"RUN"/"CHAINED"/;
make_table('first', q{create_distributed_table('%s', 'registry_dataset_id')});
refused('nor find-first', "SELECT catreg.create_obscore('$chained', 'registry', 'first')", qr/Citus's table registry.first cannot be a find-first table/);
query(q{CREATE TABLE registry.narrow (obs_id text, registry_dataset_id uuid); SELECT create_distributed_table('registry.narrow', 'registry_dataset_id')});
refused('a table of other columns', "SELECT catreg.create_obscore('$config', 'registry', 'narrow')", qr/table registry.narrow lacks columns of its configuration: dataproduct_type text, /);
refused('a table of the registry stays on the coordinator', q{SELECT create_reference_table('registry.instrument')}, qr/triggers/);
is(query(q{SELECT count(*) FROM catreg.obscore}), '9', 'nothing is left of that');

# nor anything that catreg writes past the planner
query(q{CREATE TABLE tree (id int PRIMARY KEY, parent int); CREATE TABLE closure (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
	SELECT create_distributed_table('closure', 'ancestor')});
refused('a closure table', q{SELECT catreg.create_closure('tree', 'closure')}, qr/the rows of "closure" are kept by Citus/);

# a mirror of tables that Citus keeps, and into a database that has Citus
my $west = $node{west};
$west->safe_psql('postgres', 'CREATE DATABASE lone');
$west->safe_psql('lone', 'CREATE EXTENSION catreg');
$node{$_}->safe_psql('postgres', 'CREATE DATABASE second') for qw(coordinator east west);
$node{$_}->safe_psql('second', 'CREATE EXTENSION citus') for qw(coordinator east west);
$coordinator->safe_psql('second', "SELECT citus_set_coordinator_host('127.0.0.1', " . $coordinator->port . ')');
$coordinator->safe_psql('second', "SELECT citus_add_node('127.0.0.1', " . $node{$_}->port . ')') for qw(east west);
my $server = q{CREATE SERVER remote FOREIGN DATA WRAPPER catreg OPTIONS (host '127.0.0.1', port '%s', dbname '%s'); CREATE USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (user '} . getpwuid($<) . q{')};
$west->safe_psql('lone', sprintf $server, $coordinator->port, 'second');
query(sprintf $server, $west->port, 'lone');
my $make = q{CREATE SCHEMA cat; CREATE TABLE cat.kind (id int PRIMARY KEY, name text); CREATE TABLE cat.item (id bigint PRIMARY KEY, kind int REFERENCES cat.kind, v float8, j jsonb);
	CREATE TABLE cat.plain (a int, b text)};
my @fill = (q{INSERT INTO cat.kind SELECT i, 'kind ' || i FROM generate_series(1, 10) i}, q{INSERT INTO cat.item SELECT i, 1 + i % 10, i / 7.0, '{"a": [1]}' FROM generate_series(1, 3000) i},
	q{INSERT INTO cat.plain SELECT i % 7, i::text FROM generate_series(1, 100) i});
my @change = (q{UPDATE cat.item SET v = 0 WHERE id % 100 = 0}, q{DELETE FROM cat.item WHERE id BETWEEN 200 AND 210}, q{INSERT INTO cat.item VALUES (10000, 1)}, q{UPDATE cat.kind SET name = 'other' WHERE id = 3},
	q{DELETE FROM cat.plain WHERE a = 3});
$coordinator->safe_psql('second', $make);
$coordinator->safe_psql('second', $_) for q{SELECT create_reference_table('cat.kind')}, q{SELECT create_distributed_table('cat.item', 'id')}, @fill;
my $sum = q{SELECT (SELECT md5(string_agg(t, '|' ORDER BY t)) FROM (SELECT i::text AS t FROM cat.item i OFFSET 0) x), (SELECT string_agg(t, '|' ORDER BY t) FROM (SELECT k::text AS t FROM cat.kind k OFFSET 0) x), (SELECT count(*) FROM cat.plain)};
$west->safe_psql('lone', q{SELECT catreg.create_mirror('remote', 'cat', 'cat')});
is($west->safe_psql('lone', $sum), $coordinator->safe_psql('second', $sum), 'a mirror of distributed and reference tables');
is($west->safe_psql('lone', q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'cat'::regnamespace AND relkind = 'r'}), 'item kind plain', 'has no shards');
$coordinator->safe_psql('second', $_) for @change;
isnt($west->safe_psql('lone', q{SELECT count(*) FROM catreg.check_mirror('cat')}), '0', 'they are changed');
like($west->safe_psql('lone', q{SELECT string_agg(r::text, ' ' ORDER BY r) FROM catreg.refresh_mirror('cat') r}), qr/^\(item,1,29,11\) \(kind,0,1,0\) \(plain,/, 'and refreshed');
is($west->safe_psql('lone', $sum) . $west->safe_psql('lone', q{SELECT count(*) FROM catreg.check_mirror('cat')}), $coordinator->safe_psql('second', $sum) . '0', 'equal again');

$west->safe_psql('lone', $_) for 'DROP SCHEMA cat CASCADE; ' . $make, @fill;
query(q{SELECT catreg.create_mirror('remote', 'cat', 'cat')});
$west->safe_psql('lone', $_) for @change;
like(query(q{SELECT string_agg(r::text, ' ' ORDER BY r) FROM catreg.refresh_mirror('cat') r}), qr/^\(item,1,29,11\) \(kind,0,1,0\) \(plain,/, 'a mirror in a database that has Citus');
is(query($sum) . query(q{SELECT count(*) FROM catreg.check_mirror('cat')}), $west->safe_psql('lone', $sum) . '0', 'is equal');
query(q{SELECT create_distributed_table('cat.plain', 'a')});
refused('and its tables stay ordinary ones', q{SELECT catreg.refresh_mirror('cat')}, qr/Citus keeps its rows here/);

# a find-first table that is given to Citus later, and a record that is: a warning, and no row is lost in silence
query(qq{SELECT catreg.create_obscore('{"collection_type": "CHAINED", "collections": ["Cam/runs/1"], "facility_name": "F", "obs_collection": "All",
	"dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2}}}', 'registry', 'path')});
query(q{SELECT create_reference_table('registry.path')});
(undef, undef, $err) = $coordinator->psql('postgres', q{SELECT registry.put('calexp', 'Cam/runs/1', 0, 1)});
like($err, qr/WARNING:  could not keep ObsCore table "path": find-first table registry.path cannot be in parts/, 'find-first, and given to Citus');
query(q{SELECT catreg.drop_obscore('registry.path')});
query(q{SELECT citus_add_local_table_to_metadata('registry.visit', cascade_via_foreign_keys => true)});
(undef, undef, $err) = $coordinator->psql('postgres', q{SELECT registry.put('calexp', 'Cam/runs/1', 0, 2)});
like($err, qr/could not keep ObsCore table "whole": ObsCore tables cannot be made of table registry\.\w+, whose rows Citus keeps/, 'a registry that has become Citus\'s');
refused('of such none is made', "SELECT catreg.create_obscore('$config', 'registry', 'another')", qr/ObsCore tables cannot be made of table registry\.\w+, whose rows Citus keeps/);

query("SELECT catreg.drop_obscore('registry.$_')") for @tables;
is(query(q{SELECT count(*) FROM pg_dist_partition WHERE logicalrelid::text ~ '^registry\.(by_|everywhere|given_later)'}), '0', 'dropped');
done_testing();
