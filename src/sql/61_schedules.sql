-- Retraining by itself (src/pg/schedule.h).
--
-- Nobody but the extension's owner has rights on the table: the functions check who asks.

CREATE TABLE dl.retraining (
	model_id bigint NOT NULL,
	owner oid NOT NULL,
	owner_name name NOT NULL,
	cluster bigint NOT NULL,
	every interval NOT NULL,
	at time,
	time_zone text NOT NULL,
	catch_up boolean NOT NULL,
	first_run timestamptz NOT NULL,
	slot timestamptz NOT NULL,
	next_run timestamptz NOT NULL,
	arguments jsonb NOT NULL,
	settings jsonb NOT NULL,
	last_run timestamptz,
	last_job bigint,
	counted boolean NOT NULL DEFAULT true,
	failures integer NOT NULL DEFAULT 0,
	CONSTRAINT retraining_pkey PRIMARY KEY (model_id)
);
COMMENT ON TABLE dl.retraining IS 'schedules of models; dl.schedules shows them';
COMMENT ON COLUMN dl.retraining.slot IS 'the next regular time';
COMMENT ON COLUMN dl.retraining.next_run IS 'the same, or another one after a failure';
COMMENT ON COLUMN dl.retraining.arguments IS 'of the jobs: when_rows, when_drift, only_if_better, training_window, keep_versions';
COMMENT ON COLUMN dl.retraining.settings IS 'of the session that made it; the jobs set them';
COMMENT ON COLUMN dl.retraining.counted IS 'whether failures knows how last_job ended';
REVOKE ALL ON dl.retraining FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('dl.retraining', '');

CREATE FUNCTION dl.schedule(
	model text, every interval DEFAULT NULL, at time DEFAULT NULL, when_rows bigint DEFAULT NULL,
	when_drift double precision DEFAULT NULL, only_if_better boolean DEFAULT true, training_window text DEFAULT NULL,
	warm_start boolean DEFAULT false, keep_versions integer DEFAULT 10, catch_up boolean DEFAULT true,
	time_zone text DEFAULT NULL, start timestamptz DEFAULT NULL
) RETURNS timestamptz
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'dl_sql_schedule';
COMMENT ON FUNCTION dl.schedule(text, interval, time, bigint, double precision, boolean, text, boolean, integer, boolean, text, timestamptz) IS
	'retrains a model by itself, with its own query and options: every so often, at a time of day, when there are so many more rows, or when rows have drifted so far; gives the time of the first run. It takes the place of the schedule that the model had';

CREATE FUNCTION dl.unschedule(model text) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100
AS 'MODULE_PATHNAME', 'dl_sql_unschedule';
COMMENT ON FUNCTION dl.unschedule(text) IS 'ends the schedule of a model; false when it had none';

CREATE FUNCTION dl.run_now(model text) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'dl_sql_run_now';
COMMENT ON FUNCTION dl.run_now(text) IS 'retrains a model in the background, with its own query and options and as its schedule says, whether it is due or not; gives the number of the job';

CREATE FUNCTION dl.run_due(at timestamptz DEFAULT pg_catalog.clock_timestamp(), OUT model text, OUT job bigint) RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 10
AS 'MODULE_PATHNAME', 'dl_sql_run_due';
COMMENT ON FUNCTION dl.run_due(timestamptz) IS 'submits the jobs of the schedules whose time has come, of your roles, as the scheduler does by itself where the library is preloaded';

CREATE FUNCTION dl.list_schedules(
	OUT model text, OUT owner name, OUT every interval, OUT at time, OUT time_zone text, OUT when_rows bigint,
	OUT when_drift double precision, OUT only_if_better boolean, OUT training_window text, OUT warm_start boolean, OUT keep_versions integer,
	OUT catch_up boolean, OUT next_run timestamptz, OUT last_run timestamptz, OUT last_job bigint, OUT last_state text,
	OUT last_message text, OUT failures integer
) RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 100
AS 'MODULE_PATHNAME', 'dl_sql_list_schedules';
COMMENT ON FUNCTION dl.list_schedules() IS 'the rows of dl.schedules';

CREATE VIEW dl.schedules AS SELECT * FROM dl.list_schedules();
COMMENT ON VIEW dl.schedules IS 'schedules of your roles';
COMMENT ON COLUMN dl.schedules.owner IS 'the role whose rights the jobs have; NULL when the role does not exist here: then it rests';
COMMENT ON COLUMN dl.schedules.next_run IS 'after a failure the time of the next try, otherwise the next regular time';
COMMENT ON COLUMN dl.schedules.last_run IS 'when last_job was submitted';
COMMENT ON COLUMN dl.schedules.last_state IS 'of last_job, as dl.jobs has it';
COMMENT ON COLUMN dl.schedules.last_message IS 'of last_job, where it has the rights of owner: what it did, or why it failed';
COMMENT ON COLUMN dl.schedules.failures IS 'how often it has failed in a row';
GRANT SELECT ON dl.schedules TO PUBLIC;
