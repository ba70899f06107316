# The rows of a whole ObsCore table are made by parallel workers, which warn of what they cannot derive; they
# are those that check_obscore() expects.  In a find-first table they make the rows of members that one process has
# found, unless the table's owner may not make the table that these are kept in.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Cwd qw(abs_path);
use File::Basename;

my $registry = abs_path(dirname(__FILE__) . '/../sql/include/butler_registry.sql');
my $problem = qr/region cannot be derived: the record's region cannot be read: it is not base64/;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
# Workers wherever there can be some, and the leader makes no rows.
$node->append_conf('postgresql.conf', q{
	min_parallel_table_scan_size = 0
	parallel_setup_cost = 0
	parallel_tuple_cost = 0
	parallel_leader_participation = off
	enable_indexscan = off
	enable_bitmapscan = off
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION catreg');
$node->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $registry ])
  or die 'could not make a registry';
# 1,000 visits and two runs, of which one lacks the dataset whose region cannot be read.
$node->safe_psql('postgres', $_) for (
	q{INSERT INTO registry.visit SELECT 'Cam', v, 20250101, 'r_03', 'visit ' || v, v, 30, 'M', 12.5, NULL, NULL FROM generate_series(5, 1000) v},
	q{INSERT INTO registry.visit_detector_region SELECT 'Cam', d, v, registry.square(v % 300, d) FROM generate_series(0, 3) d, generate_series(4, 1000) v},
	q{INSERT INTO registry.dataset SELECT registry.id(concat(run, ' ', d, ' ', v)), 2, 0, run FROM unnest(ARRAY[1, 2]) run, generate_series(0, 3) d, generate_series(1, 1000) v},
	q{INSERT INTO registry.dataset_tags_00000002 SELECT 2, registry.id(concat(run, ' ', d, ' ', v)), run, 'Cam', d, v
		FROM unnest(ARRAY[1, 2]) run, generate_series(0, 3) d, generate_series(1, 1000) v},
	q{DELETE FROM registry.dataset WHERE id = registry.id('2 1 2')},
	q{UPDATE registry.visit_detector_region SET region = 'damaged' WHERE visit = 2 AND detector = 1},
	q{VACUUM ANALYZE});

my $config = q{{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F", "dataset_types": {
	"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name} {records[detector].full_name}"}}}};
my $other = $config =~ s/"F"/"G"/r;
my $first = $config =~ s/"RUN", "collections": \[.*?\]/"CHAINED", "collections": ["Cam\/runs\/1", "Cam\/raw\/all"]/r;
my $turned = $first =~ s/("Cam.runs.1"), ("Cam.raw.all")/$2, $1/r;

# What a statement prints, with the plans of all that it executes.
sub plans
{
	my ($statement) = @_;
	my ($out, $err);

	$node->psql('postgres', "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on;"
		  . " SET auto_explain.log_nested_statements = on; SET client_min_messages = log; $statement", stdout => \$out, stderr => \$err, on_error_die => 1);
	return $err;
}

sub is_right
{
	my ($table, $rows, $what) = @_;

	is($node->safe_psql('postgres', "SELECT count(*), count(s_ra) FROM $table"), $rows, "$what: its rows");
	my $problems = $node->safe_psql('postgres', "SELECT problem FROM catreg.check_obscore('$table')");
	like($problems, qr/^$problem$/, "$what: what check_obscore() finds is what cannot be derived");
}

# A plan that is a Gather as a whole: not only what is joined comes from workers.
my $rows = qr/^Gather (?:(?!Query Text).)*Workers Launched: [1-9](?:(?!Query Text).)*on visit_detector_region/ms;
my $made = plans("SELECT catreg.create_obscore('$config', 'registry', 'calexps')");
like($made, $rows, 'create_obscore(): workers make the rows');
is(scalar(() = $made =~ /WARNING:  region of dataset \S+ cannot be derived: /g), 1, 'a warning of what a worker cannot derive');
is_right('registry.calexps', '7999|7998', 'create_obscore()');

plans("SELECT catreg.alter_obscore('registry.calexps', '$other')");
is_right('registry.calexps', '7999|7998', 'alter_obscore()');

$made = plans("SELECT catreg.create_obscore('$first', 'registry', 'firsts')");
like($made, $rows, 'a find-first table: workers make the rows');
is_right('registry.firsts', '4000|3999', 'a find-first table');
my $query = $node->safe_psql('postgres', q{SELECT catreg.obscore_query('registry.firsts')});
is($node->safe_psql('postgres', "SELECT count(*) FROM ($query) q"), 4000, 'the query of a find-first table');
plans("SELECT catreg.alter_obscore('registry.firsts', '$turned')");
is_right('registry.firsts', '4000|3999', 'a find-first table with another search path');

# An edit of a chain writes its rows in a subtransaction, which has no transaction id yet.
$node->safe_psql('postgres', $_) for (
	q{INSERT INTO registry.collection VALUES (110, 'all', 3)},
	q{INSERT INTO registry.collection_chain VALUES (110, 1, 3)},
	"SELECT catreg.create_obscore('" . ($first =~ s/\["Cam.*?\]/["all"]/r) . "', 'registry', 'edited')");
my $edited = plans(q{INSERT INTO registry.collection_chain VALUES (110, 0, 1)});
unlike($edited, qr/WARNING:  could not keep/, 'a chain edit');
is_right('registry.edited', '4000|3999', 'a chain edit');

$node->safe_psql('postgres', q{
	CREATE ROLE keeper;
	GRANT USAGE ON SCHEMA registry, catreg TO keeper;
	GRANT SELECT ON ALL TABLES IN SCHEMA registry TO keeper;
	ALTER TABLE registry.firsts OWNER TO keeper});
$made = plans("SELECT catreg.alter_obscore('registry.firsts', '" . ($first =~ s/"F"/"G"/r) . "')");
unlike($made, $rows, 'an owner who may not make a table: no workers');
is_right('registry.firsts', '4000|3999', 'an owner who may not make a table');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname ~ 'catreg_members'}), 0, 'no table of members stays');

$node->stop;
done_testing();
