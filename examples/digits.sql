-- The UCI digits: 1,797 images of 8 by 8 pixels.  README.md has the source.
\if :{?examples}
\else
	\set examples examples
\endif

CREATE TABLE digits (
	id integer PRIMARY KEY,
	pixels smallint[] NOT NULL,
	digit text NOT NULL,		-- text, because it is a class and not a quantity
	fold smallint NOT NULL
);

-- \copy itself replaces no variables, a variable that holds a \copy does.
\set file :examples '/digits.csv'
\set load '\\copy digits FROM ' :'file' ' CSV HEADER'
:load

ANALYZE digits;
