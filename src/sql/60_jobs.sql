-- Background jobs (src/pg/job.h): the queue, what happened to each job, and how it learnt.
--
-- Nobody but the extension's owner has rights on these tables: the functions check who asks.
-- Jobs that have not ended are not dumped: where a dump is restored, nothing starts by itself.

CREATE SEQUENCE dl.job_id MAXVALUE 281474976710655;
COMMENT ON SEQUENCE dl.job_id IS 'numbers of jobs; 48 bits, as a lock on one has';

CREATE TABLE dl.job (
	id bigint NOT NULL DEFAULT pg_catalog.nextval('dl.job_id'::pg_catalog.regclass),
	kind text NOT NULL,
	state text NOT NULL DEFAULT 'queued',
	model text COLLATE pg_catalog."C" NOT NULL,
	arguments jsonb NOT NULL,
	settings jsonb NOT NULL,
	owner oid NOT NULL,
	owner_name name NOT NULL,
	cluster bigint NOT NULL,
	requested_by text NOT NULL,
	priority integer NOT NULL DEFAULT 0,
	not_before timestamptz,
	attempts integer NOT NULL DEFAULT 0,
	interruptions integer NOT NULL DEFAULT 0,
	submitted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	started_at timestamptz,
	ended_at timestamptz,
	waiting_for text,
	started_from integer,
	version integer,
	result jsonb,
	sqlstate text,
	message text,
	detail text,
	hint text,
	CONSTRAINT job_pkey PRIMARY KEY (id),
	CONSTRAINT job_state_check CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted'))
);
ALTER SEQUENCE dl.job_id OWNED BY dl.job.id;
CREATE INDEX job_queue ON dl.job (priority DESC, id) WHERE state IN ('queued', 'running');
CREATE INDEX job_ended ON dl.job (ended_at) WHERE state NOT IN ('queued', 'running');
COMMENT ON TABLE dl.job IS 'background jobs; dl.jobs shows them';
COMMENT ON COLUMN dl.job.state IS 'a job that is running has a worker that holds its lock; one without is interrupted';
COMMENT ON COLUMN dl.job.arguments IS 'of dl.train: query, target, quiet, options; model_id: the model that the name meant, 0 for none';
COMMENT ON COLUMN dl.job.settings IS 'of the session that submitted it; the worker sets them';
COMMENT ON COLUMN dl.job.cluster IS 'system identifier of the cluster where the oid of the owner has its meaning; elsewhere the name has';
COMMENT ON COLUMN dl.job.interruptions IS 'since it was submitted or retried; after more than deep_learning.job_restarts it is not started again';
COMMENT ON COLUMN dl.job.started_from IS 'the version whose weights a warm start begins with: the one that was deployed at its first attempt';
COMMENT ON COLUMN dl.job.result IS 'the row that dl.train gives';

CREATE SEQUENCE dl.job_event_number;
COMMENT ON SEQUENCE dl.job_event_number IS 'order of the lines of dl.job_log';

CREATE TABLE dl.job_event (
	number bigint NOT NULL DEFAULT pg_catalog.nextval('dl.job_event_number'::pg_catalog.regclass),
	job bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	level text NOT NULL,
	message text NOT NULL,
	detail text,
	hint text,
	context text,
	CONSTRAINT job_event_pkey PRIMARY KEY (job, number)
);
ALTER SEQUENCE dl.job_event_number OWNED BY dl.job_event.number;
COMMENT ON TABLE dl.job_event IS 'what happened to jobs; dl.job_log shows it';

CREATE TABLE dl.job_epoch (
	job bigint NOT NULL,
	attempt integer NOT NULL,
	number integer NOT NULL,
	member integer NOT NULL,
	members integer NOT NULL,
	epoch integer NOT NULL,
	epochs integer NOT NULL,
	learning_rate double precision,
	training_loss double precision,
	validation_loss double precision,
	measure double precision,
	best boolean NOT NULL,
	CONSTRAINT job_epoch_pkey PRIMARY KEY (job, attempt, number)
);
COMMENT ON TABLE dl.job_epoch IS 'how jobs learn, while they run; dl.history shows it';
COMMENT ON COLUMN dl.job_epoch.number IS 'order of the epochs of an attempt';

CREATE TABLE dl.job_checkpoint (
	job bigint NOT NULL,
	trial integer NOT NULL,
	chunk integer NOT NULL,
	fingerprint bigint NOT NULL,
	data bytea NOT NULL,
	CONSTRAINT job_checkpoint_pkey PRIMARY KEY (job, trial, chunk)
);
ALTER TABLE dl.job_checkpoint ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE dl.job_checkpoint IS 'where jobs go on when they are interrupted: the latest of each network, in pieces of 8 MiB, until the job has ended';
COMMENT ON COLUMN dl.job_checkpoint.fingerprint IS 'of the rows and of all that the training depends on: for others it is no use';

REVOKE ALL ON dl.job, dl.job_event, dl.job_epoch, dl.job_checkpoint FROM PUBLIC;
REVOKE ALL ON SEQUENCE dl.job_id, dl.job_event_number FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('dl.job_id', '');
SELECT pg_catalog.pg_extension_config_dump('dl.job', $$WHERE state NOT IN ('queued', 'running')$$);
SELECT pg_catalog.pg_extension_config_dump('dl.job_event_number', '');
SELECT pg_catalog.pg_extension_config_dump('dl.job_event',
	$$WHERE job IN (SELECT id FROM dl.job WHERE state NOT IN ('queued', 'running'))$$);
SELECT pg_catalog.pg_extension_config_dump('dl.job_epoch',
	$$WHERE job IN (SELECT id FROM dl.job WHERE state NOT IN ('queued', 'running'))$$);

SELECT pg_catalog.pg_extension_config_dump('dl.job_checkpoint', 'WHERE false');

CREATE FUNCTION dl.submit(
	model            text,
	query            text,
	target           text,
	task             text DEFAULT NULL,
	network          text DEFAULT NULL,
	epochs           integer DEFAULT NULL,
	batch_size       integer DEFAULT NULL,
	learning_rate    double precision DEFAULT NULL,
	optimizer        text DEFAULT NULL,
	early_stopping   integer DEFAULT NULL,
	validation       double precision DEFAULT NULL,
	test             double precision DEFAULT NULL,
	split_column     text DEFAULT NULL,
	split_key        text DEFAULT NULL,
	weight_column    text DEFAULT NULL,
	seed             bigint DEFAULT NULL,
	effort           text DEFAULT NULL,
	max_seconds      double precision DEFAULT NULL,
	optimize         text DEFAULT NULL,
	prediction_interval double precision DEFAULT NULL,
	device           text DEFAULT NULL,
	matmul_precision text DEFAULT NULL,
	quiet            boolean DEFAULT false,
	options          jsonb DEFAULT '{}',
	priority         integer DEFAULT 0,
	not_before       timestamptz DEFAULT NULL
) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'dl_sql_submit';
COMMENT ON FUNCTION dl.submit(text, text, text, text, text, integer, integer, double precision, text, integer, double precision, double precision, text, text, text, bigint, text, double precision, text, double precision, text, text, boolean, jsonb, integer, timestamptz) IS
	'trains in the background, as dl.train does, once this transaction has committed, and gives the number of the job; greater priority first, not before a time';

CREATE FUNCTION dl.wait(job bigint, timeout interval DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'dl_sql_wait';
COMMENT ON FUNCTION dl.wait(bigint, interval) IS 'waits until a job has ended, or the time is over, and gives its state';

CREATE FUNCTION dl.cancel(job bigint) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100
AS 'MODULE_PATHNAME', 'dl_sql_cancel';
COMMENT ON FUNCTION dl.cancel(bigint) IS 'cancels a job: a queued one with this transaction, a running one at once; false when it has ended before';

CREATE FUNCTION dl.retry(job bigint) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100
AS 'MODULE_PATHNAME', 'dl_sql_retry';
COMMENT ON FUNCTION dl.retry(bigint) IS 'puts a job that has failed, was cancelled or interrupted into the queue again, under the same number';

CREATE FUNCTION dl.drop_job(job bigint) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 100
AS 'MODULE_PATHNAME', 'dl_sql_drop_job';
COMMENT ON FUNCTION dl.drop_job(bigint) IS 'removes a job that has ended, with its log and its learning curve; the model that it stored stays';

-- What is there.  The functions show the jobs of the current user's roles, to a superuser all.  Those that look at a job as it is now
-- take a snapshot, which nobody can in a parallel query.

CREATE FUNCTION dl.list_jobs(
	OUT id bigint, OUT state text, OUT kind text, OUT model text, OUT owner name, OUT pid integer, OUT priority integer,
	OUT submitted timestamptz, OUT not_before timestamptz, OUT started timestamptz, OUT ended timestamptz,
	OUT epoch integer, OUT epochs integer, OUT attempts integer, OUT version integer, OUT waiting_for text, OUT sqlstate text,
	OUT message text, OUT detail text, OUT hint text, OUT requested_by text
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_list_jobs' LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION dl.list_jobs() IS 'the rows of dl.jobs';

CREATE FUNCTION dl.list_job_log(
	OUT job bigint, OUT at timestamptz, OUT level text, OUT message text, OUT detail text, OUT hint text, OUT context text
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_list_job_log' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 1000;
COMMENT ON FUNCTION dl.list_job_log() IS 'the rows of dl.job_log';

CREATE FUNCTION dl.history(
	job bigint, OUT attempt integer, OUT member integer, OUT epoch integer, OUT learning_rate double precision,
	OUT training_loss double precision, OUT validation_loss double precision, OUT measure double precision, OUT best boolean
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_job_history' LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 50;
COMMENT ON FUNCTION dl.history(bigint) IS 'how a job has learnt so far, a row an epoch, of each network (member) that it trains';

CREATE VIEW dl.jobs AS SELECT * FROM dl.list_jobs();
COMMENT ON VIEW dl.jobs IS 'background jobs of your roles';
COMMENT ON COLUMN dl.jobs.state IS 'queued, running, succeeded, failed, cancelled, or interrupted: its worker ended before the job did';
COMMENT ON COLUMN dl.jobs.owner IS 'the role whose rights it has; NULL when the role does not exist here';
COMMENT ON COLUMN dl.jobs.pid IS 'of the worker, while it runs';
COMMENT ON COLUMN dl.jobs.priority IS 'greater ones start first';
COMMENT ON COLUMN dl.jobs.started IS 'the last attempt';
COMMENT ON COLUMN dl.jobs.epoch IS 'the last one that is complete, of the network that is being trained';
COMMENT ON COLUMN dl.jobs.attempts IS 'how often it was started';
COMMENT ON COLUMN dl.jobs.version IS 'of the model, that it stored';
COMMENT ON COLUMN dl.jobs.waiting_for IS 'why a queued job does not run yet';
COMMENT ON COLUMN dl.jobs.message IS 'of the error that ended it, with its sqlstate, detail and hint; or what it did';
COMMENT ON COLUMN dl.jobs.requested_by IS 'who asked for it';

CREATE VIEW dl.job_log AS SELECT * FROM dl.list_job_log();
COMMENT ON VIEW dl.job_log IS 'what happened to the jobs of your roles, in order';
COMMENT ON COLUMN dl.job_log.level IS 'info: of the job itself; notice, warning, error: of the training';

GRANT SELECT ON dl.jobs, dl.job_log TO PUBLIC;
