/* A BitNet v2 model in C, on hbitlinear: what its files share. Tokens are bytes; activations are quantised as the container's
 * contract says; attention states have 32, 16, 8, 4 or 3 bits, and with 4 and 3 queries have 4. What fails prints why and ends
 * the program. */
#ifndef BITNET_V2_MODEL_H
#define BITNET_V2_MODEL_H

#include <hbitlinear.h>

enum { LAYERS_MOST = 256, VOCABULARY = 256 };

/* One input, quantised once, and the matrices that share it. */
typedef struct {
    hbl_stages stages;
    hbl_transform transform;
    hbl_weights weights[3];
    size_t outputs[3];
    size_t matrices;
} projection;

typedef struct {
    projection attention_in, attention_out, ffn_in, ffn_out;
} layer;

typedef struct {
    hbl_container container;
    const char *contract;
    size_t contract_len;
    size_t hidden, ffn, heads, kv_heads, head_size, layers, window;
    float norm_epsilon;
    double rope_theta;
    const float *embedding, *norm;
    layer layer[LAYERS_MOST];
} model;

/* A text that is being read: its attention states, and room for the tokens of one call. */
typedef struct {
    hbl_cache cache[LAYERS_MOST];
    size_t place;
    uint32_t query_bits;
    float *x, *y, *wide, *narrow, *logits;
    float *cosines, *sines;
    uint8_t *values, *workspace;
    float *scales;
    int32_t *sums;
    size_t workspace_len;
} session;

/* Prints both to stderr and ends the program. */
_Noreturn void fail(const char *what, const char *why);
/* Zeroed memory. */
void *allocate(size_t count, size_t size);

/* The model in a container's bytes, which it refers to from then on. */
void open_model(model *m, const uint8_t *file, size_t len);
/* A session that has read nothing and takes up to the model's window of tokens. */
session open_session(const model *m, uint32_t kv_bits);
/* Forgets what was read. */
void restart(const model *m, session *s);
/* Reads tokens behind those before: `hidden` numbers for each, normed, in s->y. */
void read_tokens(const model *m, session *s, const uint8_t *tokens, size_t count);
/* What comes behind the i-th token of the last call: a number for each byte, in s->logits. Returns the largest. */
float find_logits(const model *m, session *s, size_t i);

#endif
