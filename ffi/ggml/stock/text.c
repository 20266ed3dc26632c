// llama-perplexity's measure, and greedy text, with llama.h alone, for the llama.cpp that comes without its programs.
//
//   text perplexity MODEL.gguf TEXT [CHUNKS [THREADS]]
//   text greedy MODEL.gguf PROMPT TOKENS [THREADS]
//
// The measure: runs of 128 tokens, each begun by the begin token; the second half of each is counted. Keys and values are
// floats.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ggml-backend.h"
#include "llama.h"

enum { RUN = 128, MOST = 4096 };

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

struct loaded {
    struct llama_model *model;
    const struct llama_vocab *vocab;
    struct llama_context *context;
};

static struct loaded load(const char *path, int tokens, const char *threads) {
    ggml_backend_load_all();
    llama_backend_init();
    struct loaded it;
    it.model = llama_model_load_from_file(path, llama_model_default_params());
    if (!it.model) fail("the model does not load");
    it.vocab = llama_model_get_vocab(it.model);
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = (uint32_t)tokens;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    if (threads) params.n_threads = params.n_threads_batch = atoi(threads);
    it.context = llama_init_from_model(it.model, params);
    if (!it.context) fail("no context");
    return it;
}

static void unload(struct loaded it) {
    llama_free(it.context);
    llama_model_free(it.model);
    llama_backend_free();
}

static void perplexity(struct loaded it, const char *path, int chunks) {
    int len;
    char *text = read_file(path, &len);
    llama_token *tokens = malloc(sizeof *tokens * ((size_t)len + 1));
    int count = tokens ? llama_tokenize(it.vocab, text, len, tokens, len + 1, true, false) : -1;
    int words = llama_vocab_n_tokens(it.vocab);
    if (!chunks) chunks = count / RUN;
    if (count < RUN * chunks || chunks < 1) fail("the text is too short");

    struct llama_batch batch = llama_batch_init(RUN, 0, 1);
    double sum = 0;
    for (int chunk = 0; chunk < chunks; chunk++) {
        const llama_token *run = tokens + chunk * RUN;
        llama_memory_clear(llama_get_memory(it.context), true);
        batch.n_tokens = RUN;
        for (int i = 0; i < RUN; i++) {
            batch.token[i] = i == 0 && llama_vocab_get_add_bos(it.vocab) ? llama_vocab_bos(it.vocab) : run[i];
            batch.pos[i] = i;
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = i >= RUN / 2;
        }
        if (llama_decode(it.context, batch)) fail("it does not decode");
        for (int i = RUN / 2; i < RUN - 1; i++) {
            sum += nats(llama_get_logits_ith(it.context, i), words, run[i + 1]);
        }
    }
    printf("Final estimate: PPL = %.4f\n", exp(sum / (chunks * (RUN / 2 - 1))));
    llama_batch_free(batch);
    free(tokens);
    free(text);
}

static void greedy(struct loaded it, const char *prompt, int more) {
    llama_token tokens[MOST];
    int count = llama_tokenize(it.vocab, prompt, (int)strlen(prompt), tokens, MOST, true, false);
    int words = llama_vocab_n_tokens(it.vocab);
    if (count < 1 || more < 0 || more > MOST - count) fail("the prompt is too long, or there are too many tokens");
    fputs(prompt, stdout);
    struct llama_batch batch = llama_batch_get_one(tokens, count);
    for (int i = 0; i < more; i++) {
        if (llama_decode(it.context, batch)) fail("it does not decode");
        const float *logits = llama_get_logits_ith(it.context, -1);
        llama_token best = 0;
        for (llama_token token = 1; token < words; token++) {
            if (logits[token] > logits[best]) best = token;
        }
        char piece[64];
        int len = llama_token_to_piece(it.vocab, best, piece, sizeof piece, 0, true);
        if (len > 0) fwrite(piece, 1, (size_t)len, stdout);
        tokens[count + i] = best;
        batch = llama_batch_get_one(tokens + count + i, 1);
    }
    putchar('\n');
}

int main(int argc, char **argv) {
    if (argc > 3 && !strcmp(argv[1], "perplexity")) {
        struct loaded it = load(argv[2], RUN, argc > 5 ? argv[5] : NULL);
        perplexity(it, argv[3], argc > 4 ? atoi(argv[4]) : 0);
        unload(it);
    } else if (argc > 4 && !strcmp(argv[1], "greedy")) {
        struct loaded it = load(argv[2], MOST, argc > 5 ? argv[5] : NULL);
        greedy(it, argv[3], atoi(argv[4]));
        unload(it);
    } else {
        fail("usage: text perplexity MODEL.gguf TEXT [CHUNKS [THREADS]], or text greedy MODEL.gguf PROMPT TOKENS [THREADS]");
    }
    return 0;
}
