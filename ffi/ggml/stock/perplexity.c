// llama-perplexity's measure with llama.h alone, for the llama.cpp that comes without its programs.
//
//   perplexity MODEL.gguf TEXT [CHUNKS [THREADS]]
//
// Runs of 128 tokens, each begun by the begin token; the second half of each is counted. Keys and values are floats.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ggml-backend.h"
#include "llama.h"

enum { RUN = 128 };

static void fail(const char *what) {
    fprintf(stderr, "error: %s\n", what);
    exit(1);
}

static char *read_file(const char *path, int *len) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail(path);
    long size = ftell(file);
    char *text = size > 0 && size < 1 << 30 ? malloc((size_t)size) : NULL;
    rewind(file);
    if (!text || fread(text, 1, (size_t)size, file) != (size_t)size) fail(path);
    fclose(file);
    *len = (int)size;
    return text;
}

static double nats(const float *logits, int tokens, llama_token token) {
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < tokens; i++) most = fmax(most, logits[i]);
    for (int i = 0; i < tokens; i++) sum += exp(logits[i] - most);
    return log(sum) + most - logits[token];
}

int main(int argc, char **argv) {
    if (argc < 3) fail("usage: perplexity MODEL.gguf TEXT [CHUNKS [THREADS]]");
    ggml_backend_load_all();
    llama_backend_init();
    struct llama_model *model = llama_model_load_from_file(argv[1], llama_model_default_params());
    if (!model) fail("the model does not load");
    const struct llama_vocab *vocab = llama_model_get_vocab(model);
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = RUN;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    if (argc > 4) params.n_threads = params.n_threads_batch = atoi(argv[4]);
    struct llama_context *context = llama_init_from_model(model, params);
    if (!context) fail("no context");

    int len;
    char *text = read_file(argv[2], &len);
    llama_token *tokens = malloc(sizeof *tokens * ((size_t)len + 1));
    int count = tokens ? llama_tokenize(vocab, text, len, tokens, len + 1, true, false) : -1;
    int chunks = argc > 3 ? atoi(argv[3]) : count / RUN, words = llama_vocab_n_tokens(vocab);
    if (count < RUN * chunks || chunks < 1) fail("the text is too short");

    struct llama_batch batch = llama_batch_init(RUN, 0, 1);
    double sum = 0;
    for (int chunk = 0; chunk < chunks; chunk++) {
        const llama_token *run = tokens + chunk * RUN;
        llama_memory_clear(llama_get_memory(context), true);
        batch.n_tokens = RUN;
        for (int i = 0; i < RUN; i++) {
            batch.token[i] = i == 0 && llama_vocab_get_add_bos(vocab) ? llama_vocab_bos(vocab) : run[i];
            batch.pos[i] = i;
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = i >= RUN / 2;
        }
        if (llama_decode(context, batch)) fail("it does not decode");
        for (int i = RUN / 2; i < RUN - 1; i++) sum += nats(llama_get_logits_ith(context, i), words, run[i + 1]);
    }
    printf("Final estimate: PPL = %.4f\n", exp(sum / (chunks * (RUN / 2 - 1))));
    llama_batch_free(batch);
    free(tokens);
    free(text);
    llama_free(context);
    llama_model_free(model);
    llama_backend_free();
    return 0;
}
