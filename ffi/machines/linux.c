/* A program for Linux that needs no C library: its start, text out and its end are system calls, and what compilers take for
 * granted of a C library is below. */
#include "../bare_metal/board.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__i386__)
enum { EXIT = 1, WRITE = 4 };
#elif defined(__arm__)
enum { EXIT = 1, WRITE = 4 };
#elif defined(__riscv) || defined(__aarch64__)
enum { EXIT = 93, WRITE = 64 };
#else
#error "no system calls for this machine"
#endif

static intptr_t system_call(intptr_t number, intptr_t first, intptr_t second, intptr_t third) {
#if defined(__i386__)
    intptr_t result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(third) : "memory");
    return result;
#elif defined(__arm__)
    register intptr_t r0 __asm__("r0") = first;
    register intptr_t r1 __asm__("r1") = second;
    register intptr_t r2 __asm__("r2") = third;
    register intptr_t r7 __asm__("r7") = number;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r7) : "memory");
    return r0;
#elif defined(__aarch64__)
    register intptr_t x0 __asm__("x0") = first;
    register intptr_t x1 __asm__("x1") = second;
    register intptr_t x2 __asm__("x2") = third;
    register intptr_t x8 __asm__("x8") = number;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x8) : "memory");
    return x0;
#else
    register intptr_t a0 __asm__("a0") = first;
    register intptr_t a1 __asm__("a1") = second;
    register intptr_t a2 __asm__("a2") = third;
    register intptr_t a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
#endif
}

size_t strlen(const char *text);

void put(const char *text) {
    system_call(WRITE, 1, (intptr_t)text, (intptr_t)strlen(text));
}

void end(int code) {
    for (;;) {
        system_call(EXIT, code, 0, 0);
    }
}

__attribute__((used)) static void start(void) { end(run()); }

/* The kernel starts a program with an aligned stack, and x86 wants it as a call leaves it. */
#if defined(__i386__)
__asm__(".globl _start\n_start:\n call start\n");
#elif defined(__arm__) || defined(__aarch64__)
__asm__(".globl _start\n.type _start, %function\n_start:\n bl start\n");
#else
__asm__(".globl _start\n_start:\n .option push\n .option norelax\n la gp, __global_pointer$\n .option pop\n call start\n");
#endif

void *memmove(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len) {
    uint8_t *target = to;
    const uint8_t *source = from;
    for (size_t i = 0; i < len; i++) {
        const size_t at = target < source ? i : len - 1 - i;
        target[at] = source[at];
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t len);
void *memcpy(void *to, const void *from, size_t len) { return memmove(to, from, len); }

void *memset(void *to, int value, size_t len);
void *memset(void *to, int value, size_t len) {
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t len);
int memcmp(const void *a, const void *b, size_t len) {
    for (size_t i = 0; i < len; i++) {
        const int difference = ((const uint8_t *)a)[i] - ((const uint8_t *)b)[i];
        if (difference != 0) {
            return difference;
        }
    }
    return 0;
}

int bcmp(const void *a, const void *b, size_t len);
int bcmp(const void *a, const void *b, size_t len) { return memcmp(a, b, len); }

size_t strlen(const char *text) {
    size_t len = 0;
    while (text[len] != '\0') {
        len++;
    }
    return len;
}
