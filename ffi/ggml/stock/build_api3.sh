#!/bin/bash
# Builds a newer llama.cpp, whose backend API is 3, from the crate llama-cpp-sys-2; and, because that comes without
# llama.cpp's programs, text.c.
#
#   apt-get install cmake g++ ninja-build
#   ffi/ggml/stock/build_api3.sh FOLDER
#
# Afterwards FOLDER/bin has the libraries and text. The CPU backend is built for AVX2, OpenMP is on.
set -euo pipefail

if (($# != 1)); then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mkdir -p "$1" && cd "$1" && pwd)
# The crate that benches/peers measures against is the version.
manifest=$here/../../../benches/peers/Cargo.toml
cargo fetch --quiet --locked --manifest-path "$manifest"
crate=$(cargo metadata --offline --locked --format-version 1 --manifest-path "$manifest" |
    grep -o '"[^"]*/llama-cpp-sys-2-[^"/]*/Cargo.toml"' | head -n 1 | tr -d '"')
source=$(dirname "$crate")/llama.cpp
cmake -G Ninja -S "$source" -B "$folder" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DGGML_BACKEND_DL=ON \
    -DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON -DGGML_OPENMP=ON -DGGML_CCACHE=OFF \
    -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
    -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF
cmake --build "$folder" --target ggml-cpu llama
cc -O2 -std=c11 -I "$source/include" -I "$source/ggml/include" "$here/text.c" -o "$folder/bin/text" \
    -L "$folder/bin" -lllama -lggml -lggml-base -lm -Wl,-rpath,'$ORIGIN'
