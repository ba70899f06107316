# ObsCore tables when a crash, a cancel or a timeout comes in the middle of a
# put, of create_obscore() or of refresh_obscore(): a client's statement is there
# with its rows or not at all, and no half of a table stays.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Cwd qw(abs_path);
use File::Basename;

my $registry = abs_path(dirname(__FILE__) . '/../sql/include/butler_registry.sql');

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;

$node->safe_psql('postgres', 'CREATE EXTENSION catreg');
$node->run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $registry ])
  or die 'could not make a registry';

my $config = q{{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F", "dataset_types": {
	"raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}"},
	"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}}}};
my $create = "SELECT catreg.create_obscore('$config', 'registry', 'late')";
my $refresh = q{SELECT * FROM catreg.refresh_obscore('registry.obscore')};
# a visit's name is one of the table's values: its rows are made again
my $update = q{UPDATE registry.visit SET name = name || '!'};
my $put = q{
	WITH d AS (INSERT INTO registry.dataset SELECT md5(format('put %s %s', e, d))::uuid, 1, 0, 1
			FROM generate_series(1, 6) e, generate_series(0, 3) d WHERE d <> 0 RETURNING id)
	SELECT count(*) FROM d;
	INSERT INTO registry.dataset_tags_00000001 SELECT 1, md5(format('put %s %s', e, d))::uuid, 1, 'Cam', d, e
		FROM generate_series(1, 6) e, generate_series(0, 3) d WHERE d <> 0};
my $remove = q{DELETE FROM registry.dataset WHERE id IN (SELECT md5(format('put %s %s', e, d))::uuid FROM generate_series(1, 6) e, generate_series(0, 3) d)};

# Whoever writes the row of exposure 4 or of visit 2, or alters a table, stays
# there for as long as somebody holds the lock.
$node->safe_psql('postgres', qq{
	SELECT catreg.create_obscore('$config', 'registry');
	SELECT count(registry.put('raw', 'Cam/raw/all', 0, e)) FROM generate_series(1, 6) e;
	SELECT count(registry.put('calexp', 'Cam/runs/1', d, v)) FROM generate_series(0, 3) d, generate_series(1, 3) v;
	CREATE FUNCTION stay() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock_shared(1); SELECT pg_advisory_unlock_shared(1)';
	CREATE FUNCTION stay_at_row() RETURNS trigger LANGUAGE plpgsql AS \$\$BEGIN PERFORM public.stay(); RETURN NEW; END\$\$;
	CREATE FUNCTION stay_at_command() RETURNS event_trigger LANGUAGE plpgsql AS \$\$BEGIN PERFORM public.stay(); END\$\$;
	CREATE TRIGGER stay BEFORE INSERT OR UPDATE ON registry.obscore FOR EACH ROW
		WHEN (NEW.obs_id IN ('Cam_4', 'visit 2', 'visit 2!')) EXECUTE FUNCTION stay_at_row();
	CREATE EVENT TRIGGER stay ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION stay_at_command();
});

# Rows, problems, tables, triggers, visits with their own name, datasets.
my $state = q{
	SELECT (SELECT count(*) FROM registry.obscore), (SELECT count(*) FROM catreg.check_obscore('registry.obscore')),
		(SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'registry'::regnamespace AND relkind = 'r' AND relname IN ('obscore', 'late')),
		(SELECT count(*) FROM catreg.obscore), (SELECT count(*) FROM pg_trigger WHERE tgname ~ '^catreg_obscore'),
		(SELECT count(*) FROM registry.visit WHERE name !~ '!'), (SELECT count(*) FROM registry.dataset)};
my $before = $node->safe_psql('postgres', $state);
like($before, qr/^18\|0\|obscore\|1\|\d+\|4\|18$/, 'a table is made and right');

# Rows that refresh_obscore() will mend, written past the triggers.
my $spoil = q{
	SET session_replication_role = replica;
	DELETE FROM registry.obscore WHERE obs_id ~ '^visit';
	UPDATE registry.obscore SET target_name = 'wrong'};

# Starts a statement, and waits until it stays in the middle.
sub start_and_wait
{
	my ($holder, $sql) = @_;

	$holder->query_safe('SELECT pg_advisory_lock(1)');
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->{stdin} .= "$sql;\n";
	$session->{run}->pump_nb;
	$node->poll_query_until('postgres', qq{SELECT count(*) = 1 FROM pg_locks WHERE pid = $pid AND locktype = 'advisory' AND NOT granted})
	  or die 'it does not stay';
	return ($session, $pid);
}

sub finish
{
	my ($session) = @_;

	eval { $session->{run}->finish; };
}

my %work = ('a put' => "BEGIN;\n$put;\nCOMMIT", 'an update' => $update, 'create_obscore()' => $create, 'refresh_obscore()' => $refresh);

# The server ends with the backend (restart_after_crash is off).
sub kill_backend
{
	my ($pid) = @_;

	kill('KILL', $pid);
	for (1 .. 1800)
	{
		return $node->_update_pid(0) unless -e $node->data_dir . '/postmaster.pid';
		select(undef, undef, undef, 0.1);
	}
	die 'the server does not end';
}

my %ways = ('a crash of the server' => sub { $node->stop('immediate') }, 'a crash of the backend' => \&kill_backend);

for my $way (sort keys %ways)
{
	for my $what (sort keys %work)
	{
		my $spoiled = $what eq 'refresh_obscore()';

		$node->safe_psql('postgres', $spoil) if $spoiled;
		my $holder = $node->background_psql('postgres');
		my ($session, $pid) = start_and_wait($holder, $work{$what});
		$ways{$way}->($pid);
		finish($_) for ($session, $holder);
		$node->start;
		if ($spoiled)
		{
			is($node->safe_psql('postgres', q{SELECT count(*) FROM catreg.check_obscore('registry.obscore')}), '18', "$way, $what: what was wrong is, and no more");
			is($node->safe_psql('postgres', $refresh), '12|6|0', "$way, $what: it can be called again");
		}
		is($node->safe_psql('postgres', $state), $before, "$way, $what: nothing of it stays");
	}
}

# Cancelled in the same places, by somebody else and by time; and what was to be
# written, is afterwards.
my %stops = (
	'a cancel' => [ '', sub { $node->safe_psql('postgres', "SELECT pg_cancel_backend($_[0])") }, qr/canceling statement due to user request/ ],
	'a termination' => [ '', sub { $node->safe_psql('postgres', "SELECT pg_terminate_backend($_[0])") }, qr/terminating connection due to administrator command/ ],
	'statement_timeout' => [ "SET statement_timeout = '1s';\n", sub { }, qr/canceling statement due to statement timeout/ ],
	'lock_timeout' => [ "SET lock_timeout = '1s';\n", sub { }, qr/canceling statement due to lock timeout/ ]);
for my $stop (sort keys %stops)
{
	my ($setting, $act, $message) = @{ $stops{$stop} };

	for my $what (sort keys %work)
	{
		my $spoiled = $what eq 'refresh_obscore()';

		$node->safe_psql('postgres', $spoil) if $spoiled;
		my $holder = $node->background_psql('postgres');
		my ($session, $pid) = start_and_wait($holder, $setting . $work{$what});
		$act->($pid);
		$node->poll_query_until('postgres', qq{SELECT count(*) = 0 FROM pg_locks WHERE pid = $pid AND locktype = 'advisory'});
		$holder->query_safe('SELECT pg_advisory_unlock_all()');
		$session->{stdin} .= "SELECT 'goes on';\n" unless $stop eq 'a termination';
		finish($session);
		$holder->quit;
		like($session->{stdout}, qr/^goes on$/m, "$stop, $what: his session goes on") unless $stop eq 'a termination';
		like($session->{stderr}, $message, "$stop, $what: the client hears of it");
		unlike($session->{stderr}, qr/WARNING/, "$stop, $what: and no more");
		is($node->safe_psql('postgres', $refresh), '12|6|0', "$stop, $what: what was wrong, is") if $spoiled;
		is($node->safe_psql('postgres', $state), $before, "$stop, $what: nothing of it stays");
	}
}

$node->safe_psql('postgres', $put);
(my $all = $before) =~ s/18\|0/36|0/;
$all =~ s/18$/36/;
is($node->safe_psql('postgres', $state), $all, 'a put that is left alone is kept');
$node->safe_psql('postgres', $remove);
is($node->safe_psql('postgres', $state), $before, 'and what is removed, goes');

# Clients that put, remove and update at once, of which some are cut off, and then the
# server: whatever has been committed, the table is right.
$node->safe_psql('postgres', q{
	DROP TRIGGER stay ON registry.obscore;
	DROP EVENT TRIGGER stay;
	INSERT INTO registry.visit_definition SELECT 'Cam', e, 1 + e % 3 FROM generate_series(1, 6) e});
my @scripts = map { my ($name, $weight, $text) = @$_; my $file = $node->basedir . "/$name"; append_to_file($file, $text); ('-f', "$file\@$weight") } (
	[ 'put', 10, q{
		\set e random(1, 6)
		\set d random(0, 3)
		BEGIN;
		INSERT INTO registry.dataset VALUES (md5('c :client_id :e :d')::uuid, 1, 0, 2) ON CONFLICT DO NOTHING;
		INSERT INTO registry.dataset_tags_00000001 VALUES (1, md5('c :client_id :e :d')::uuid, 2, 'Cam', :d, :e) ON CONFLICT DO NOTHING;
		COMMIT;} ],
	[ 'remove', 4, q{
		\set e random(1, 6)
		DELETE FROM registry.dataset WHERE id IN (SELECT md5('c :client_id :e ' || d)::uuid FROM generate_series(0, 3) d);} ],
	[ 'update', 4, q{
		\set v random(1, 3)
		\set d random(0, 3)
		\set lon random(0, 300)
		UPDATE registry.visit_detector_region SET region = registry.square(:lon, 5) WHERE visit = :v AND detector = :d;
		UPDATE registry.visit SET name = 'visit :lon', target_name = ':client_id' WHERE id = :v;} ] );

for my $round (1 .. 4)
{
	my ($out, $err) = ('', '');
	my $bench = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '8', '-j', '2', '-T', '60', '--max-tries=100', @scripts, $node->connstr('postgres') ],
		'>', \$out, '2>', \$err);

	for (1 .. 5)
	{
		select(undef, undef, undef, 0.3);
		$node->safe_psql('postgres', q{
			SELECT CASE WHEN random() < 0.5 THEN pg_cancel_backend(pid) ELSE pg_terminate_backend(pid) END
			FROM pg_stat_activity WHERE application_name = 'pgbench' ORDER BY random() LIMIT 1});
	}
	$node->stop('immediate');
	eval { $bench->finish; };
	$node->start;
	is($node->safe_psql('postgres', q{SELECT * FROM catreg.check_obscore('registry.obscore')}), '', "clients and kills, round $round: the table is right");
	unlike($err, qr/ERROR: (?!.*(canceling statement|terminating connection))/, "clients and kills, round $round: no client has met another error");
}
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM registry.dataset'), '>', 18, 'they have put something');
unlike(slurp_file($node->logfile), qr/could not keep ObsCore table/, 'and no statement was executed without the table');

$node->stop;
done_testing();
