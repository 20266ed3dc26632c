#!/bin/bash
# Builds an unmodified llama.cpp that takes backends as shared objects, from the registry's source package.
#
#   apt-get install cmake g++ ninja-build python3-venv
#   ffi/ggml/stock/build.sh FOLDER [avx2|avx512|amx]
#
# Afterwards FOLDER/bin has llama-perplexity, llama-bench, llama-completion, test-backend-ops, ggml-rpc-server and the
# libraries. The CPU backend is built for AVX2 (with FMA, F16C, BMI2), or for more; OpenMP is on. Its backend API is 2.
set -euo pipefail

VERSION=0.3.36
PROGRAMS=(llama-perplexity llama-bench llama-completion test-backend-ops ggml-rpc-server)

if (($# < 1 || $# > 2)); then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
folder=$(mkdir -p "$1" && cd "$1" && pwd)
# GGML_NATIVE cannot go with GGML_BACKEND_DL.
cpu=(AVX2 FMA F16C BMI2)
case ${2:-avx2} in
    avx2) ;;
    avx512) cpu+=(AVX512 AVX512_VBMI AVX512_VNNI AVX512_BF16) ;;
    amx) cpu+=(AVX512 AVX512_VBMI AVX512_VNNI AVX512_BF16 AMX_TILE AMX_INT8 AMX_BF16) ;;
    *) echo "expected avx2, avx512 or amx, got $2" >&2 && exit 2 ;;
esac

if [[ ! -d $folder/source ]]; then
    # pip asks a source package's build system for its metadata, which would compile CMake if that were not there.
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet scikit-build-core
    "$folder/venv/bin/pip" download --quiet --no-binary :all: --no-build-isolation --no-deps --dest "$folder" \
        "llama-cpp-python==$VERSION"
    mkdir "$folder/source.part"
    tar -xzf "$folder/llama_cpp_python-$VERSION.tar.gz" -C "$folder/source.part" --strip-components 1
    mv "$folder/source.part" "$folder/source"
fi

options=()
for feature in "${cpu[@]}"; do
    options+=("-DGGML_$feature=ON")
done
cmake -G Ninja -S "$folder/source/vendor/llama.cpp" -B "$folder" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
    -DGGML_BACKEND_DL=ON -DGGML_NATIVE=OFF -DGGML_OPENMP=ON -DGGML_RPC=ON -DGGML_CCACHE=OFF "${options[@]}" \
    -DLLAMA_BUILD_TESTS=ON -DLLAMA_BUILD_TOOLS=ON -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF \
    -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF
cmake --build "$folder" --target ggml-cpu ggml-rpc "${PROGRAMS[@]}"
