#!/bin/bash
# What scoring costs, as the planner thinks and as it is: nanoseconds of one
# operator of the planner, over networks of five sizes.
#
# An operator is one addition: the sum of eight columns against the sum of one.
# Where the figures of the networks are near that, the planner's constants
# (src/pg/score_cost.c) are right.  BENCH_ROWS (20000).
. "$(dirname "$0")/common.sh"
need_server

rows=${BENCH_ROWS:-20000}
eight=$(columns c 0 7)
widths='8 64 256 1024'

sql "CREATE UNLOGGED TABLE bench_costs AS SELECT $(seq -f '(random() - 0.5)::real AS c%g' 0 7 | paste -sd,) FROM generate_series(1, $rows)"
sql 'VACUUM ANALYZE bench_costs'
for width in $widths; do
	sql "SELECT dl.train('bench_cost_$width', 'SELECT *, random()::real AS y FROM bench_costs LIMIT 1000', target => 'y',
		network => 'dense($width, relu) > dense($width, relu)', epochs => 1, learning_rate => 1e-3, quiet => true,
		options => '{\"members\": 1, \"scaling\": \"standard\"}')" >/dev/null
done
sql "SELECT dl.train('bench_cost_default', 'SELECT *, random()::real AS y FROM bench_costs LIMIT 1000', target => 'y', epochs => 1, max_seconds => 2, quiet => true)" >/dev/null

# time_of EXPRESSION: the best of BENCH_WINDOWS, in nanoseconds a row.
time_of()
{
	local _

	for _ in $(seq "$BENCH_WINDOWS"); do
		psql -Xq -v ON_ERROR_STOP=1 <<-END | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
			\\o /dev/null
			SELECT sum($1) FROM bench_costs;
			\\timing on
			SELECT sum($1) FROM bench_costs;
		END
	done | least | awk "{print \$1 * 1e6 / $rows}"
}

# operators_of EXPRESSION: what the planner charges, a row.
operators_of()
{
	sql "EXPLAIN (FORMAT json) SELECT sum($1) FROM bench_costs" |
		sed -n 's/.*"Total Cost": \([0-9.]*\).*/\1/p' | head -1 | awk "{print \$1 / $rows / 0.0025}"
}

# report_call LABEL EXPRESSION
report_call()
{
	local time operators

	time=$(calculate "$(time_of "$2") - $base_time")
	operators=$(calculate "$(operators_of "$2") - $base_operators")
	report "$1" 'time of an operator' "$(calculate "$time / $operators")" ns/operator "$time ns and $operators operators a row"
}

base_time=$(time_of c0)
base_operators=$(operators_of c0)
report_call 'sum of eight columns' "${eight//,/ + }"
for model in $widths default; do
	report_call "8 columns, network $model" "dl.predict('bench_cost_$model', $eight)"
done
