/* The model: opened from a container, and run on tokens. */
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 96 };

static hbl_error error;

static void check(hbl_status status) {
    if (status != HBL_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", hbl_status_text(status), error.message);
        exit(EXIT_FAILURE);
    }
}

_Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL) {
        fail("memory", "none is left");
    }
    return memory;
}

/* --- the model: handles and pointers into the container --- */

static hbl_entry find(const model *m, const char *name) {
    hbl_entry entry = HBL_ENTRY_INIT;
    check(hbl_container_find(&m->container, name, &entry, &error));
    return entry;
}

static const float *floats(const model *m, const char *name, size_t count) {
    const hbl_entry entry = find(m, name);
    if (strcmp(entry.type_name, "F32") != 0 || entry.data_len != count * sizeof(float)) {
        fail(name, "expected another length, of F32");
    }
    return (const float *)(const void *)entry.data;
}

/* A number of config.json, which is flat as far as we need it. */
static double number(const char *config, const char *key) {
    char quoted[NAME_MOST];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(config, quoted);
    if (at == NULL) {
        fail(key, "not in config.json");
    }
    return strtod(at + strlen(quoted), NULL);
}

static void open_projection(const model *m, projection *p, size_t index, const char *norm, size_t inputs,
                            const char *const *names, size_t matrices) {
    char name[NAME_MOST];
    p->stages = (hbl_stages)HBL_STAGES_INIT;
    p->stages.inputs = inputs;
    snprintf(name, sizeof name, "model.layers.%zu.%s.weight", index, norm);
    p->stages.norm = HBL_NORM_RMS;
    p->stages.norm_weight = floats(m, name, inputs);
    p->stages.norm_weight_len = inputs;
    p->stages.norm_epsilon = m->norm_epsilon;
    p->stages.quantizer_epsilon = 1e-5f;
    p->matrices = matrices;
    for (size_t i = 0; i < matrices; i++) {
        snprintf(name, sizeof name, "model.layers.%zu.%s.weight", index, names[i]);
        const hbl_entry entry = find(m, name);
        p->outputs[i] = (size_t)entry.shape[0];
        check(hbl_container_weights(&m->container, entry.number, &p->weights[i], &error));
        /* What shares an input is quantised alike in this architecture, so the last one's line is all of theirs. */
        uint32_t says = HBL_CONTRACT_NOTHING;
        check(hbl_contract_layer(m->contract, m->contract_len, name, inputs, &says, &p->transform, &p->stages.rule,
                                 &error));
        if (says == HBL_CONTRACT_NOTHING) {
            fail(name, "not in the contract");
        }
        p->stages.transform = says == HBL_CONTRACT_TRANSFORMED ? &p->transform : NULL;
    }
}

void open_model(model *m, const uint8_t *file, size_t len) {
    check(hbl_container_open(file, len, &m->container, &error));
    const hbl_entry contract = find(m, "contract"), config = find(m, "config.json");
    m->contract = (const char *)contract.data;
    m->contract_len = contract.data_len;
    char *text = allocate(config.data_len + 1, 1);
    memcpy(text, config.data, config.data_len);
    m->hidden = (size_t)number(text, "hidden_size");
    m->ffn = (size_t)number(text, "intermediate_size");
    m->heads = (size_t)number(text, "num_attention_heads");
    m->kv_heads = (size_t)number(text, "num_key_value_heads");
    m->layers = (size_t)number(text, "num_hidden_layers");
    m->window = (size_t)number(text, "max_position_embeddings");
    m->norm_epsilon = (float)number(text, "rms_norm_eps");
    m->rope_theta = number(text, "rope_theta");
    if (number(text, "vocab_size") != VOCABULARY || strstr(text, "\"silu\"") == NULL || m->layers > LAYERS_MOST) {
        fail("config.json", "expected 256 tokens, silu and at most 256 layers");
    }
    free(text);
    m->head_size = m->hidden / m->heads;
    m->embedding = floats(m, "model.embed_tokens.weight", VOCABULARY * m->hidden);
    m->norm = floats(m, "model.norm.weight", m->hidden);
    static const char *const attention_in[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};
    static const char *const attention_out[] = {"self_attn.o_proj"};
    static const char *const ffn_in[] = {"mlp.gate_proj", "mlp.up_proj"};
    static const char *const ffn_out[] = {"mlp.down_proj"};
    for (size_t i = 0; i < m->layers; i++) {
        layer *l = &m->layer[i];
        open_projection(m, &l->attention_in, i, "input_layernorm", m->hidden, attention_in, 3);
        open_projection(m, &l->attention_out, i, "self_attn.attn_sub_norm", m->hidden, attention_out, 1);
        open_projection(m, &l->ffn_in, i, "post_attention_layernorm", m->hidden, ffn_in, 2);
        open_projection(m, &l->ffn_out, i, "mlp.ffn_sub_norm", m->ffn, ffn_out, 1);
    }
}

/* --- running it --- */

static void grow(size_t *most, size_t len) {
    if (len > *most) {
        *most = len;
    }
}

session open_session(const model *m, uint32_t kv_bits) {
    session s;
    memset(&s, 0, sizeof s);
    s.query_bits = kv_bits <= 4 ? 4 : 32;
    hbl_cache_spec spec = HBL_CACHE_SPEC_INIT;
    spec.key_bits = spec.value_bits = kv_bits;
    spec.head_size = m->head_size;
    spec.kv_heads = m->kv_heads;
    spec.capacity = m->window;
    size_t cache_len = 0, workspace_len = 0;
    check(hbl_cache_bytes_len(&spec, &cache_len, &error));
    for (size_t i = 0; i < m->layers; i++) {
        check(hbl_cache_create(&spec, allocate(cache_len, 1), cache_len, &s.cache[i], &error));
        const layer *l = &m->layer[i];
        const projection *all[] = {&l->attention_in, &l->attention_out, &l->ffn_in, &l->ffn_out};
        for (size_t j = 0; j < 4; j++) {
            check(hbl_stages_workspace_len(&all[j]->stages, &workspace_len, &error));
            grow(&s.workspace_len, workspace_len);
        }
    }
    check(hbl_attention_workspace_len(m->head_size, m->window, &workspace_len, &error));
    grow(&s.workspace_len, workspace_len);
    grow(&s.workspace_len, hbl_product_workspace_len());
    s.workspace = allocate(s.workspace_len, 1);

    size_t inputs = m->hidden, wide = m->hidden + 2 * m->kv_heads * m->head_size;
    grow(&inputs, m->ffn);
    grow(&wide, 2 * m->ffn);
    s.x = allocate(m->window * m->hidden, sizeof(float));
    s.y = allocate(m->window * m->hidden, sizeof(float));
    s.wide = allocate(m->window * wide, sizeof(float));
    s.narrow = allocate(m->window * inputs, sizeof(float));
    s.logits = allocate(VOCABULARY, sizeof(float));
    s.values = allocate(m->window * inputs, 1);
    s.scales = allocate(m->window, sizeof(float));
    s.sums = allocate(m->window, sizeof(int32_t));

    const size_t pairs = m->head_size / 2;
    s.cosines = allocate(m->window * pairs, sizeof(float));
    s.sines = allocate(m->window * pairs, sizeof(float));
    for (size_t place = 0; place < m->window; place++) {
        for (size_t pair = 0; pair < pairs; pair++) {
            const float frequency = (float)pow(m->rope_theta, -(double)(2 * pair) / (double)m->head_size);
            const double angle = (double)((float)place * frequency);
            s.cosines[place * pairs + pair] = (float)cos(angle);
            s.sines[place * pairs + pair] = (float)sin(angle);
        }
    }
    return s;
}

/* Rows of x through a projection, all matrices' outputs side by side. */
static void project(session *s, const projection *p, size_t tokens, const float *x, float *y) {
    hbl_activations activations = HBL_ACTIVATIONS_INIT;
    activations.bits = p->stages.rule == HBL_RULE_INT8_ABSMAX ? 8 : 4;
    activations.tokens = tokens;
    activations.inputs = p->stages.inputs;
    activations.values = s->values;
    activations.values_len = tokens * hbl_row_bytes(activations.bits, p->stages.inputs);
    activations.scales = s->scales;
    activations.sums = s->sums;
    hbl_input input = HBL_INPUT_INIT;
    input.data = x;
    input.len = tokens * p->stages.inputs;
    input.tokens = tokens;
    check(hbl_stages_quantize(HBL_BACKEND_BEST, &p->stages, &input, &activations, s->workspace, s->workspace_len,
                              &error));
    size_t width = 0, first = 0;
    for (size_t i = 0; i < p->matrices; i++) {
        width += p->outputs[i];
    }
    for (size_t i = 0; i < p->matrices; i++) {
        const hbl_range all_tokens = {0, tokens}, all_outputs = {0, p->outputs[i]};
        check(hbl_product_f32(HBL_BACKEND_BEST, &p->weights[i], &activations, all_tokens, all_outputs, y + first,
                              tokens * width - first, width, s->workspace, s->workspace_len, &error));
        first += p->outputs[i];
    }
}

static void rotate(const model *m, const session *s, size_t place, float *heads, size_t count) {
    const size_t pairs = m->head_size / 2;
    const float *cosines = s->cosines + place * pairs, *sines = s->sines + place * pairs;
    for (size_t head = 0; head < count; head++) {
        float *low = heads + head * m->head_size, *high = low + pairs;
        for (size_t i = 0; i < pairs; i++) {
            const float a = low[i], b = high[i];
            low[i] = a * cosines[i] - b * sines[i];
            high[i] = b * cosines[i] + a * sines[i];
        }
    }
}

static void add(float *x, const float *y, size_t count) {
    for (size_t i = 0; i < count; i++) {
        x[i] += y[i];
    }
}

static void run_layer(const model *m, session *s, size_t index, size_t tokens) {
    const layer *l = &m->layer[index];
    const size_t queries = m->hidden, states = m->kv_heads * m->head_size, width = queries + 2 * states;
    project(s, &l->attention_in, tokens, s->x, s->wide);
    for (size_t t = 0; t < tokens; t++) {
        rotate(m, s, s->place + t, s->wide + t * width, m->heads + m->kv_heads);
    }
    const float *keys = s->wide + queries, *values = keys + states;
    check(hbl_cache_append(HBL_BACKEND_BEST, &s->cache[index], tokens, keys, tokens * width - queries, width, values,
                           tokens * width - queries - states, width, &error));
    const hbl_range heads = {0, m->heads};
    const float scale = 1.0f / sqrtf((float)m->head_size);
    for (size_t t = 0; t < tokens; t++) {
        check(hbl_attention(HBL_BACKEND_BEST, &s->cache[index], s->wide + t * width, queries, s->query_bits, heads,
                            s->place + t + 1, scale, s->narrow + t * queries, queries, s->workspace, s->workspace_len, &error));
    }
    project(s, &l->attention_out, tokens, s->narrow, s->y);
    add(s->x, s->y, tokens * m->hidden);

    project(s, &l->ffn_in, tokens, s->x, s->wide);
    for (size_t t = 0; t < tokens; t++) {
        const float *gate = s->wide + t * 2 * m->ffn, *up = gate + m->ffn;
        for (size_t i = 0; i < m->ffn; i++) {
            /* In double, so that every exponential function that is worth the name gives the same float. */
            const double value = gate[i];
            s->narrow[t * m->ffn + i] = (float)(value / (1.0 + exp(-value))) * up[i];
        }
    }
    project(s, &l->ffn_out, tokens, s->narrow, s->y);
    add(s->x, s->y, tokens * m->hidden);
}

void restart(const model *m, session *s) {
    s->place = 0;
    for (size_t i = 0; i < m->layers; i++) {
        check(hbl_cache_truncate(&s->cache[i], 0, &error));
    }
}

void read_tokens(const model *m, session *s, const uint8_t *tokens, size_t count) {
    if (count > m->window - s->place) {
        fail("tokens", "more than the window has left");
    }
    for (size_t t = 0; t < count; t++) {
        memcpy(s->x + t * m->hidden, m->embedding + tokens[t] * m->hidden, m->hidden * sizeof(float));
    }
    for (size_t i = 0; i < m->layers; i++) {
        run_layer(m, s, i, count);
    }
    s->place += count;
    check(hbl_rms_norm(HBL_BACKEND_BEST, m->hidden, m->norm, m->hidden, m->norm_epsilon, s->x, count * m->hidden, s->y,
                       count * m->hidden, &error));
}

float find_logits(const model *m, session *s, size_t i) {
    float most = -INFINITY;
    for (size_t token = 0; token < VOCABULARY; token++) {
        float dot = 0.0f;
        for (size_t j = 0; j < m->hidden; j++) {
            dot += s->y[i * m->hidden + j] * m->embedding[token * m->hidden + j];
        }
        s->logits[token] = dot;
        most = dot > most ? dot : most;
    }
    return most;
}
