# ObsCore tables whose partitions are on other servers, by instrument and by time:
# a registry here, partitions on two others through postgres_fdw.  An ordinary table
# of the same configuration, kept in the ordinary way, says what the rows are.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Cwd qw(abs_path);
use File::Basename;

my $include = abs_path(dirname(__FILE__) . '/../sql/include');

my %node;
for my $name (qw(registry north south))
{
	$node{$name} = PostgreSQL::Test::Cluster->new($name);
	$node{$name}->init;
	$node{$name}->append_conf('postgresql.conf', "fsync = off\nclient_min_messages = warning");
	$node{$name}->append_conf('postgresql.conf', 'log_statement = all') if $name ne 'registry';
	$node{$name}->start;
	$node{$name}->safe_psql('postgres', 'CREATE EXTENSION catreg');
}
my $registry = $node{registry};
if ($registry->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'}) eq '0')
{
	plan skip_all => 'postgres_fdw is not installed';
}
$registry->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $registry->connstr('postgres'),
	map { ('-f', "$include/$_.sql") } qw(butler_registry butler_second_instrument) ])
  or die 'could not make a registry';
$registry->safe_psql('postgres', 'CREATE EXTENSION postgres_fdw');
for my $name (qw(north south))
{
	$registry->safe_psql('postgres', "CREATE SERVER $name FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '" . $node{$name}->host . "', port '"
		. $node{$name}->port . "', dbname 'postgres'); CREATE USER MAPPING FOR CURRENT_USER SERVER $name");
}

my $config = q{{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F",
	"dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name} {records[detector].full_name}"}},
	"extra_columns": {"run": {"template": "{run}"}}, "indices": {"times": ["t_min", "t_max"]}}};

sub query { return $registry->safe_psql('postgres', shift); }

# A partition of a table, on another server, where the table is made first.
sub make_part
{
	my ($server, $table, $part, $bounds) = @_;
	my $create = query("SELECT catreg.obscore_table('$config', 'registry', '$part')");

	$create =~ s/CREATE TABLE registry\./CREATE TABLE /;
	$node{$server}->safe_psql('postgres', "$create; ALTER TABLE $part ADD PRIMARY KEY (registry_dataset_id); CREATE INDEX ON $part USING gist (region)");
	query("CREATE FOREIGN TABLE registry.$part PARTITION OF registry.$table $bounds SERVER $server OPTIONS (schema_name 'public', table_name '$part')");
}

query("SELECT catreg.create_obscore('$config', 'registry', 'whole')");
query(q{SELECT registry.put_many('Cam', 'Cam/runs/1', '{0,1}', '{1,2}') + registry.put_many('Two', 'Cam/runs/1', '{0,1,2}', '{1}')});

query(query("SELECT catreg.obscore_table('$config', 'registry', 'by_instrument')") . ' PARTITION BY LIST (instrument_name)');
make_part('north', 'by_instrument', 'cam', q{FOR VALUES IN ('Cam')});
make_part('south', 'by_instrument', 'two', q{FOR VALUES IN ('Two')});
query('CREATE TABLE registry.other PARTITION OF registry.by_instrument DEFAULT');
query(query("SELECT catreg.obscore_table('$config', 'registry', 'by_time')") . ' PARTITION BY RANGE (t_min)');
make_part('south', 'by_time', 'early', 'FOR VALUES FROM (0) TO (60676.121)');
query('CREATE TABLE registry.late PARTITION OF registry.by_time FOR VALUES FROM (60676.121) TO (70000)');
query('CREATE TABLE registry.unknown PARTITION OF registry.by_time DEFAULT');
query("SELECT catreg.create_obscore('$config', 'registry', 'by_instrument')");
query("SELECT catreg.create_obscore('$config', 'registry', 'by_time')");

my $rows = q{SELECT count(*), md5(string_agg(o::text, '|' ORDER BY registry_dataset_id)) FROM registry.%s o};

# After a statement all tables have the same rows, which are those of the query.
sub is_kept
{
	my ($what, $statement) = @_;

	query($statement) if defined $statement;
	my $expected = query(sprintf $rows, 'whole');
	for my $table (qw(by_instrument by_time))
	{
		is(query(sprintf $rows, $table), $expected, "$what: $table");
		is(query("SELECT string_agg(problem, '; ') FROM catreg.check_obscore('registry.$table')"), '', "$what: check_obscore of $table");
	}
}

sub counts
{
	return join ' ', $node{north}->safe_psql('postgres', 'SELECT count(*) FROM cam'),
	  $node{south}->safe_psql('postgres', 'SELECT count(*) FROM two'), query('SELECT count(*) FROM registry.other'),
	  $node{south}->safe_psql('postgres', 'SELECT count(*) FROM early'), query('SELECT count(*) FROM registry.late'), query('SELECT count(*) FROM registry.unknown');
}

is_kept('what was there is in it');
is(counts(), '4 3 0 5 2 0', 'rows are where they belong');
is(query(q{SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
	WHERE i.indrelid IN ('registry.other'::regclass, 'registry.late'::regclass, 'registry.by_time'::regclass) AND NOT i.indisprimary AND c.relname LIKE '%region%'}),
	'by_time_region_idx late_region_idx other_region_idx', 'partitions here get the indexes');
is(query(q{SELECT count(*) FROM pg_index WHERE indrelid IN ('registry.other'::regclass, 'registry.late'::regclass, 'registry.unknown'::regclass) AND indisprimary}), '3', 'and a primary key each');

is_kept('puts', q{SELECT registry.put_many('Cam', 'Cam/raw/all', '{0,1,2,3}', '{1,2,3}'), registry.put_many('Two', 'Cam/raw/all', '{3}', '{1,2,3,4}')});
is_kept('a put elsewhere', q{SELECT registry.put_many('Two', 'u/someone', '{3}', '{1,2,3,4}')});
is_kept('a record', q{UPDATE registry.visit SET target_name = 'new' WHERE id IN (1, 2)});
is_kept('a detector', q{UPDATE registry.detector SET full_name = full_name || 'x' WHERE id < 2});
is_kept('a region', q{UPDATE registry.visit_detector_region SET region = registry.square(80, 5) WHERE visit = 1});
is_kept('times, and so partitions', q{UPDATE registry.visit SET timespan = int8range(lower(timespan) + 86400000000000, upper(timespan) + 86400000000000) WHERE id = 1});
is_kept('and back', q{UPDATE registry.visit SET timespan = int8range(lower(timespan) - 86400000000000, upper(timespan) - 86400000000000) WHERE id = 1});
is_kept('no time', q{UPDATE registry.visit SET timespan = NULL WHERE id = 2});
is_kept('datasets removed', q{DELETE FROM registry.dataset WHERE id IN (SELECT dataset_id FROM registry.dataset_tags_00000002 WHERE detector = 1)});
is_kept('a run renamed', q{UPDATE registry.collection SET name = 'x' WHERE name = 'Cam/raw/all'});
is_kept('and again', q{UPDATE registry.collection SET name = 'Cam/raw' WHERE name = 'x'});
is_kept('several in a transaction', q{BEGIN; SELECT registry.put_many('Cam', 'Cam/runs/1', '{2,3}', '{3}'); UPDATE registry.visit SET target_name = 'again' WHERE id = 3;
	DELETE FROM registry.dataset_tags_00000002 WHERE detector = 2; COMMIT});
is_kept('what is rolled back', q{BEGIN; SELECT registry.put_many('Cam', 'Cam/runs/1', '{1,2}', '{4}'); SAVEPOINT s; UPDATE registry.visit SET target_name = 'never'; ROLLBACK TO s;
	DELETE FROM registry.dataset; ROLLBACK});
is_kept('what is rolled back in part', q{BEGIN; SELECT registry.put_many('Cam', 'Cam/runs/1', '{1}', '{4}'); SAVEPOINT s; UPDATE registry.visit SET target_name = 'never'; ROLLBACK TO s; COMMIT});

# rows that somebody has written
$node{north}->safe_psql('postgres', q{UPDATE cam SET obs_id = 'wrong' WHERE obs_id LIKE 'visit 3%'});
$node{south}->safe_psql('postgres', q{DELETE FROM two WHERE obs_id LIKE 'two 1%'});
query(q{INSERT INTO registry.by_instrument (registry_dataset_id, instrument_name) VALUES (gen_random_uuid(), 'Cam'), (gen_random_uuid(), NULL)});
isnt(query(q{SELECT count(*) FROM catreg.check_obscore('registry.by_instrument')}), '0', 'wrong rows are listed');
like(query(q{SELECT * FROM catreg.refresh_obscore('registry.by_instrument')}), qr/^[1-9]\d*\|[1-9]\d*\|2$/, 'and mended');
is_kept('refreshed');

# another server is away: nothing of the client's fails
$node{north}->stop;
my ($result, $out, $err) = $registry->psql('postgres', q{SELECT registry.put_many('Cam', 'Cam/runs/1', '{1}', '{3}'), registry.put_many('Two', 'Cam/runs/1', '{1}', '{3}')});
is($result, 0, 'a put while a partition is away');
like($err, qr/WARNING:  could not keep ObsCore table "by_instrument"/, 'warns');
unlike($err, qr/by_time/, 'of the table concerned only');
$node{north}->start;
query(q{SELECT catreg.refresh_obscore('registry.by_instrument')});
is_kept('when it is back');

# a new partition, for rows to come
make_part('north', 'by_instrument', 'three', q{FOR VALUES IN ('Three')});
is_kept('a new instrument', q{INSERT INTO registry.instrument VALUES ('Three', 1, 1, 1, 'T'); INSERT INTO registry.physical_filter VALUES ('Three', 'r', 'r');
	INSERT INTO registry.detector VALUES ('Three', 0, 'x', 'y'); INSERT INTO registry.day_obs VALUES ('Three', 20250101, NULL);
	INSERT INTO registry.visit SELECT 'Three', id, day_obs, 'r', name, seq_num, exposure_time, target_name, 1, region, timespan FROM registry.visit WHERE instrument = 'Cam';
	SELECT registry.put_many('Three', 'Cam/runs/1', '{0}', '{1,2}')});
is($node{north}->safe_psql('postgres', 'SELECT count(*) FROM three'), '2', 'its rows are there');
is_kept('TRUNCATE', 'TRUNCATE registry.dataset_tags_00000002');
is(counts(), '0 0 0 0 0 0', 'no row is left anywhere');

# a record changes while the table is refreshed that lacks its rows
query(q{DELETE FROM registry.dataset; SELECT registry.put_many('Cam', 'Cam/runs/1', '{0,1}', '{1,2}'); DELETE FROM registry.unknown});
my ($in, $pout) = ('', '');
my $timer = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
my $session = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $registry->connstr('postgres') ], '<', \$in, '>', \$pout, '2>&1', $timer);
$in = "BEGIN;\nUPDATE registry.visit SET target_name = 'one' WHERE id = 2;\n\\echo done\n";
$session->pump until $pout =~ /done/;
my ($in2, $pout2) = ('', '');
my $session2 = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $registry->connstr('postgres') ], '<', \$in2, '>', \$pout2, '2>&1', $timer);
$in2 = "SELECT catreg.refresh_obscore('registry.by_time');\n\\echo done\n";
$session2->pump_nb;
$registry->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%refresh_obscore%' AND pid <> pg_backend_pid()});
$in = "COMMIT;\n\\q\n";
$session->finish;
$session2->pump until $pout2 =~ /done/;
$in2 = "\\q\n";
$session2->finish;
like($pout2, qr/^\(0,0,0\)/, 'a refresh waits for who makes the rows that it misses');
is_kept('refreshed at once');

# nodes of a Tiled catalog
my $nodes = q{{"source": "tiled", "nodes": {"specs": ["BlueskyRun"]}, "columns": {"instrument_name": {"metadata": "start.beamline_id"}, "obs_id": {"node": "path"}}}};
query(q{CREATE SCHEMA tiled; CREATE TYPE tiled.family AS ENUM ('container');
	CREATE TABLE tiled.nodes (id serial PRIMARY KEY, parent int REFERENCES tiled.nodes ON DELETE CASCADE, key varchar(1023), structure_family tiled.family, metadata jsonb, specs jsonb, UNIQUE (key, parent));
	CREATE INDEX ON tiled.nodes (parent); INSERT INTO tiled.nodes VALUES (0, NULL, '', 'container', '{}', '[]')});
query(query("SELECT catreg.obscore_table('$nodes', 'tiled', 'runs')") . ' PARTITION BY LIST (instrument_name)');
my $create = query("SELECT catreg.obscore_table('$nodes', 'tiled', 'runs')");
$create =~ s/CREATE TABLE tiled\./CREATE TABLE /;
$node{north}->safe_psql('postgres', "$create; ALTER TABLE runs ADD PRIMARY KEY (registry_dataset_id)");
query(q{CREATE FOREIGN TABLE tiled.runs_13 PARTITION OF tiled.runs FOR VALUES IN ('13-ID') SERVER north OPTIONS (schema_name 'public', table_name 'runs');
	CREATE TABLE tiled.runs_other PARTITION OF tiled.runs DEFAULT});
query("SELECT catreg.create_obscore('$nodes', 'tiled', 'runs'); SELECT catreg.create_obscore('$nodes', 'tiled', 'whole')");
my $same = q{SELECT (SELECT string_agg(o::text, '|' ORDER BY registry_dataset_id) FROM tiled.runs o) = (SELECT string_agg(o::text, '|' ORDER BY registry_dataset_id) FROM tiled.whole o),
	(SELECT count(*) FROM tiled.whole), (SELECT count(*) FROM catreg.check_obscore('tiled.runs'))};
query(q{INSERT INTO tiled.nodes (parent, key, structure_family, metadata, specs)
	SELECT 0, 'run ' || i, 'container', format('{"start": {"beamline_id": "%s-ID"}}', i)::jsonb, '[{"name": "BlueskyRun"}]' FROM generate_series(11, 14) i});
is(query($same), 't|4|0', 'runs of several beamlines');
is($node{north}->safe_psql('postgres', 'SELECT obs_id FROM runs'), 'run 13', 'one of them elsewhere');
query(q{UPDATE tiled.nodes SET metadata = '{"start": {"beamline_id": "13-ID"}}' WHERE key = 'run 12'; UPDATE tiled.nodes SET key = 'run x' WHERE key = 'run 13'; DELETE FROM tiled.nodes WHERE key = 'run 11'});
is(query($same), 't|3|0', 'changed');
is($node{north}->safe_psql('postgres', q{SELECT string_agg(obs_id, ',' ORDER BY obs_id) FROM runs}), 'run 12,run x', 'and moved');

# what reaches the other servers: nothing but these forms, which a table of any kind takes
my $names = qr/(cam|two|three|early|runs)/;
for my $name (qw(north south))
{
	my (@other, %seen);

	(my $log = slurp_file($node{$name}->logfile)) =~ s/\n\t/ /g;
	for (split /\n/, $log)
	{
		next unless /LOG:  (?:statement|execute \w+|execute <unnamed>): (.*public\.$names.*)/;
		my $statement = $1;
		$seen{$1}++ if $statement =~ /^(DECLARE|DELETE|INSERT)/;
		push @other, $statement
		  unless $statement =~ /^DECLARE c\d+ CURSOR FOR SELECT (?:[\w, ]+|NULL) FROM public\.$names(?: WHERE \(\(registry_dataset_id = ANY \(\$1::uuid\[\]\)\)\))?$/
		  || $statement =~ /^DELETE FROM public\.$names WHERE \(\(registry_dataset_id = ANY \(\$1::uuid\[\]\)\)\)(?: AND \(\(registry_dataset_id <> ALL \(\$2::uuid\[\]\)\)\))?$/
		  || $statement =~ /^INSERT INTO public\.$names\([\w, ]+\) VALUES \([\$\d, ]+\)$/
		  || $statement =~ /^(?:CREATE|ALTER)/;
	}
	is("@other", '', "statements on $name");
	is(join(' ', sort keys %seen), 'DECLARE DELETE INSERT', 'are of three kinds');
}

# what cannot be
sub refused
{
	my ($statement, $message) = @_;
	my ($code, $output, $errors) = $registry->psql('postgres', $statement);

	like($errors, $message, $statement =~ /(\w+\('[^']*'\)|'registry', '\w+')/ ? $1 : $statement);
}
refused("SELECT catreg.create_obscore('$config', 'registry', 'visit')", qr/relation "visit" already exists/);
query('CREATE TABLE registry.narrow (obs_id text, registry_dataset_id uuid) PARTITION BY LIST (obs_id)');
refused("SELECT catreg.create_obscore('$config', 'registry', 'narrow')", qr/table registry.narrow lacks columns of its configuration: dataproduct_type text, /);
(my $chained = $config) =~ s/"RUN"/"CHAINED"/;
refused("SELECT catreg.create_obscore('$chained', 'registry', 'narrow')", qr/partitioned table registry.narrow cannot be a find-first table/);
refused("SELECT catreg.alter_obscore('registry.by_time', '$config')", qr/cannot be altered because of table registry\.\w+, which inherits from it/);
is(query(q{SELECT count(*) FROM catreg.obscore}), '5', 'nothing is left of that');
query(q{SELECT catreg.drop_obscore('registry.by_time')});
is($node{south}->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname = 'early'}), '1', 'the other server keeps its table');
is_deeply([ query(q{SELECT to_regclass('registry.by_time') IS NULL, count(*) FROM catreg.obscore}) ], ['t|4'], 'here it is dropped');
done_testing();
