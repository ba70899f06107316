# ObsCore tables of a subscriber's registry and catalog: initial copy, then every kind
# of change that the publisher makes, which has no ObsCore table.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $registry = abs_path(dirname(__FILE__) . '/../sql/include/butler_registry.sql');
my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;

foreach my $node ($publisher, $subscriber)
{
	$node->safe_psql('postgres', 'CREATE EXTENSION catreg');
	$node->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $registry ])
	  or die 'could not make a registry';
}
$publisher->safe_psql('postgres', q{
	SELECT count(registry.put(type, run, d, e)) FROM (VALUES ('raw', 'Cam/raw/all'), ('calexp', 'Cam/runs/1'), ('calexp', 'u/someone')) t (type, run),
		generate_series(0, 3) d, generate_series(1, 3) e;
	CREATE PUBLICATION registry FOR TABLES IN SCHEMA registry;
});
$subscriber->safe_psql('postgres', q{
	DO $$ BEGIN
		EXECUTE (SELECT 'TRUNCATE ' || string_agg(c.oid::regclass::text, ', ') FROM pg_class c WHERE relnamespace = 'registry'::regnamespace AND relkind = 'r');
	END $$;
});
$subscriber->safe_psql('postgres',
	'CREATE SUBSCRIPTION registry CONNECTION $$' . $publisher->connstr('postgres') . '$$ PUBLICATION registry');
$subscriber->wait_for_subscription_sync($publisher, 'registry');
my $config = q{"facility_name": "F", "extra_columns": {"lsst_run": {"template": "{run}"}, "target": {"template": "{records[visit].target_name}"}},
	"dataset_types": {
		"raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{exposure}/{detector}", "extra_columns": {"target": {"template": "none"}}},
		"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{visit}/{detector}"}}};
$subscriber->safe_psql('postgres', qq{
	SELECT catreg.create_obscore('{"collection_type": "RUN", $config}', 'registry', 'of_runs');
	SELECT catreg.create_obscore('{"collection_type": "CHAINED", "collections": ["best"], $config}', 'registry', 'of_path');
});

# as many rows as the publisher has datasets, and of its chain's; none of them wrong
my $there = q{
	WITH RECURSIVE path (place, id) AS (
		SELECT ARRAY[c.position], c.child FROM registry.collection_chain c JOIN registry.collection p ON p.collection_id = c.parent WHERE p.name = 'best'),
	tags AS (
		SELECT dataset_type_id, collection_id, instrument, detector, exposure AS other FROM registry.dataset_tags_00000001
		UNION ALL SELECT dataset_type_id, collection_id, instrument, detector, visit FROM registry.dataset_tags_00000002)
	SELECT (SELECT count(*) FROM tags t JOIN registry.dataset_type d ON d.id = t.dataset_type_id JOIN registry.collection c USING (collection_id)
			WHERE c.type = 1 AND d.name IN ('raw', 'calexp')),
		(SELECT count(DISTINCT (t.dataset_type_id, t.instrument, t.detector, t.other)) FROM tags t JOIN registry.dataset_type d ON d.id = t.dataset_type_id
			WHERE t.collection_id IN (SELECT id FROM path) AND d.name IN ('raw', 'calexp')), 0
};

sub is_right
{
	my ($name, $sql) = @_;

	$publisher->safe_psql('postgres', $sql);
	$publisher->wait_for_catchup('registry');
	is($subscriber->safe_psql('postgres', q{SELECT (SELECT count(*) FROM registry.of_runs), (SELECT count(*) FROM registry.of_path),
		(SELECT count(*) FROM catreg.check_obscore('registry.of_runs')) + (SELECT count(*) FROM catreg.check_obscore('registry.of_path'))}),
		$publisher->safe_psql('postgres', $there), $name);
}

is_right('the initial copy', 'SELECT');
is_right('a chain', q{
	INSERT INTO registry.collection (name, type) VALUES ('best', 3);
	INSERT INTO registry.collection_chain SELECT p.collection_id, row_number() OVER (ORDER BY c.name DESC), c.collection_id
		FROM registry.collection p, registry.collection c WHERE p.name = 'best' AND c.type = 1;
});
is_right('puts in a run that is new', q{
	BEGIN;
	INSERT INTO registry.collection (name, type) VALUES ('Cam/runs/2', 1);
	INSERT INTO registry.run SELECT collection_id FROM registry.collection WHERE name = 'Cam/runs/2';
	SELECT count(registry.put('calexp', 'Cam/runs/2', d, e)) FROM generate_series(0, 3) d, generate_series(1, 3) e;
	UPDATE registry.collection_chain SET position = position + 10;
	INSERT INTO registry.collection_chain SELECT p.collection_id, 1, c.collection_id FROM registry.collection p, registry.collection c
		WHERE p.name = 'best' AND c.name = 'Cam/runs/2';
	COMMIT;
});
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM registry.of_path WHERE lsst_run = 'Cam/runs/2'}), '12', 'they come first');
is_right('what a transaction does and undoes', q{
	BEGIN;
	DELETE FROM registry.dataset WHERE id IN (SELECT dataset_id FROM registry.dataset_tags_00000002 WHERE detector = 2);
	SELECT registry.put('calexp', 'u/someone', 2, 1);
	SAVEPOINT s;
	DELETE FROM registry.dataset;
	ROLLBACK TO s;
	DELETE FROM registry.dataset WHERE id IN (SELECT dataset_id FROM registry.dataset_tags_00000001 WHERE detector = 0);
	SELECT registry.put('raw', 'Cam/raw/all', 0, 2);
	COMMIT;
});
is_right('records', q{
	UPDATE registry.visit SET target_name = 'other' WHERE id = 2;
	DELETE FROM registry.visit_detector_region WHERE detector = 1;
});
is($subscriber->safe_psql('postgres', q{SELECT count(*) > 0 FROM registry.of_runs WHERE target = 'other'}), 't', 'a record that was updated');
is_right('a run that goes', q{
	DELETE FROM registry.collection_chain WHERE child = (SELECT collection_id FROM registry.collection WHERE name = 'Cam/runs/2');
	DELETE FROM registry.collection WHERE name = 'Cam/runs/2';
});
is_right('TRUNCATE', 'TRUNCATE registry.dataset_tags_00000002');
is_right('and puts again', q{SELECT registry.put('raw', 'u/someone', 3, 3), registry.put('raw', 'Cam/runs/1', 2, 2)});
my $log = slurp_file($subscriber->logfile);
unlike($log, qr/could not keep/, 'nothing was left out');

$subscriber->stop;
$publisher->stop;
done_testing();
