-- The registry: models by name, their versions and rights (src/pg/registry.h).
--
-- Nobody but the extension's owner has rights on these tables: the functions
-- check who asks.  src/pg/registry_read.c knows the columns it reads by number.
-- There are no foreign keys: a parallel pg_restore loads the tables in any order.
-- Whoever writes holds the row of dl.registry_model (src/pg/registry_sql.c).

CREATE SEQUENCE dl.registry_model_id;

CREATE TABLE dl.registry_model (
	id bigint NOT NULL DEFAULT pg_catalog.nextval('dl.registry_model_id'::pg_catalog.regclass),
	name text COLLATE pg_catalog."C" NOT NULL,
	owner oid NOT NULL,
	owner_name name NOT NULL,
	cluster bigint NOT NULL,
	deployed integer NOT NULL DEFAULT 0,
	last_version integer NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT registry_model_pkey PRIMARY KEY (id),
	CONSTRAINT registry_model_name_key UNIQUE (name)
);
ALTER SEQUENCE dl.registry_model_id OWNED BY dl.registry_model.id;
COMMENT ON TABLE dl.registry_model IS 'models by name; dl.models shows them';
COMMENT ON COLUMN dl.registry_model.cluster IS 'system identifier of the cluster where the oid of the owner has its meaning; elsewhere the name has';
COMMENT ON COLUMN dl.registry_model.deployed IS 'the version that the name means';
COMMENT ON COLUMN dl.registry_model.last_version IS 'the greatest number that was ever given to a version';

CREATE TABLE dl.registry_version (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	bytes bigint NOT NULL,
	digest bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_by name NOT NULL,
	task text NOT NULL,
	target text NOT NULL,
	rows bigint NOT NULL,
	skipped bigint NOT NULL,
	epochs integer NOT NULL,
	metric text NOT NULL,
	metric_part text NOT NULL,
	value double precision,
	held_out bigint NOT NULL,
	seconds double precision,
	trained_on text NOT NULL,
	created_by_role oid NOT NULL,
	cluster bigint NOT NULL,
	CONSTRAINT registry_version_pkey PRIMARY KEY (model_id, version)
);
COMMENT ON TABLE dl.registry_version IS 'versions of models; dl.versions shows them';
COMMENT ON COLUMN dl.registry_version.digest IS 'of the bytes (dl_model_digest() in src/pg/model_cache.h)';
COMMENT ON COLUMN dl.registry_version.held_out IS 'hash of the rows that value was measured on: equal means comparable';
COMMENT ON COLUMN dl.registry_version.created_by_role IS 'created_by, as it is in the cluster of that system identifier; elsewhere the name counts';

CREATE TABLE dl.registry_chunk (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	chunk integer NOT NULL,
	data bytea NOT NULL,
	CONSTRAINT registry_chunk_pkey PRIMARY KEY (model_id, version, chunk)
);
ALTER TABLE dl.registry_chunk ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE dl.registry_chunk IS 'the bytes of versions, in pieces of 8 MiB, from chunk 0 on';

CREATE TABLE dl.registry_deployment (
	model_id bigint NOT NULL,
	position integer NOT NULL,
	version integer NOT NULL,
	deployed_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	deployed_by name NOT NULL,
	CONSTRAINT registry_deployment_pkey PRIMARY KEY (model_id, position)
);
CREATE INDEX registry_deployment_version ON dl.registry_deployment (model_id, version);
COMMENT ON TABLE dl.registry_deployment IS 'which versions were deployed, one on top of the other: dl.rollback takes the top away';

CREATE TABLE dl.registry_grant (
	model_id bigint NOT NULL,
	cluster bigint NOT NULL,
	role oid NOT NULL,
	role_name name NOT NULL,
	privilege integer NOT NULL,
	grantor name NOT NULL,
	CONSTRAINT registry_grant_pkey PRIMARY KEY (model_id, cluster, role),
	CONSTRAINT registry_grant_privilege_check CHECK (privilege BETWEEN 1 AND 3)
);
COMMENT ON TABLE dl.registry_grant IS 'rights on models; dl.grants shows them';
COMMENT ON COLUMN dl.registry_grant.role IS '0: public';
COMMENT ON COLUMN dl.registry_grant.privilege IS '1: use, 2: read, 3: admin; each includes those before';

REVOKE ALL ON dl.registry_model, dl.registry_version, dl.registry_chunk, dl.registry_deployment, dl.registry_grant FROM PUBLIC;
REVOKE ALL ON SEQUENCE dl.registry_model_id FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('dl.registry_model_id', '');
SELECT pg_catalog.pg_extension_config_dump('dl.registry_model', '');
SELECT pg_catalog.pg_extension_config_dump('dl.registry_version', '');
SELECT pg_catalog.pg_extension_config_dump('dl.registry_chunk', '');
SELECT pg_catalog.pg_extension_config_dump('dl.registry_deployment', '');
SELECT pg_catalog.pg_extension_config_dump('dl.registry_grant', '');

-- What is there.  The functions show only what the current user has a right on.

CREATE FUNCTION dl.list_models(
	OUT name text, OUT owner name, OUT task text, OUT target text, OUT deployed integer, OUT versions integer,
	OUT metric text, OUT value double precision, OUT rows bigint, OUT bytes bigint, OUT created_at timestamptz,
	OUT privilege text
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_list_models' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION dl.list_models() IS 'the rows of dl.models';

CREATE FUNCTION dl.list_versions(
	OUT name text, OUT version integer, OUT deployed boolean, OUT task text, OUT target text, OUT rows bigint,
	OUT skipped bigint, OUT epochs integer, OUT metric text, OUT metric_part text, OUT value double precision,
	OUT bytes bigint, OUT seconds double precision, OUT trained_on text, OUT created_at timestamptz, OUT created_by name
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_list_versions' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 1000;
COMMENT ON FUNCTION dl.list_versions() IS 'the rows of dl.versions';

CREATE FUNCTION dl.list_grants(OUT name text, OUT role name, OUT privilege text, OUT grantor name) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'dl_sql_list_grants' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION dl.list_grants() IS 'the rows of dl.grants';

CREATE VIEW dl.models AS SELECT * FROM dl.list_models();
COMMENT ON VIEW dl.models IS 'models that you may use, with what their deployed version is';
COMMENT ON COLUMN dl.models.owner IS 'NULL when the role does not exist here: then the model is the superuser''s alone';
COMMENT ON COLUMN dl.models.deployed IS 'the version that the name means';
COMMENT ON COLUMN dl.models.name IS 'unique in the database';
COMMENT ON COLUMN dl.models.task IS 'of the deployed version, as all that follows: regression, binary, multiclass or multilabel';
COMMENT ON COLUMN dl.models.target IS 'the column that is predicted';
COMMENT ON COLUMN dl.models.versions IS 'how many versions are kept';
COMMENT ON COLUMN dl.models.metric IS 'the metric that decides about deployment';
COMMENT ON COLUMN dl.models.value IS 'of metric, as training measured it; dl.versions.metric_part says on which rows';
COMMENT ON COLUMN dl.models.rows IS 'rows with a target that training read';
COMMENT ON COLUMN dl.models.bytes IS 'size of the deployed version';
COMMENT ON COLUMN dl.models.created_at IS 'when the name was first used';
COMMENT ON COLUMN dl.models.privilege IS 'your greatest right: use, read, admin or owner';

CREATE VIEW dl.versions AS SELECT * FROM dl.list_versions();
COMMENT ON VIEW dl.versions IS 'all versions of the models that you may use';
COMMENT ON COLUMN dl.versions.version IS 'from 1; a number is never given twice';
COMMENT ON COLUMN dl.versions.deployed IS 'whether the name means this version';
COMMENT ON COLUMN dl.versions.rows IS 'rows with a target that training read';
COMMENT ON COLUMN dl.versions.skipped IS 'rows without a target';
COMMENT ON COLUMN dl.versions.epochs IS 'epochs that were run';
COMMENT ON COLUMN dl.versions.metric IS 'the metric that decides about deployment';
COMMENT ON COLUMN dl.versions.value IS 'of metric, on the rows that metric_part names';
COMMENT ON COLUMN dl.versions.seconds IS 'how long the training took; NULL after dl.put';
COMMENT ON COLUMN dl.versions.created_by IS 'the role that trained or stored it';
COMMENT ON COLUMN dl.versions.metric_part IS 'the rows that value was measured on: test, validation or train';
COMMENT ON COLUMN dl.versions.trained_on IS 'worker, session, job, or import (dl.put)';

CREATE VIEW dl.grants AS SELECT * FROM dl.list_grants();
COMMENT ON VIEW dl.grants IS 'rights on the models that you administer; the owner is not listed';
COMMENT ON COLUMN dl.grants.name IS 'of the model';
COMMENT ON COLUMN dl.grants.role IS 'who has the right; public: everyone';
COMMENT ON COLUMN dl.grants.privilege IS 'use, read or admin; each includes those before';
COMMENT ON COLUMN dl.grants.grantor IS 'the role that granted it';

GRANT SELECT ON dl.models, dl.versions, dl.grants TO PUBLIC;

-- Which version a name means.

CREATE FUNCTION dl.deploy(model text, version integer) RETURNS integer
AS 'MODULE_PATHNAME', 'dl_sql_deploy' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dl.deploy(text, integer) IS 'deploys a version, so that the name means it, and gives its number';

CREATE FUNCTION dl.rollback(model text) RETURNS integer
AS 'MODULE_PATHNAME', 'dl_sql_rollback' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dl.rollback(text) IS 'deploys the version that was deployed before, and gives its number';

-- Values in and out.

CREATE FUNCTION dl.get(model text, version integer DEFAULT NULL) RETURNS dl.model
AS 'MODULE_PATHNAME', 'dl_sql_get' LANGUAGE C STABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION dl.get(text, integer) IS 'a version of a model as a value; the deployed one when none is named';

CREATE FUNCTION dl.put(name text, model dl.model) RETURNS integer
AS 'MODULE_PATHNAME', 'dl_sql_put' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dl.put(text, dl.model) IS 'stores a value as the next version of a model, deploys it if it is better, and gives its number';

-- Names, owners, rights.

CREATE FUNCTION dl.drop_model(model text, version integer DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'dl_sql_drop_model' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dl.drop_model(text, integer) IS 'drops one version of a model, which must not be deployed, or the model with all its versions when none is named';

CREATE FUNCTION dl.rename_model(model text, new_name text) RETURNS void
AS 'MODULE_PATHNAME', 'dl_sql_rename_model' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dl.rename_model(text, text) IS 'gives a model another name';

CREATE FUNCTION dl.set_owner(model text, role text) RETURNS void
AS 'MODULE_PATHNAME', 'dl_sql_set_owner' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dl.set_owner(text, text) IS 'makes another role the owner of a model';

CREATE FUNCTION dl.grant_model(model text, role text, privilege text DEFAULT 'use') RETURNS void
AS 'MODULE_PATHNAME', 'dl_sql_grant_model' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dl.grant_model(text, text, text) IS 'grants a right on a model to a role, or to public: use (score, evaluate), read (use and dl.get, dl.metadata) or admin (read and new versions, deploy, grant)';

CREATE FUNCTION dl.revoke_model(model text, role text, privilege text DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'dl_sql_revoke_model' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION dl.revoke_model(text, text, text) IS 'takes a right on a model away from a role, with all greater ones; all rights when none is named';

