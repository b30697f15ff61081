-- Fisher's iris: 150 flowers of three species.  README.md has the source.
\if :{?examples}
\else
	\set examples examples
\endif

CREATE TABLE iris (
	sepal_length real NOT NULL,
	sepal_width real NOT NULL,
	petal_length real NOT NULL,
	petal_width real NOT NULL,
	species text NOT NULL,
	fold smallint NOT NULL
);

-- \copy itself replaces no variables, a variable that holds a \copy does.
\set file :examples '/iris.csv'
\set load '\\copy iris FROM ' :'file' ' CSV HEADER'
:load

ANALYZE iris;
