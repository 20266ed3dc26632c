/* A BitNet v2 model from C, from its container to a text's perplexity: what `bitnet_v2 perplexity` does in Rust
 * (examples/bitnet_v2), with the same digits.
 *
 *     hbl convert CHECKPOINT/model.safetensors model.hbl --contract CHECKPOINT/contract.txt
 *     perplexity model.hbl TEXT [BITS OF KEYS AND VALUES]
 *
 * The text is cut into windows of the length that the model was trained with; each begins with a token 0, the only one that
 * the model sees of what came before. */
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail(path, "cannot be read");
    }
    const long end = ftell(file);
    rewind(file);
    *len = end < 0 ? 0 : (size_t)end;
    uint8_t *bytes = allocate(*len + 1, 1);
    if (fread(bytes, 1, *len, file) != *len) {
        fail(path, "cannot be read");
    }
    fclose(file);
    return bytes;
}

/* The natural logarithms of the probabilities of a window's bytes, added up. */
static double run_window(const model *m, session *s, const uint8_t *text, size_t count) {
    uint8_t *tokens = allocate(count, 1);
    memcpy(tokens + 1, text, count - 1);
    restart(m, s);
    read_tokens(m, s, tokens, count);
    free(tokens);
    double sum = 0.0;
    for (size_t t = 0; t < count; t++) {
        const double most = (double)find_logits(m, s, t);
        double total = 0.0;
        for (size_t token = 0; token < VOCABULARY; token++) {
            total += exp((double)s->logits[token] - most);
        }
        sum += (double)s->logits[text[t]] - most - log(total);
    }
    return sum;
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: perplexity MODEL.hbl TEXT [32|16|8|4|3]\n");
        return 2;
    }
    size_t file_len = 0, text_len = 0;
    const uint8_t *file = read_file(argv[1], &file_len), *text = read_file(argv[2], &text_len);
    static model m;
    open_model(&m, file, file_len);
    static session s;
    s = open_session(&m, argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 32);
    double sum = 0.0;
    for (size_t start = 0; start < text_len; start += m.window) {
        const size_t rest = text_len - start;
        sum += run_window(&m, &s, text + start, rest < m.window ? rest : m.window);
    }
    const double nats = -sum / (double)text_len;
    printf("%zu bytes: %.5f nats a byte, perplexity %.4f\n", text_len, nats, exp(nats));
    return EXIT_SUCCESS;
}
