#!/bin/bash
# Training steps without a server: ours and PyTorch's, taking turns.
#
# BENCH_WINDOWS (5) rounds; BENCH_ROWS instead of each case's number of rows;
# BENCH_COMPILE=0 leaves torch.compile out.
. "$(dirname "$0")/common.sh"

train_step=build/bench/train_step
[ -x "$train_step" ] || { echo "$train_step is not built: use \"make bench\"." >&2; exit 1; }

# name, columns, hidden layers, classes, loss, batch, rows, GFLOP of a step: 6 * weights * batch, less
# the gradient of the inputs, which nobody needs
cases='
28-64-64-1_batch_64     28  64,64    1  mse 64   200000  0.002056
28-64-64-1_batch_256    28  64,64    1  mse 256  400000  0.008225
28-64-64-1_batch_1024   28  64,64    1  mse 1024 1000000 0.032899
784-512-512-10_batch_128 784 512,512 10 ce  128  40000   0.410780
'

systems=(ours_1 ours_2)
if peer_is_there peer_torch.py torch numpy; then
	systems+=(torch_1 torch_2)
	[ "$BENCH_COMPILE" = 0 ] || systems+=(torch_1_compiled torch_2_compiled)
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

run_system()
{
	local system=$1 seed=$2
	local shape=(--columns "$columns" --hidden "$hidden" --classes "$classes" --loss "$loss" --batch "$batch" --rows "$rows")
	local threads=${system#*_}

	case $system in
		ours_*) "$train_step" "${shape[@]}" --threads "$threads" ;;
		*_compiled) "$DL_PYTHON" "$DL_BENCH_PEERS/peer_torch.py" train "${shape[@]}" --threads "${threads%_compiled}" \
			--seed "$seed" --compile ;;
		*) "$DL_PYTHON" "$DL_BENCH_PEERS/peer_torch.py" train "${shape[@]}" --threads "$threads" --seed "$seed" ;;
	esac 2>"$scratch/errors" || { tail -5 "$scratch/errors" >&2; return 1; }
}

# Appends microseconds a step and loss to the files of the system.
measure()
{
	local system=$1 line

	line=$(run_system "$system" "$2") || { echo "  $system did not run" >&2; return 0; }
	awk -v rate="$(json_field rows_per_s <<<"$line")" -v batch="$batch" 'BEGIN {print batch / rate * 1e6}' \
		>>"$scratch/$name.$system.time"
	json_field loss <<<"$line" >>"$scratch/$name.$system.loss"
}

# best PREFIX: of a case's systems that start so, the one with the least median.
best()
{
	local system

	for system in "${systems[@]}"; do
		if [[ $system == $1* && -s $scratch/$name.$system.time ]]; then
			echo "$(median <"$scratch/$name.$system.time") $system"
		fi
	done | sort -g | head -1 | cut -d' ' -f2
}

# Loss of PyTorch: the last batch of each run, so the mean of all, with its standard error; ours: of all rows after training.
compare_losses()
{
	local ours theirs

	ours=$("$train_step" --columns "$columns" --hidden "$hidden" --classes "$classes" --loss "$loss" --batch "$batch" \
		--rows "$rows" --threads 1 --measure 1 | json_field final_loss)
	report "$label" 'final loss, ours' "$ours" '' 'of all rows'
	cat "$scratch/$name".torch_*.loss >"$scratch/losses" 2>/dev/null || return 0
	theirs=$(awk -v ours="$ours" '{s += $1; q += $1 * $1; n++}
		END {
			m = s / n
			v = q - n * m * m
			e = n > 1 && v > 0 ? sqrt(v / (n - 1) / n) : 0
			d = (ours - m) / m
			verdict = "DIFFERS: ours is higher"
			if (ours - m <= 2 * e) verdict = "ours is higher, within two standard errors"
			if (d < 0) verdict = "ours is lower"
			if (d <= 0.02 && d >= -0.02) verdict = "agrees within 2 %"
			printf "%.5g|+- %.2g, mean of the last batch of %d runs; %s by %.1f %%", m, e, n, verdict, 100 * (d < 0 ? -d : d)
		}' "$scratch/losses")
	report "$label" 'final loss, PyTorch' "${theirs%%|*}" '' "${theirs#*|}"
}

peak=$(build/bench/peak | json_field gflops)
report 'this core' 'fused multiply-add, float32' "$peak" GFLOP/s 'the limit, in registers'

while read -r name columns hidden classes loss batch rows work; do
	[ -n "$name" ] || continue
	label=${name//_/ }
	rows=${BENCH_ROWS:-$rows}
	for system in "${systems[@]}"; do
		# torch.compile compiles in its first run; later ones find its cache
		[[ $system != *_compiled ]] || run_system "$system" 0 >/dev/null || true
	done
	for window in $(seq "$BENCH_WINDOWS"); do
		for system in "${systems[@]}"; do
			measure "$system" "$window"
		done
	done
	ours=$(best ours_)
	ours_time=$(median <"$scratch/$name.$ours.time")
	for system in "${systems[@]}"; do
		[ -s "$scratch/$name.$system.time" ] || continue
		report "$label" "$system" "$(median <"$scratch/$name.$system.time")" us/step \
			"least $(least <"$scratch/$name.$system.time")"
	done
	if [ "${peak%.*}" -gt 0 ]; then
		report "$label" 'share of the limit' \
			"$(calculate "100 * $work / ($ours_time * 1e-6) / ($peak * ${ours#ours_})")" % "$ours"
	fi
	theirs=$(best torch_)
	if [ -n "$theirs" ]; then
		report "$label" 'PyTorch / ours, medians' \
			"$(calculate "$(median <"$scratch/$name.$theirs.time") / $ours_time")" times "$theirs / $ours"
		report "$label" 'PyTorch / ours, least' \
			"$(calculate "$(least <"$scratch/$name.$theirs.time") / $(least <"$scratch/$name.$ours.time")")" times
	fi
	compare_losses
done <<<"$cases"
