#!/bin/bash
# The small models of examples/bitnet_v2 in llama.cpp: its own CPU backend, ours, the example's runner and torch.
#
#   ffi/ggml/stock/compare.sh BUILD [libggml_hbitlinear.so [WINDOWS...]]
#
# BUILD is a folder that build.sh or build_api3.sh filled. Without the shared object its column is left out. Each line has
# perplexities a byte of so many windows (8 and 512 unless given), as llama-perplexity counts (README.md beside this says
# how); below them, whether greedy decoding gives the runner's bytes.
set -euo pipefail

if (($# < 1)); then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
build=$(realpath "$1") adapter=${2:+$(realpath "$2")} windows=("${@:3}")
((${#windows[@]})) || windows=(8 512)
repo=$(cd "$(dirname "$0")/../../.." && pwd)
checkpoints=$repo/examples/bitnet_v2/checkpoints
text=$checkpoints/held_out.txt
out=$build/small-models
mkdir -p "$out"
cd "$repo"
cargo build --quiet --release --package hbl --bin hbl
cargo build --quiet --release --example bitnet_v2
hbl=${CARGO_TARGET_DIR:-target}/release/hbl
runner=${CARGO_TARGET_DIR:-target}/release/examples/bitnet_v2

# llama.cpp's states are f16 unless it is told: here float, as in the runner and torch.
STATES=(--cache-type-k f32 --cache-type-v f32 --flash-attn off)
PROMPT="In the beginning "
TOKENS=100

ours() {
    GGML_BACKEND_PATH=$adapter HBITLINEAR_GGML_CONTRACT=$contract "$@"
}

# llama.cpp's log sometimes ends before its last line is out: again, then.
perplexity() {
    local found=
    if [[ -x $build/bin/text ]]; then
        "$@" "$build/bin/text" perplexity "$model" "$text" "$chunks" 2>/dev/null | sed -n 's/.*PPL = //p'
        return
    fi
    for _ in 1 2 3 4 5 6 7 8 9; do
        found=$("$@" "$build/bin/llama-perplexity" --model "$model" --file "$text" --ctx-size 128 --batch-size 128 \
            --chunks "$chunks" "${STATES[@]}" 2>&1 | sed -n 's/.*Final estimate: PPL = \([0-9.]*\).*/\1/p')
        [[ -z $found ]] || break
    done
    echo "${found:-none}"
}

greedy() {
    if [[ -x $build/bin/text ]]; then
        "$@" "$build/bin/text" greedy "$model" "$PROMPT" "$TOKENS" 2>/dev/null
        return
    fi
    "$@" "$build/bin/llama-completion" --model "$model" --prompt "$PROMPT" --predict "$TOKENS" --temp 0 \
        --no-conversation --no-warmup --ctx-size 256 "${STATES[@]}" 2>/dev/null </dev/null | head -c $((${#PROMPT} + TOKENS))
}

same() {
    if [[ $1 == "$2" ]]; then echo the same; else echo others; fi
}

printf '%-16s %6s %9s %9s %9s %9s\n' model windows stock ours runner torch
for name in large-plain-a8 large-v2-a8 large-plain-a4 large-v2-a4; do
    checkpoint=$checkpoints/$name
    model=$out/$name.gguf contract=$out/$name.contract
    "$hbl" convert "$checkpoint" "$model" --as tq2_0 >/dev/null
    for chunks in "${windows[@]}"; do
        torch=$("$runner" perplexity "$checkpoint" "$text" --second-halves --windows "$chunks" --torch |
            sed -n 's/.*perplexity //p')
        here=$("$runner" perplexity "$checkpoint" "$text" --second-halves --windows "$chunks" | sed -n 's/.*perplexity //p')
        printf '%-16s %6s %9s %9s %9s %9s\n' "$name" "$chunks" "$(perplexity env)" \
            "${adapter:+$(perplexity ours)}" "$here" "$torch"
    done
    expected=$("$runner" generate "$checkpoint" --prompt "$PROMPT" --tokens "$TOKENS" --temperature 0)
    printf '    greedy bytes: stock %s%s\n' "$(same "$expected" "$(greedy env)")" \
        "${adapter:+, ours $(same "$expected" "$(greedy ours)")}"
done
