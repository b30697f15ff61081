-- What trainings are at, of sessions and of jobs (src/pg/progress_shared.h).

CREATE FUNCTION dl.list_progress(
	OUT job bigint, OUT pid integer, OUT model text, OUT owner name, OUT phase text, OUT member integer, OUT members integer,
	OUT epoch integer, OUT epochs integer, OUT batch bigint, OUT batches bigint, OUT rows bigint,
	OUT training_loss real, OUT validation_loss real, OUT metric text, OUT value real, OUT rows_per_second bigint, OUT device text, OUT memory bigint, OUT elapsed interval, OUT time_left interval
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_list_progress' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION dl.list_progress() IS 'the rows of dl.progress';

CREATE VIEW dl.progress AS SELECT * FROM dl.list_progress();
COMMENT ON VIEW dl.progress IS 'trainings that are under way, dl.train and jobs, of your roles; of all to members of pg_read_all_stats. Before PostgreSQL 17 the library has to be preloaded';
COMMENT ON COLUMN dl.progress.job IS 'NULL for dl.train in a session';
COMMENT ON COLUMN dl.progress.pid IS 'of the session, or of the worker of the job';
COMMENT ON COLUMN dl.progress.phase IS 'reading, encoding, training, evaluating or storing';
COMMENT ON COLUMN dl.progress.member IS 'the network that reports, of members that are trained';
COMMENT ON COLUMN dl.progress.epoch IS 'the last one that is complete';
COMMENT ON COLUMN dl.progress.batch IS 'of the epoch under way';
COMMENT ON COLUMN dl.progress.rows IS 'that were read';
COMMENT ON COLUMN dl.progress.training_loss IS 'of the last epoch, as what follows';
COMMENT ON COLUMN dl.progress.value IS 'of metric, on the validation rows';
COMMENT ON COLUMN dl.progress.memory IS 'bytes of the rows as they are kept, in memory or in a temporary file';
COMMENT ON COLUMN dl.progress.time_left IS 'if no early stop comes';

GRANT SELECT ON dl.progress TO PUBLIC;
