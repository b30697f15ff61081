#!/bin/bash
# One epoch of training from a table, reading included: dl.train from psql, and
# PyTorch with COPY BINARY, taking turns.
#
# BENCH_ROWS (1000000) rows, BENCH_WINDOWS (5) rounds.
. "$(dirname "$0")/common.sh"
need_server

rows=${BENCH_ROWS:-1000000}
make_numbers bench_rows "$rows"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
dsn="host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE"
peers=()
if peer_is_there peer_torch.py torch numpy psycopg; then
	peers=(1 2)
fi

# What PyTorch's peer does: all rows train, AdamW with its default decay, nothing else.
train()
{
	echo "SELECT dl.train('bench_table', 'bench_rows', target => 'y', network => 'dense(64, relu) > dense(64, relu)',
		epochs => 1, batch_size => $1, learning_rate => 1e-3, optimizer => 'adamw', early_stopping => 0,
		validation => 0, test => 0, quiet => true,
		options => '{\"schedule\": \"constant\", \"weight_decay\": 0.01, \"gradient_clip\": 0, \"members\": 1, \"scaling\": \"standard\"}')" |
		tr '\n\t' '  '
}

measure()
{
	local batch=$1 threads line

	sql_milliseconds "$(train "$batch")" >>"$scratch/$batch.ours"
	for threads in ${peers[@]+"${peers[@]}"}; do
		line=$("$DL_PYTHON" "$DL_BENCH_PEERS/peer_torch.py" train --dsn "$dsn" --query "SELECT * FROM bench_rows" \
			--hidden 64,64 --batch "$batch" --threads "$threads")
		json_field end_to_end_s <<<"$line" | awk '{print $1 * 1000}' >>"$scratch/$batch.torch_$threads"
		json_field read_s <<<"$line" | awk '{print $1 * 1000}' >>"$scratch/$batch.torch_read"
	done
}

for batch in 256 1024; do
	label="$rows rows, batch $batch"
	for _ in $(seq "$BENCH_WINDOWS"); do
		measure "$batch"
	done
	ours=$(median <"$scratch/$batch.ours")
	report "$label" 'dl.train, one epoch' "$ours" ms "least $(least <"$scratch/$batch.ours")"

	scan=$(for _ in 1 2 3; do sql_milliseconds 'SELECT sum(y) FROM bench_rows'; done | least)
	steps=$(for _ in 1 2 3; do build/bench/train_step --batch "$batch" --rows "$rows" --threads "$(nproc)" |
		json_field train_s; done | least | awk '{print $1 * 1000}')
	report "$label" '- a scan of the table' "$scan" ms 'SELECT sum(last column), which reading has to do too'
	report "$label" '- the steps alone' "$steps" ms 'build/bench/train_step, as many threads as processors'
	report "$label" '- all else' "$(calculate "$(least <"$scratch/$batch.ours") - $scan - $steps")" ms \
		'encoding, preparing, measuring, storing'

	theirs=$(for threads in ${peers[@]+"${peers[@]}"}; do
		echo "$(median <"$scratch/$batch.torch_$threads") torch_$threads"
	done | sort -g | head -1 | cut -d' ' -f2)
	[ -n "$theirs" ] || continue
	report "$label" "PyTorch, $theirs" "$(median <"$scratch/$batch.$theirs")" ms "least $(least <"$scratch/$batch.$theirs")"
	report "$label" '- its COPY BINARY and parsing' "$(median <"$scratch/$batch.torch_read")" ms
	report "$label" 'PyTorch / ours, medians' "$(calculate "$(median <"$scratch/$batch.$theirs") / $ours")" times
	report "$label" 'PyTorch / ours, least' \
		"$(calculate "$(least <"$scratch/$batch.$theirs") / $(least <"$scratch/$batch.ours")")" times
done
